package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// errDuration says what a duration looks like.
var errDuration = errors.New("want a duration such as 90s, 10m, 24h or 30d; a number alone counts seconds")

// parseDuration reads a duration as flags and the environment have it: as Go
// writes it, with d for days of 24 hours in front, or a number of seconds.
func parseDuration(text string) (time.Duration, error) {
	if seconds, err := strconv.ParseInt(text, 10, 64); err == nil {
		if d := time.Duration(seconds) * time.Second; d/time.Second == time.Duration(seconds) {
			return d, nil
		}
		return 0, errDuration
	}
	var days time.Duration
	if number, rest, found := strings.Cut(text, "d"); found {
		n, err := strconv.ParseInt(number, 10, 64)
		if days = time.Duration(n) * 24 * time.Hour; err != nil || days/(24*time.Hour) != time.Duration(n) {
			return 0, errDuration
		}
		if text = rest; text == "" {
			return days, nil
		}
		if days < 0 || strings.HasPrefix(text, "-") || strings.HasPrefix(text, "+") {
			return 0, errDuration
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil || days+d < days && days > 0 {
		return 0, errDuration
	}
	return days + d, nil
}

// duration is a flag that takes one.
type duration time.Duration

func (d *duration) Type() string { return "DURATION" }

func (d *duration) Set(text string) error {
	got, err := parseDuration(text)
	if err == nil {
		*d = duration(got)
	}
	return err
}

// String writes it without parts that are zero: 10m, not 10m0s.
func (d *duration) String() string {
	if *d == 0 {
		return ""
	}
	if days := time.Duration(*d) / (24 * time.Hour); days > 0 && time.Duration(*d)%(24*time.Hour) == 0 {
		return fmt.Sprintf("%dd", days)
	}
	text := time.Duration(*d).String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = text[:len(text)-2]
		}
	}
	return text
}

// wholeSeconds is a duration as the API takes it.
func wholeSeconds(d time.Duration) (int64, error) {
	if d < 0 || d%time.Second != 0 {
		return 0, errors.New("want whole seconds, not below 0")
	}
	return int64(d / time.Second), nil
}
