package main

import (
	"context"
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rosterhq/roster/client"
	"github.com/rosterhq/roster/internal/jsondoc"
)

var clientColumns = []column{
	{head: "CLIENT ID", member: "client_id"}, {head: "NAME", member: "name", name: true},
	{head: "TYPE", member: "app_type", flexible: true, spare: true},
	{head: "GRANT TYPES", member: "grant_types", flexible: true, spare: true},
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
// for the API the query that says which members are not to be sent at all: reading a secret is an
// event in the audit trail.
func hidden(cmd *cobra.Command) (hide func(jsondoc.Object), query url.Values) {
	if show, _ := cmd.Flags().GetBool("show-secrets"); show {
		return func(jsondoc.Object) {}, url.Values{}
	}
	return hideSecrets, url.Values{"fields": {strings.Join(secretMembers, ",")}, "include_fields": {"false"}}
}

func addShowSecrets(cmd *cobra.Command) {
	cmd.Flags().Bool("show-secrets", false, "print what is or may be secret too: "+strings.Join(secretMembers, ", "))
}

func (a *app) clients() *cobra.Command {
	cmd := &cobra.Command{
		Use: "clients", GroupID: overAPI, Aliases: []string{"client"}, Short: "List, create, change and delete clients",
		Long: "List, create, change and delete clients, over the API of a running Roster.\n\n" +
			"See `roster help connection` for how Roster is found. Secrets are printed only with --show-secrets.",
	}
	cmd.AddCommand(a.listClients(), a.getClient(), a.createClient(), a.updateClient(), a.rotateSecret(), a.clientToken(),
		a.disableClients(), a.enableClients(), a.deleteClients(), a.restoreClients())
	cmd.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	return cmd
}

func (a *app) listClients() *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List clients, oldest first",
		Example: "  roster clients list\n  roster clients list --app-type spa --app-type native --limit 20\n  roster clients list --name bill --state active\n  roster clients list -o json | jq -r '.[].name'",
	}
	addList(cmd)
	addShowSecrets(cmd)
	flags := cmd.Flags()
	flags.String("name", "", "only clients whose name contains this `TEXT` of three characters or more, in upper or lower case")
	flags.String("name-prefix", "", "only clients whose name begins with this `TEXT`, in upper or lower case")
	flags.StringSlice("app-type", nil, "only clients of this kind; may be repeated")
	complete(cmd, "app-type", appTypes...)
	flags.String("state", "", "only clients in this state, with their states: active, disabled, quarantined")
	complete(cmd, "state", states...)
	flags.Bool("first-party", false, "only first-party clients; =false: only third-party ones")
	flags.Bool("global", false, "only the global client; =false: all but that")
	flags.String("external-client-id", "", "only the client registered under this metadata document's `URL`")
	return a.online(cmd, func(ctx context.Context, api *client.Client, _ []string) error {
		for name := range foundBy {
			if flags.Changed(name) {
				return a.findClients(ctx, cmd, api)
			}
		}
		hide, query := hidden(cmd)
		ask(cmd, query, "app-type", "app_type")
		ask(cmd, query, "global", "is_global")
		ask(cmd, query, "first-party", "is_first_party")
		ask(cmd, query, "external-client-id", "external_client_id")
		return a.printList(cmd, "clients", clientColumns, hide, func(cursor string, size int) ([]jsondoc.Object, string, error) {
			page, err := fetch[struct {
				Clients []jsondoc.Object
				Next    string
			}](ctx, api, clientsPath, from(query, cursor, size))
			return page.Clients, page.Next, err
		})
	})
}

func (a *app) getClient() *cobra.Command {
	cmd := &cobra.Command{
		Use: "get CLIENT_ID", Short: "Show a client", Long: "Show a client, with its state, secrets, credentials and grants as far as you may see them. Members that say little\n" +
			"are left out; -o yaml and -o json show the client as the API has it.",
		ValidArgsFunction: inOrder(false, a.offerClients()),
		Example:           "  roster clients get GTUY20MntRjWQMHIKMeFXEUQ6BSuyhBr\n  roster clients get GTUY20MntRjWQMHIKMeFXEUQ6BSuyhBr -o yaml",
	}
	addOutput(cmd)
	addShowSecrets(cmd)
	return a.online(cmd, func(ctx context.Context, api *client.Client, args []string) error {
		_, query := hidden(cmd)
		got, err := fetch[jsondoc.Object](ctx, api, client.Path(clientsPath, args[0]), query)
		if err != nil || a.newPrinter(cmd, details, true).format != "table" {
			return a.printAnswer(cmd)(got, err)
		}
		return a.printOverview(ctx, api, got)
	})
}
