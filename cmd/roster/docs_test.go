package main

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite docs/cli")

// pagesOfReference are the pages of docs/cli: one for each command of roster,
// with all that is below it, and an index.
func pagesOfReference(t *testing.T) map[string]string {
	t.Helper()
	root := (&app{}).root()
	var index bytes.Buffer
	index.WriteString("# Commands\n\nThese pages are what `--help` prints. They are generated: `go test ./cmd/roster -run Reference -update`.\n")
	pages := map[string]string{}
	for _, group := range append(groups, nil) {
		title, id := "Besides:", ""
		if group != nil {
			title, id = group.Title, group.ID
		}
		fmt.Fprintf(&index, "\n%s\n\n", title)
		for _, cmd := range root.Commands() {
			if cmd.GroupID != id || cmd.Hidden {
				continue
			}
			fmt.Fprintf(&index, "- [`%s`](%s.md): %s\n", cmd.CommandPath(), cmd.Name(), cmd.Short)
			var page bytes.Buffer
			for c := range tree(cmd) {
				level := "##"
				if c == cmd {
					level = "#"
				}
				var help bytes.Buffer
				c.SetOut(&help)
				if err := c.Help(); err != nil {
					t.Fatal(err)
				}
				fmt.Fprintf(&page, "%s %s\n\n```text\n%s\n```\n\n", level, c.CommandPath(), bytes.TrimSpace(help.Bytes()))
			}
			pages[cmd.Name()+".md"] = string(bytes.TrimSpace(page.Bytes())) + "\n"
		}
	}
	pages["README.md"] = index.String()
	return pages
}

// TestReferenceOfCommandsIsCurrent compares docs/cli with what --help prints.
func TestReferenceOfCommandsIsCurrent(t *testing.T) {
	t.Parallel()
	const dir = "../../docs/cli"
	want := pagesOfReference(t)
	if *update {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, text := range want {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		got[f.Name()] = string(text)
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got))); diff != "" {
		t.Errorf("pages (-commands +docs/cli):\n%s", diff)
	}
	for name, text := range want {
		if diff := cmp.Diff(text, got[name]); diff != "" {
			t.Errorf("%s is not what --help prints; run go test ./cmd/roster -run Reference -update (-commands +docs/cli):\n%s", name, diff)
		}
	}
}
