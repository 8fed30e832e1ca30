package main

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rosterhq/roster/client"
	"github.com/rosterhq/roster/internal/jsondoc"
)

var clientColumns = []column{
	{head: "CLIENT ID", member: "client_id"}, {head: "NAME", member: "name", flexible: true},
	{head: "TYPE", member: "app_type"}, {head: "GRANT TYPES", member: "grant_types", flexible: true},
}

// hideSecrets takes all secrets out of a client or an API.
func hideSecrets(object jsondoc.Object) {
	maps.DeleteFunc(object, func(name string, _ json.RawMessage) bool { return slices.Contains(secretMembers, name) })
	var keys []jsondoc.Object
	if json.Unmarshal(object["signing_keys"], &keys) == nil {
		for _, key := range keys {
			delete(key, "key")
		}
		object["signing_keys"] = jsondoc.Must(keys)
	}
}

// hidden returns what is to be done with an object before it is printed, and
// for the API which members are not to be sent at all: reading a secret is an
// event in the audit trail.
func hidden(cmd *cobra.Command) (hide func(jsondoc.Object), fields *string, include *bool) {
	if show, _ := cmd.Flags().GetBool("show-secrets"); show {
		return func(jsondoc.Object) {}, nil, nil
	}
	return hideSecrets, new(strings.Join(secretMembers, ",")), new(false)
}

func addShowSecrets(cmd *cobra.Command) {
	cmd.Flags().Bool("show-secrets", false, "print what is or may be secret too: "+strings.Join(secretMembers, ", "))
}

func (a *app) clients() *cobra.Command {
	cmd := &cobra.Command{
		Use: "clients", GroupID: overAPI, Aliases: []string{"client"}, Short: "List, make, change and delete the clients of a running Roster",
		Long: "List, make, change and delete the clients of a running Roster, over its API.\n\n" +
			"`roster help connection` tells how Roster is found. Secrets are printed only where --show-secrets is given.",
	}
	cmd.AddCommand(a.listClients(), a.getClient(), a.createClient(), a.updateClient(), a.rotateSecret(), a.deleteClients())
	cmd.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	return cmd
}

func (a *app) listClients() *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List clients, oldest first", Args: cobra.NoArgs,
		Example: "  roster clients list\n  roster clients list --app-type spa --app-type native --limit 20\n  roster clients list -o json | jq -r '.[].client_id'",
	}
	addList(cmd)
	addShowSecrets(cmd)
	flags := cmd.Flags()
	flags.StringSlice("app-type", nil, "only clients of this kind; may be repeated")
	complete(cmd, "app-type", appTypes...)
	flags.Bool("first-party", false, "only first-party clients; =false: only third-party ones")
	flags.Bool("global", false, "only the global client; =false: all but that")
	flags.String("external-client-id", "", "only the client registered under this metadata document's `URL`")
	return a.online(cmd, func(ctx context.Context, api *client.Client, _ []string) error {
		hide, fields, include := hidden(cmd)
		params := client.Auth0ListClientsParams{
			Fields: fields, IncludeFields: include,
			IsGlobal: given(cmd, "global", flags.GetBool), IsFirstParty: given(cmd, "first-party", flags.GetBool),
			ExternalClientID: given(cmd, "external-client-id", flags.GetString),
		}
		if types := given(cmd, "app-type", flags.GetStringSlice); types != nil {
			params.AppType = new(strings.Join(*types, ","))
		}
		return a.printList(cmd, clientColumns, hide, func(cursor string, size int) ([]jsondoc.Object, string, error) {
			params.Take = &size
			if cursor != "" {
				params.From = &cursor
			}
			page, err := answer[struct {
				Clients []jsondoc.Object
				Next    string
			}](api.Auth0ListClients(ctx, &params))
			return page.Clients, page.Next, err
		})
	})
}

func (a *app) getClient() *cobra.Command {
	cmd := &cobra.Command{
		Use: "get CLIENT_ID", Short: "Show a client", Args: cobra.ExactArgs(1), ValidArgsFunction: inOrder(false, a.offerClients()),
		Example: "  roster clients get GTUY20MntRjWQMHIKMeFXEUQ6BSuyhBr\n  roster clients get GTUY20MntRjWQMHIKMeFXEUQ6BSuyhBr -o yaml",
	}
	addOutput(cmd)
	addShowSecrets(cmd)
	return a.online(cmd, func(ctx context.Context, api *client.Client, args []string) error {
		_, fields, include := hidden(cmd)
		return a.printAnswer(cmd)(api.Auth0GetClient(ctx, args[0], &client.Auth0GetClientParams{Fields: fields, IncludeFields: include}))
	})
}
