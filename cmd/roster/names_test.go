package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestDocumentsNameOnlyCommandsThatExist finds every command line of roster in the
// documents, in backquotes or in a block, and looks its command and flags up.
func TestDocumentsNameOnlyCommandsThatExist(t *testing.T) {
	t.Parallel()
	root := (&app{}).root()
	line := regexp.MustCompile("(?m)(?:`|^|&& |\\$\\(|! |/)roster ([a-z][^`|&#)\n]*)")
	flag := regexp.MustCompile(`(?:^| )--([a-z-]+)`)
	found := 0
	for _, pattern := range []string{"../../*.md", "../../docs/*.md", "../../docs/guides/*.md"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			joined := strings.ReplaceAll(string(text), "\\\n", "")
			for _, m := range line.FindAllStringSubmatch(joined, -1) {
				cmd := command(root, strings.Fields(m[1]))
				if cmd == root {
					t.Errorf("%s names `roster %s`, which is no command", file, m[1])
					continue
				}
				found++
				for _, f := range flag.FindAllStringSubmatch(m[1], -1) {
					if cmd.Flags().Lookup(f[1]) == nil && cmd.InheritedFlags().Lookup(f[1]) == nil && f[1] != "help" {
						t.Errorf("%s names the flag --%s of `%s`, which has no such flag", file, f[1], cmd.CommandPath())
					}
				}
			}
		}
	}
	if found < 80 {
		t.Errorf("only %d command lines were found", found)
	}
}

// command returns the command that words name, as far as they do.
func command(root *cobra.Command, words []string) *cobra.Command {
	cmd := root
	for _, word := range words {
		for _, sub := range cmd.Commands() {
			if sub.Name() == word || sub.HasAlias(word) {
				cmd = sub
				break
			}
		}
	}
	return cmd
}
