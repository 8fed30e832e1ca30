package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rosterhq/roster/client"
)

// importFormats are whose records `roster import` takes.
var importFormats = []string{"auth0", "boruta", "hydra", "roster"}

func (a *app) importRecords() *cobra.Command {
	var o importOptions
	cmd := &cobra.Command{
		Use: "import FORMAT FILE|-", GroupID: overAPI, Short: "Import clients from Auth0, Boruta, Hydra or another Roster",
		Long: "Import clients with their client_ids and, if the file has them, their secrets.\n\n" +
			"FORMAT is auth0, boruta, hydra, or roster for what `roster export` writes. The file is JSON in UTF-8 or UTF-16: lines, a list, " +
			"or an object around lists such as clients, data or items. Secrets belong in the file or on standard input (-), " +
			"never in the arguments.\n\n" +
			"A part of a record that cannot be imported, such as an address or a key, is left out with a warning on stderr;\n" +
			"--strict fails such a record. The other records are imported either way.\n\n" +
			"Running it again is safe: what is there already is not written again, and what differs in the file wins. " +
			"Nothing is deleted. Try it with --dry-run first. The exit code is 1 if a record could not be imported.",
		Example: "  auth0 apps list --json --reveal-secrets | roster import auth0 -\n  roster import hydra clients.json --dry-run\n  roster export --include-secrets --output all.jsonl &&\n    roster import roster all.jsonl --url https://other.example",
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 0 {
				return importFormats, cobra.ShellCompDirectiveNoFileComp
			}
			return nil, cobra.ShellCompDirectiveDefault
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&o.dry, "dry-run", false, "tell what would happen and do nothing")
	flags.BoolVar(&o.restore, "restore", false, "register clients anew whose client_id is that of a deleted one")
	flags.IntVar(&o.skip, "skip", 0, "leave out the first `N` records, of an import that was interrupted")
	flags.BoolVar(&o.strict, "strict", false, "fail a record of which a part cannot be imported, instead of leaving the part out")
	flags.BoolVar(&o.warnings, "warnings", false, "tell of each record all that was not imported of it, not only what somebody must look at")
	flags.BoolVarP(&a.quiet, "quiet", "q", false, "show no progress, and say only what was not imported")
	return a.online(cmd, func(ctx context.Context, api *client.Client, args []string) error {
		o.format, o.name = args[0], args[1]
		if !slices.Contains(importFormats, o.format) {
			return misused(cmd, "%q is no format: want auth0, boruta, hydra or roster", o.format)
		}
		if o.skip < 0 {
			return misused(cmd, "--skip: want a number from 0 on")
		}
		im := newImport(a, api, o)
		if o.name == "-" {
			o.name = "standard input"
			return im.finish(im.pass(ctx, until(ctx, cmd.InOrStdin()), ""))
		}
		f, err := os.Open(o.name)
		if err != nil {
			return usageError{err}
		}
		defer f.Close()
		return im.finish(im.file(ctx, f))
	})
}

type importOptions struct {
	format, name string
	dry, strict  bool
	restore      bool
	warnings     bool
	skip         int
}

// file imports the records of f. Auth0's tools write the kinds of records in
// any order, so each has a pass of its own where the file can be read again.
func (im *importing) file(ctx context.Context, f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if im.format != "auth0" || !info.Mode().IsRegular() {
		return im.pass(ctx, f, "")
	}
	for _, kind := range []string{"resource_server", "client", "client_grant"} {
		if im.found != nil && im.found[kind] == 0 {
			continue
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return err
		}
		if err := im.pass(ctx, f, kind); err != nil {
			return err
		}
	}
	return nil
}

// finish sums up. err is what ended the import before its time.
func (im *importing) finish(err error) error {
	im.bar.finish()
	s := &im.sum
	did := "Imported"
	if im.dry {
		did = "Would import"
	}
	var text strings.Builder
	if !im.app.quiet {
		fmt.Fprintf(&text, "%s %s: %d created, %d updated, %d unchanged, %d skipped, %d failed.\n", did, im.format,
			s.outcomes["created"], s.outcomes["updated"], s.outcomes["unchanged"], s.outcomes["skipped"], s.outcomes["failed"])
	}
	for _, w := range s.sorted() {
		fmt.Fprintf(&text, "  %6d × %s\n", s.notes[w], w)
	}
	_, unsaid := io.WriteString(im.app.stdout, text.String())
	if err != nil {
		if done := im.upTo(); done > 0 {
			fmt.Fprintf(im.app.stderr, "The first %d records are done: go on with --skip %d, or run it again as it was.\n", done, done)
		}
		return err
	}
	if n := s.outcomes["failed"]; n > 0 {
		return fmt.Errorf("%d of %d records could not be imported", n, s.total())
	}
	if im.places == 0 {
		return fmt.Errorf("%s holds no records", im.name)
	}
	return unsaid
}
