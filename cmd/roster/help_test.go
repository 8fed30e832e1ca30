package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/rivo/uniseg"
)

// TestHelpFitsATerminal reads the help of every command.
func TestHelpFitsATerminal(t *testing.T) {
	t.Parallel()
	for cmd := range tree((&app{}).root()) {
		var out bytes.Buffer
		cmd.SetOut(&out)
		if err := cmd.Help(); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(out.String()) {
			line = strings.TrimRight(line, "\n")
			if width := uniseg.StringWidth(line); width > helpWidth {
				t.Errorf("%s: a line of %d characters:\n%s", cmd.CommandPath(), width, line)
			}
		}
	}
}

func TestDurationsAreWrittenInOneWay(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"0": "", "90": "1m30s", "90s": "1m30s", "10m": "10m", "24h": "1d", "30d": "30d", "1d12h": "36h", "36h": "36h", "1h30m": "1h30m", "1.5h": "1h30m", "500ms": "500ms",
	} {
		var d duration
		if err := d.Set(text); err != nil || d.String() != want {
			t.Errorf("%q is %q, %v; want %q", text, d.String(), err, want)
		}
	}
	for _, text := range []string{"", "soon", "1 h", "d", "1d-1h", "1dx", "x1d", "9999999999999999999", "9223372036854775807", "999999999d"} {
		if d, err := parseDuration(text); err == nil {
			t.Errorf("%q is %v, want an error", text, d)
		}
	}
}
