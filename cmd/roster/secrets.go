package main

import (
	"cmp"
	"context"
	"fmt"
	"os/user"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/caarlos0/env/v11"
	"github.com/spf13/cobra"

	"github.com/rosterhq/roster/client"
	"github.com/rosterhq/roster/internal/embedpg"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/registry"
)

// operator is how the audit trail names whoever runs a command.
func operator() string {
	if u, err := user.Current(); err == nil {
		return "operator:" + u.Username
	}
	return "operator:unknown"
}

func (a *app) secrets() *cobra.Command {
	cmd := &cobra.Command{
		Use: "secrets", Short: "See and retire the secrets of a client, never their texts",
		Long: "See and retire the secrets of a client, never their texts.\n\n" +
			"A rotation with a grace period leaves the old secret valid next to the new one; LAST USED tells when nobody\n" +
			"needs it any more.\n\n" +
			"With --url or ROSTER_URL these commands ask a running Roster. Otherwise they use the database that DATABASE_URL\n" +
			"names or that is in ROSTER_DATA_DIR, and where there is none a running Roster too; see roster help connection.",
	}
	cmd.AddCommand(a.listSecrets(), a.retireSecret())
	return cmd
}

// secretRow is a secret as the API shows it.
type secretRow struct {
	ID, Status string
	CreatedAt  time.Time  `json:"created_at"`
	ExpiresAt  *time.Time `json:"expires_at"`
	LastUsedAt *time.Time `json:"last_used_at"`
}

func (a *app) listSecrets() *cobra.Command {
	cmd := &cobra.Command{
		Use: "list CLIENT_ID", Short: "List a client's secrets, newest first", Args: cobra.ExactArgs(1),
		ValidArgsFunction: inOrder(false, a.offerClients()),
	}
	show := func(list []secretRow) error {
		w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "ID\tSTATUS\tCREATED\tEXPIRES\tLAST USED")
		for _, s := range list {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", s.ID, s.Status, moment(&s.CreatedAt), moment(s.ExpiresAt), moment(s.LastUsedAt))
		}
		return w.Flush()
	}
	return a.eitherWay(cmd, func(ctx context.Context, api *client.Client, args []string) error {
		got, err := answer[struct{ Secrets []secretRow }](api.RosterListClientSecrets(ctx, args[0]))
		if err != nil {
			return err
		}
		return show(got.Secrets)
	}, func(ctx context.Context, reg *registry.Registry, args []string) error {
		list, err := reg.Secrets(ctx, oauth.ClientRef{ClientID: args[0]})
		if err != nil {
			return err
		}
		rows := make([]secretRow, len(list))
		for i, s := range list {
			rows[i] = secretRow{s.ID, s.Status(time.Now()), s.CreatedAt, s.ExpiresAt, s.LastUsedAt}
		}
		return show(rows)
	})
}

func (a *app) retireSecret() *cobra.Command {
	cmd := &cobra.Command{
		Use: "retire CLIENT_ID SECRET_ID", Short: "Revoke a superseded secret now", Args: cobra.ExactArgs(2),
		ValidArgsFunction: inOrder(false, a.offerClients()),
	}
	done := func(err error) error {
		if err == nil {
			fmt.Fprintln(a.stdout, "The secret is no longer good.")
		}
		return err
	}
	return a.eitherWay(cmd, func(ctx context.Context, api *client.Client, args []string) error {
		resp, err := api.RosterRetireClientSecret(ctx, args[0], args[1])
		if err == nil {
			resp.Body.Close()
		}
		return done(err)
	}, func(ctx context.Context, reg *registry.Registry, args []string) error {
		return done(reg.RetireSecret(ctx, oauth.ClientRef{ClientID: args[0]}, args[1]))
	})
}

// eitherWay makes cmd a command that asks a running Roster, where --url or
// ROSTER_URL names one or there is no database to open, and else works on the
// database.
func (a *app) eitherWay(cmd *cobra.Command, over func(context.Context, *client.Client, []string) error, on func(context.Context, *registry.Registry, []string) error) *cobra.Command {
	asking := a.online(cmd, over).RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		vars := env.ToMap(a.environ)
		if url, _ := cmd.Flags().GetString("url"); url != "" || vars["ROSTER_URL"] != "" {
			return asking(cmd, args)
		}
		if vars["DATABASE_URL"]+vars["DATABASE_URL_FILE"] == "" {
			exists, err := embedpg.Exists(embedpg.Config{Dir: filepath.Join(cmp.Or(vars["ROSTER_DATA_DIR"], defaultDataDir), databaseDir)})
			if err == nil && !exists {
				return asking(cmd, args)
			}
		}
		return a.withRegistry(cmd.Context(), false, func(reg *registry.Registry) error { return on(cmd.Context(), reg, args) })
	}
	return cmd
}

func moment(t *time.Time) string {
	if t == nil {
		return "never"
	}
	return t.UTC().Format(time.RFC3339)
}
