// Command roster serves a registry of OAuth 2.0 and OpenID Connect clients.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/rosterhq/roster/internal/oauth"
)

// version is set by the build.
var version = "0.1.0-dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends it in any case
	err := run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "roster:", err)
		if _, wrong := errors.AsType[usageError](err); wrong {
			os.Exit(2)
		}
		os.Exit(1)
	}
}

// usageError is a command line that asks for nothing that can be done. Nothing
// was.
type usageError struct{ error }

// run executes one command line. Environment, output and end come from the
// caller, so that tests can do what main does.
func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) error {
	a := &app{environ: environ, stdout: stdout, stderr: stderr}
	root := &cobra.Command{
		Use: "roster", Short: "A self-hosted registry of OAuth 2.0 and OpenID Connect clients",
		Long: "Roster keeps OAuth 2.0 and OpenID Connect clients and their credentials in PostgreSQL.\n" +
			"It is configured by environment variables; `roster config` shows them with what is in force.",
		SilenceUsage: true, SilenceErrors: true,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddGroup(&cobra.Group{ID: overAPI, Title: "Commands for a running Roster, from anywhere:"})
	root.AddCommand(a.serve(), a.migrate(), a.bootstrap(), a.token(), a.config(), a.keys(), a.secrets(), a.health(), a.importRecords(), a.exportRecords(), a.clients(), a.credentials(), a.grants(), a.apis(), &cobra.Command{
		Use: "connection", Short: "How commands find a running Roster and who they are to it", Long: connectionHelp,
	}, &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(stdout, "roster", version)
			return err
		},
	})
	root.PersistentPreRun = func(cmd *cobra.Command, _ []string) {
		if cmd.Name() != "serve" { // what the server does by itself nobody else did
			cmd.SetContext(oauth.WithOrigin(cmd.Context(), oauth.Origin{Caller: &oauth.Caller{Subject: operator()}}))
		}
	}
	for cmd := range tree(root) {
		if cmd.HasSubCommands() { // without these a wrong name shows help and succeeds
			cmd.Args, cmd.RunE = cobra.NoArgs, func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		}
		if check := cmd.Args; check != nil {
			cmd.Args = func(cmd *cobra.Command, args []string) error {
				if err := check(cmd, args); err != nil {
					return usageError{fmt.Errorf("%w; see %s --help", err, cmd.CommandPath())}
				}
				return nil
			}
		}
	}
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	return root.ExecuteContext(ctx)
}

// tree yields cmd and all below it.
func tree(cmd *cobra.Command) iter.Seq[*cobra.Command] {
	return func(yield func(*cobra.Command) bool) {
		if !yield(cmd) {
			return
		}
		for _, sub := range cmd.Commands() {
			for c := range tree(sub) {
				if !yield(c) {
					return
				}
			}
		}
	}
}

// app is what the commands share.
type app struct {
	environ        []string
	stdout, stderr io.Writer
}
