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
	"github.com/rosterhq/roster/internal/rights"
)

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

// run executes one command line. Environment, output and end come from the
// caller, so that tests can do what main does.
func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) error {
	root := (&app{environ: environ, stdout: stdout, stderr: stderr}).root()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	return root.ExecuteContext(ctx)
}

// root returns all commands.
func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use: "roster", Short: "A self-hosted registry of OAuth 2.0 and OpenID Connect clients",
		Long: "Roster keeps OAuth 2.0 and OpenID Connect clients and their credentials in PostgreSQL.\n\n" +
			"`roster serve` runs it; `roster config` shows the environment variables that configure it. " +
			"Most other commands work with a Roster that runs: see `roster help connection`.",
		SilenceUsage: true, SilenceErrors: true, Version: programVersion(),
	}
	root.SetVersionTemplate(versionLine())
	root.AddCommand(
		a.serve(), a.migrate(), a.config(), a.health(),
		a.clients(), a.credentials(), a.secrets(), a.grants(), a.apis(), a.events(), a.importRecords(), a.exportRecords(), a.whoami(), a.tokens(),
		a.bootstrap(), a.keys(), a.token(),
		&cobra.Command{Use: "connection", Short: "How commands find a running Roster and who they are to it", Long: connectionHelp},
		a.version(),
	)
	root.PersistentPreRun = func(cmd *cobra.Command, _ []string) {
		if cmd.Name() != "serve" { // what the server does by itself nobody else did
			cmd.SetContext(oauth.WithOrigin(cmd.Context(), oauth.Origin{Caller: &oauth.Caller{Subject: operator(), Rights: rights.All}}))
		}
	}
	prepareUsage(root)
	return root
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
	quiet          bool // --quiet of a command that shows progress
}
