// Command check fails when openapi.yaml does not keep what its version promises
// (https://semver.org) to users of the document released last, or when
// spec/CHANGELOG.md does not know the version. Run it in the repository's root.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

func main() {
	verdict, err := check("openapi.yaml", "spec/released.yaml", "spec/CHANGELOG.md")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(verdict)
}

// check compares the document in one file with the one in released, which need
// not exist, and tells what it found when that is in order.
func check(document, released, changelog string) (verdict string, err error) {
	text, now, err := read(document)
	if err != nil {
		return "", err
	}
	if err := mentions(changelog, now); err != nil {
		return "", err
	}
	before, last, err := read(released)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Sprintf("specification %s: nothing is released yet", now), nil
	case err != nil:
		return "", err
	case bytes.Equal(text, before):
		return fmt.Sprintf("specification %s: as released", now), nil
	case slices.Compare(now[:], last[:]) <= 0:
		return "", fmt.Errorf("%s is not what was released as %s, and its info.version is %s: "+
			"raise it, and tell in %s what is new", document, last, now, changelog)
	}
	changes, err := compare(before, document)
	if err != nil {
		return "", err
	}
	closed, err := closures(before, text)
	if err != nil {
		return "", err
	}
	argued, err := tightened(changelog, now)
	if err != nil {
		return "", err
	}
	changes = append(changes, closed...)
	for i := range changes {
		if slices.ContainsFunc(argued, func(member string) bool {
			return strings.Contains(changes[i].Text, "`"+member) || strings.Contains(changes[i].Text, "/"+member)
		}) {
			changes[i] = change{Level: 1}
		}
	}
	need := patch
	for _, c := range changes {
		need = min(need, c.needs())
	}
	if has := now.above(last); has > need {
		list := new(strings.Builder)
		for _, c := range changes {
			if c.needs() < has {
				fmt.Fprintf(list, "\n  %s %s: %s [%s]", c.Operation, c.Path, c.Text, c.ID)
			}
		}
		return "", fmt.Errorf("from %s to %s is a %s version, these changes need a %s one:%s", last, now, has, need, list)
	}
	return fmt.Sprintf("specification %s: a %s version after %s was needed", now, need, last), nil
}

// part is a part of a version's number, 0 the major one.
type part int

const (
	major part = iota
	minor
	patch
)

func (p part) String() string { return []string{"major", "minor", "patch"}[p] }

// version is major, minor, patch.
type version [3]int

func (v version) String() string { return fmt.Sprintf("%d.%d.%d", v[0], v[1], v[2]) }

// above tells the first part in which v differs from w.
func (v version) above(w version) part {
	for p := major; p < patch; p++ {
		if v[p] != w[p] {
			return p
		}
	}
	return patch
}

var number = regexp.MustCompile(`^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)$`)

// read returns a document's text and its info.version.
func read(file string) ([]byte, version, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, version{}, err
	}
	var document struct {
		Info struct {
			Version string `yaml:"version"`
		} `yaml:"info"`
	}
	if err := yaml.Unmarshal(text, &document); err != nil {
		return nil, version{}, fmt.Errorf("%s: %w", file, err)
	}
	digits := number.FindStringSubmatch(document.Info.Version)
	if digits == nil {
		return nil, version{}, fmt.Errorf("%s: info.version is %q, not MAJOR.MINOR.PATCH", file, document.Info.Version)
	}
	var v version
	for i := range v {
		if v[i], err = strconv.Atoi(digits[i+1]); err != nil {
			return nil, version{}, fmt.Errorf("%s: info.version: %w", file, err)
		}
	}
	return text, v, nil
}

// tightened lists what the changelog names between ` where it argues why a version
// may break what is unsafe without being a major one.
func tightened(changelog string, v version) (names []string, err error) {
	text, err := os.ReadFile(changelog)
	if err != nil {
		return nil, err
	}
	ofVersion, tight := false, false
	for line := range strings.Lines(string(text)) {
		switch {
		case strings.HasPrefix(line, "## "):
			ofVersion, tight = strings.HasPrefix(line, "## ["+v.String()+"]"), false
		case strings.HasPrefix(line, "### "):
			tight = strings.HasPrefix(line, "### Tightened for security")
		case ofVersion && tight:
			for i, part := range strings.Split(line, "`") {
				if i%2 == 1 {
					names = append(names, part)
				}
			}
		}
	}
	return names, nil
}

// closures lists the objects that took any member and take none but their own
// now, which oasdiff does not see.
func closures(before, after []byte) (list []change, err error) {
	var was, is struct {
		Components struct{ Schemas map[string]any }
	}
	if err := errors.Join(yaml.Unmarshal(before, &was), yaml.Unmarshal(after, &is)); err != nil {
		return nil, err
	}
	var walk func(at string, was, is any)
	walk = func(at string, was, is any) {
		switch is := is.(type) {
		case map[string]any:
			was, _ := was.(map[string]any)
			if was != nil && was["type"] == "object" && was["additionalProperties"] != false && is["additionalProperties"] == false {
				list = append(list, change{ID: "object-closed", Level: 3, Path: at, Text: "the object `" + at + "` takes no members but its own"})
			}
			for name := range is {
				walk(at+"/"+name, was[name], is[name])
			}
		case []any:
			was, _ := was.([]any)
			for i := range min(len(was), len(is)) {
				walk(fmt.Sprintf("%s/%d", at, i), was[i], is[i])
			}
		}
	}
	for name, schema := range is.Components.Schemas {
		walk(name, was.Components.Schemas[name], schema)
	}
	slices.SortFunc(list, func(a, b change) int { return strings.Compare(a.Path, b.Path) })
	return list, nil
}

// mentions fails when the changelog has no heading for v.
func mentions(changelog string, v version) error {
	text, err := os.ReadFile(changelog)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "## ["+v.String()+"]") {
			return nil
		}
	}
	return fmt.Errorf("%s has no heading \"## [%s]\"", changelog, v)
}

const oasdiff = "github.com/oasdiff/oasdiff@v1.33.0"

// change is what oasdiff tells of one.
type change struct {
	ID        string `json:"id"`
	Text      string `json:"text"`
	Level     int    `json:"level"` // 1 is harmless, 2 may break a client, 3 does
	Operation string `json:"operation"`
	Path      string `json:"path"`
}

// alsoBreaking are changes that oasdiff takes for harmless.
var alsoBreaking = []string{
	"api-operation-id-removed",           // names a method of generated clients
	"response-optional-property-removed", // hardly any member of an answer is required, yet all are read
	// Announced or not, a removal breaks.
	"api-path-removed-with-deprecation",
	"api-removed-with-deprecation",
	"request-parameter-removed-with-deprecation",
}

func (c change) needs() part {
	if c.Level > 1 || slices.Contains(alsoBreaking, c.ID) {
		return major
	}
	return minor
}

// compare lists the changes that a program on the other side can notice, from
// the text of a document to that in the file after.
func compare(before []byte, after string) ([]change, error) {
	// Not a dependency of go.mod: it wants an older kin-openapi than the server has.
	cmd := exec.Command("go", "run", oasdiff, "changelog", "-", after, "--format", "json")
	// oasdiff says nothing of what is removed after the end that x-sunset announced.
	cmd.Stdin = bytes.NewReader(bytes.ReplaceAll(before, []byte("x-sunset"), []byte("x-end")))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", oasdiff, err)
	}
	var changes []change
	if err := json.Unmarshal(out, &changes); err != nil {
		return nil, fmt.Errorf("%s: %w", oasdiff, err)
	}
	return changes, nil
}
