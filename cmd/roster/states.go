package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/rosterhq/roster/client"
	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
)

var states = []string{string(oauth.Active), string(oauth.Disabled), string(oauth.Quarantined)}

var stateColumns = []column{
	{head: "CLIENT ID", member: "client_id"}, {head: "NAME", member: "name", flexible: true}, {head: "STATE", member: "state"},
}

func (a *app) disableClients() *cobra.Command {
	cmd := &cobra.Command{
		Use: "disable CLIENT_ID...", Short: "Switch clients off", ValidArgsFunction: inOrder(true, a.offerClients()),
		Long: "Switch clients off. They get no tokens, and Roster refuses those they have within a second; whoever validates\n" +
			"tokens without asking Roster accepts them until they expire. Nothing of a client is lost:\n" +
			"`roster clients enable` switches it on again.",
		Example: "  roster clients disable GTUY20MntRjWQMHIKMeFXEUQ6BSuyhBr --reason 'leaked'",
	}
	return a.setsState(cmd, oauth.Disabled)
}

func (a *app) enableClients() *cobra.Command {
	cmd := &cobra.Command{
		Use: "enable CLIENT_ID...", Short: "Switch clients on again", ValidArgsFunction: inOrder(true, a.offerClients()),
		Long: "Switch clients on again. They get new tokens with the secrets and keys that they had; tokens from before stay\n" +
			"refused.",
		Example: "  roster clients enable GTUY20MntRjWQMHIKMeFXEUQ6BSuyhBr",
	}
	return a.setsState(cmd, oauth.Active)
}

// setsState makes cmd a command that brings the clients it is given into a state.
func (a *app) setsState(cmd *cobra.Command, to oauth.State) *cobra.Command {
	cmd.Flags().String("reason", "", "why, for people")
	return a.online(cmd, func(ctx context.Context, api *client.Client, ids []string) error {
		reason, _ := cmd.Flags().GetString("reason")
		body := map[string]any{"state": to, "reason": reason}
		return a.eachClient(ids, string(to), func(id string) error {
			_, err := send[jsondoc.Object](ctx, api, http.MethodPut, client.Path(rosterPath, "clients", id, "state"), body)
			return err
		})
	})
}

func (a *app) restoreClients() *cobra.Command {
	cmd := &cobra.Command{
		Use: "restore CLIENT_ID...", Short: "Bring deleted clients back",
		Long: "Bring deleted clients back, for 30 days after they were deleted, with their secrets, credentials and grants, and in the\n" +
			"state they were in. Tokens from before stay refused. `roster events --action client.deleted` tells which there are.",
		Example: "  roster clients restore GTUY20MntRjWQMHIKMeFXEUQ6BSuyhBr",
	}
	return a.online(cmd, func(ctx context.Context, api *client.Client, ids []string) error {
		return a.eachClient(ids, "restored", func(id string) error {
			_, err := send[jsondoc.Object](ctx, api, http.MethodPost, client.Path(rosterPath, "clients", id, "restore"), nil)
			return err
		})
	})
}

// eachClient does something to clients, one after another, and says of each what
// it is now.
func (a *app) eachClient(ids []string, done string, do func(id string) error) error {
	for i, id := range ids {
		if err := do(id); err != nil {
			if len(ids) > 1 {
				err = fmt.Errorf("%d of %d are %s, then %s: %w", i, len(ids), done, id, err)
			}
			return err
		}
		fmt.Fprintf(a.stdout, "client %s %s\n", visible(id), done)
	}
	return nil
}

// foundBy are the flags, and parameters, of Roster's own list of clients.
var foundBy = map[string]string{"name": "name", "name-prefix": "name_prefix", "state": "state"}

// findClients prints the clients with a name or in a state.
func (a *app) findClients(ctx context.Context, cmd *cobra.Command, api *client.Client) error {
	for _, other := range []string{"app-type", "first-party", "global", "external-client-id", "show-secrets"} {
		if cmd.Flags().Changed(other) {
			return misused(cmd, "--name, --name-prefix and --state cannot be combined with --%s", other)
		}
	}
	query := url.Values{}
	for flag, parameter := range foundBy {
		ask(cmd, query, flag, parameter)
	}
	keep := func(jsondoc.Object) {}
	return a.printList(cmd, "clients", stateColumns, keep, func(cursor string, size int) ([]jsondoc.Object, string, error) {
		query.Set("limit", strconv.Itoa(size))
		if cursor != "" {
			query.Set("after", cursor)
		}
		page, err := fetch[struct {
			Clients []jsondoc.Object
			Next    string
		}](ctx, api, client.Path(rosterPath, "clients"), query)
		return page.Clients, page.Next, err
	})
}
