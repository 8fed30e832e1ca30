package main

import (
	"context"
	"errors"
	"fmt"
	"os/user"

	"github.com/spf13/cobra"

	"github.com/rosterhq/roster/client"
	"github.com/rosterhq/roster/internal/jsondoc"
)

// operator is how the audit trail names whoever runs a command on the database.
func operator() string {
	if u, err := user.Current(); err == nil {
		return "operator:" + u.Username
	}
	return "operator:unknown"
}

var secretColumns = []column{
	{head: "ID", member: "id"}, {head: "STATUS", member: "status"}, {head: "CREATED", member: "created_at", show: moment},
	{head: "EXPIRES", member: "expires_at", show: momentOrNever}, {head: "LAST USED", member: "last_used_at", show: momentOrNever},
	{head: "WEAK", member: "weak"},
}

func (a *app) secrets() *cobra.Command {
	cmd := &cobra.Command{
		Use: "secrets", GroupID: overAPI, Aliases: []string{"secret"}, Short: "List and retire the secrets of a client, without their texts",
		Long: "List and retire the secrets of a client, without their texts.\n\n" +
			"A rotation with a grace period leaves the old secret valid next to the new one; LAST USED tells when nobody " +
			"needs it any more.",
	}
	cmd.AddCommand(a.listSecrets(), a.retireSecret())
	cmd.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	return cmd
}

func (a *app) listSecrets() *cobra.Command {
	cmd := &cobra.Command{
		Use: "list CLIENT_ID", Aliases: []string{"ls"}, Short: "List a client's secrets, newest first",
		ValidArgsFunction: inOrder(false, a.offerClients()), Example: "  roster secrets list GTUY20MntRjWQMHIKMeFXEUQ6BSuyhBr",
	}
	addList(cmd)
	return a.online(cmd, func(ctx context.Context, api *client.Client, args []string) error {
		return a.printList(cmd, "secrets", secretColumns, hideSecrets, func(string, int) ([]jsondoc.Object, string, error) {
			got, err := secretsOf(ctx, api, args[0])
			return got, "", err
		})
	})
}

// secretsOf reads what is known of a client's secrets, newest first.
func secretsOf(ctx context.Context, api *client.Client, clientID string) ([]jsondoc.Object, error) {
	got, err := fetch[struct{ Secrets []jsondoc.Object }](ctx, api, client.Path(rosterPath+"/clients", clientID, "secrets"), nil)
	return got.Secrets, err
}

func (a *app) retireSecret() *cobra.Command {
	cmd := &cobra.Command{
		Use: "retire CLIENT_ID SECRET_ID", Short: "Revoke a superseded secret now",
		ValidArgsFunction: inOrder(false, a.offerClients(), a.offerSecrets()),
		Example:           "  roster secrets retire ID 019a0e44-20aa-7d10-b3f5-77d0c1b2a6f4",
	}
	return a.online(cmd, func(ctx context.Context, api *client.Client, args []string) error {
		err := remove(ctx, api, client.Path(rosterPath+"/clients", args[0], "secrets", args[1]))
		if errors.Is(err, client.ErrNotFound) {
			return fmt.Errorf("secret %s of client %s not found", visible(args[1]), visible(args[0]))
		}
		if err == nil {
			fmt.Fprintf(a.stdout, "secret %s of client %s revoked\n", visible(args[1]), visible(args[0]))
		}
		return err
	})
}
