package main

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/rivo/uniseg"
	"github.com/spf13/cobra"
)

// The groups that help shows commands in.
const (
	aServer     = "server"
	overAPI     = "api"
	emergencies = "keys"
)

// helpWidth is what a line of help is broken to.
const helpWidth = 80

var groups = []*cobra.Group{
	{ID: aServer, Title: "Run a server:"},
	{ID: overAPI, Title: "Work with a running Roster, from anywhere:"},
	{ID: emergencies, Title: "Keys and emergencies, on the server's database and keyset:"},
}

// usageError is a command line that asks for nothing that can be done. Nothing
// was.
type usageError struct{ error }

// misused is a usageError that says where to read on.
func misused(cmd *cobra.Command, format string, args ...any) error {
	return usageError{fmt.Errorf(format+" (see %s --help)", append(args, cmd.CommandPath())...)}
}

// argument is a word of a command's Use that stands for what the caller gives.
var argument = regexp.MustCompile(`^\[?[A-Z][A-Z_|-]*\]?(\.\.\.)?$`)

// checkArguments refuses what does not fit the command's Use, which names its
// arguments: CLIENT_ID is one, [FILE] may be left out, ID... is one or more.
func checkArguments(cmd *cobra.Command, args []string) error {
	if slices.Contains(args, "") {
		return misused(cmd, "an argument is empty")
	}
	given := len(args)
	for _, word := range strings.Fields(cmd.Use)[1:] {
		if !argument.MatchString(word) {
			break // a flag
		}
		switch name, many := strings.CutSuffix(word, "..."); {
		case given == 0 && !strings.HasPrefix(word, "["):
			return misused(cmd, "%s is missing", name)
		case many:
			given = 0
		case given > 0:
			given--
		}
	}
	if given > 0 {
		return misused(cmd, "unexpected argument %q", args[len(args)-given])
	}
	return nil
}

// checkName refuses a subcommand that does not exist; cobra would show help
// and succeed.
func checkName(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	meant := ""
	if similar := cmd.SuggestionsFor(args[0]); len(similar) > 0 {
		meant = fmt.Sprintf("; did you mean %q?", similar[0])
	}
	return misused(cmd, "unknown command %q for %q%s", args[0], cmd.CommandPath(), meant)
}

// prepareUsage gives root and all below it their checks and their help.
func prepareUsage(root *cobra.Command) {
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return misused(cmd, "%w", err) })
	root.AddGroup(groups...)
	root.SuggestionsMinimumDistance = 2
	root.SetHelpTemplate(`{{with (or .Long .Short)}}{{wrapped . | trimTrailingWhitespaces}}

{{end}}{{if or .Runnable .HasSubCommands}}{{.UsageString}}{{end}}`)
	root.SetUsageTemplate(usageTemplate())
	for cmd := range tree(root) {
		cmd.SuggestionsMinimumDistance = 2
		if cmd.HasSubCommands() {
			cmd.Args, cmd.RunE = checkName, func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		} else if cmd.Args == nil {
			cmd.Args = checkArguments
		}
	}
}

// usageTemplate is cobra's, with lines of helpWidth.
func usageTemplate() string {
	cobra.AddTemplateFunc("wrapped", func(text string) string { return wrap(text, helpWidth) })
	text := (&cobra.Command{}).UsageTemplate()
	return strings.ReplaceAll(text, "Flags.FlagUsages |", fmt.Sprintf("Flags.FlagUsagesWrapped %d |", helpWidth))
}

// wrap breaks the paragraphs of a text. Lines that begin with a blank stay as
// they are: examples and tables.
func wrap(text string, width int) string {
	var out []string
	line := ""
	end := func() {
		if line != "" {
			out = append(out, line)
		}
		line = ""
	}
	for given := range strings.Lines(text) {
		given = strings.TrimRight(given, "\n")
		if given == "" || given[0] == ' ' {
			end()
			out = append(out, given)
			continue
		}
		for word := range strings.FieldsSeq(given) {
			if line != "" && uniseg.StringWidth(line)+1+uniseg.StringWidth(word) > width {
				end()
			}
			if line != "" {
				line += " "
			}
			line += word
		}
	}
	end()
	return strings.Join(out, "\n")
}

var errNoTerminal = usageError{errors.New("stdin is not a terminal: pass --yes to go on without being asked")}
