package main

import (
	"fmt"
	"os/user"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

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
			"A rotation with a grace period leaves the old secret good beside the new one; LAST USED tells when nobody\n" +
			"needs it any more.",
	}
	cmd.AddCommand(&cobra.Command{
		Use: "list CLIENT_ID", Short: "List a client's secrets, newest first", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withRegistry(cmd.Context(), false, func(reg *registry.Registry) error {
				list, err := reg.Secrets(cmd.Context(), oauth.ClientRef{ClientID: args[0]})
				if err != nil {
					return err
				}
				w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
				fmt.Fprintln(w, "ID\tSTATUS\tCREATED\tEXPIRES\tLAST USED")
				for _, s := range list {
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", s.ID, s.Status(time.Now()), moment(&s.CreatedAt), moment(s.ExpiresAt), moment(s.LastUsedAt))
				}
				return w.Flush()
			})
		},
	}, &cobra.Command{
		Use: "retire CLIENT_ID SECRET_ID", Short: "End a superseded secret now", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withRegistry(cmd.Context(), false, func(reg *registry.Registry) error {
				err := reg.RetireSecret(cmd.Context(), oauth.ClientRef{ClientID: args[0]}, args[1])
				if err == nil {
					fmt.Fprintln(a.stdout, "The secret is no longer good.")
				}
				return err
			})
		},
	})
	return cmd
}

func moment(t *time.Time) string {
	if t == nil {
		return "never"
	}
	return t.UTC().Format(time.RFC3339)
}
