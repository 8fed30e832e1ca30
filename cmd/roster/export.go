package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/rosterhq/roster/client"
)

func (a *app) exportRecords() *cobra.Command {
	var output string
	var secrets bool
	cmd := &cobra.Command{
		Use: "export", GroupID: overAPI, Short: "Export the registry as JSON lines for `roster import roster`",
		Long: "Write clients with their credentials, resource servers, client grants, scopes, identity providers and key pairs\n" +
			"as JSON lines, which `roster import roster` takes. What each Roster has of its own is left out: the management API,\n" +
			"the global client, the keys that sign tokens, and the audit trail.\n\n" +
			"Without --include-secrets there are no secrets, private keys and add-ons' settings in it. It is no backup: see\n" +
			"docs/operations.md for those.",
		Example: "  roster export --output registry.jsonl\n  roster export --include-secrets --output all.jsonl\n  roster export | jq -c 'select(.kind == \"client\") | .client_id'",
	}
	cmd.Flags().StringVar(&output, "output", "", "`FILE` to write, readable by its owner alone; default: standard output")
	cmd.Flags().BoolVar(&secrets, "include-secrets", false, "write secrets and private keys too; takes read:client_keys")
	cmd.Flags().BoolVarP(&a.quiet, "quiet", "q", false, "show no progress, and say nothing of what was written")
	return a.online(cmd, func(ctx context.Context, api *client.Client, _ []string) error {
		if output == "" {
			if secrets && terminal(a.stdout) {
				fmt.Fprintln(a.stderr, "Secrets are shown on this terminal, and stay in its memory: --output writes them to a file.")
			}
			_, err := export(ctx, api, a.stdout, secrets, func() {})
			return err
		}
		bar := a.progress(-1, "exporting records")
		n, err := exportFile(ctx, api, output, secrets, func() { _ = bar.Add(1) })
		_ = bar.Finish()
		if err == nil && !a.quiet {
			fmt.Fprintf(a.stdout, "Wrote %d records to %s.\n", n, output)
		}
		return err
	})
}

// exportFile writes an export to a file, which is there in whole or not at all.
func exportFile(ctx context.Context, api *client.Client, name string, secrets bool, step func()) (n int, err error) {
	f, err := os.CreateTemp(filepath.Dir(name), ".roster-export-*") // with mode 0600
	if err != nil {
		return 0, usageError{err}
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	if n, err = export(ctx, api, f, secrets, step); err != nil {
		return n, err
	}
	if err = f.Sync(); err != nil {
		return n, err
	}
	if err = f.Close(); err != nil {
		return n, err
	}
	return n, os.Rename(f.Name(), name)
}

// export writes a line for each record.
func export(ctx context.Context, api *client.Client, w io.Writer, secrets bool, step func()) (n int, err error) {
	out := bufio.NewWriter(w)
	var line bytes.Buffer
	for record, err := range api.Export(ctx, &client.ExportOptions{IncludeSecrets: secrets}) {
		if err != nil {
			return n, errors.Join(err, out.Flush())
		}
		line.Reset()
		if err := json.Compact(&line, record); err != nil {
			return n, err
		}
		line.WriteByte('\n')
		if _, err := out.Write(line.Bytes()); err != nil {
			return n, err
		}
		n++
		step()
	}
	return n, out.Flush()
}
