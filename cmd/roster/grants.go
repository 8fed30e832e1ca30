package main

import (
	"context"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/rosterhq/roster/client"
	"github.com/rosterhq/roster/internal/jsondoc"
)

var grantColumns = []column{
	{head: "ID", member: "id"}, {head: "CLIENT ID", member: "client_id"}, {head: "AUDIENCE", member: "audience", flexible: true},
	{head: "SCOPE", member: "scope", flexible: true}, {head: "ALL SCOPES", member: "allow_all_scopes"},
}

// grantChanges are members that a grant may change; grantMembers are all.
var (
	grantChanges = []member{
		{flag: "scope", name: "scope", kind: "list", help: "`SCOPE` that the client may have"},
		{flag: "all-scopes", name: "allow_all_scopes", kind: "bool", help: "let it have every scope of the API, later ones too"},
	}
	grantMembers = append([]member{
		{flag: "client", name: "client_id", kind: "text", help: "the client, by its `CLIENT_ID`", required: true},
		{flag: "audience", name: "audience", kind: "text", help: "the API, by its `IDENTIFIER`", required: true},
	}, grantChanges...)
)

func (a *app) grants() *cobra.Command {
	cmd := &cobra.Command{
		Use: "grants", GroupID: overAPI, Aliases: []string{"grant"}, Short: "List, create, change and delete what clients may do with APIs",
		Long: "Client grants: what a client may do with which API. The management API of Roster is one of these.",
	}
	cmd.AddCommand(a.listGrants(), a.getGrant(), a.createGrant(), a.updateGrant(), a.deleteGrants())
	cmd.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	return cmd
}

func (a *app) listGrants() *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List client grants, oldest first",
		Example: "  roster grants list --client GTUY20MntRjWQMHIKMeFXEUQ6BSuyhBr\n  roster grants list --audience https://billing.example/ -o json",
	}
	addList(cmd)
	flags := cmd.Flags()
	flags.String("client", "", "only those of this client, by its `CLIENT_ID`")
	flags.String("audience", "", "only those on this API, by its `IDENTIFIER`")
	a.offerBoth(cmd)
	return a.online(cmd, func(ctx context.Context, api *client.Client, _ []string) error {
		query := url.Values{}
		ask(cmd, query, "client", "client_id")
		ask(cmd, query, "audience", "audience")
		return a.printList(cmd, "grants", grantColumns, hideSecrets, func(cursor string, size int) ([]jsondoc.Object, string, error) {
			page, err := fetch[struct {
				Grants []jsondoc.Object `json:"client_grants"`
				Next   string
			}](ctx, api, grantsPath, from(query, cursor, size))
			return page.Grants, page.Next, err
		})
	})
}

// offerBoth lets the shell offer values for --client and --audience.
func (a *app) offerBoth(cmd *cobra.Command) {
	completeBy(cmd, "client", a.offerClients())
	completeBy(cmd, "audience", a.offerAPIs("identifier"))
}

func (a *app) getGrant() *cobra.Command {
	cmd := &cobra.Command{Use: "get GRANT_ID", Short: "Show a client grant", ValidArgsFunction: inOrder(false, a.offerGrants()), Example: "  roster grants get cgr_4pLmKq8sVxYz2BnD"}
	addOutput(cmd)
	return a.online(cmd, func(ctx context.Context, api *client.Client, args []string) error {
		return a.printAnswer(cmd)(fetch[jsondoc.Object](ctx, api, client.Path(grantsPath, args[0]), nil))
	})
}

func (a *app) createGrant() *cobra.Command {
	cmd := &cobra.Command{
		Use: "create --client CLIENT_ID --audience IDENTIFIER", Short: "Let a client use an API",
		Example: "  roster grants create --client ID --audience https://billing.example/ \\\n" +
			"    --scope read:invoices --scope write:invoices",
	}
	addBody(cmd, grantMembers)
	a.offerBoth(cmd)
	completeBy(cmd, "scope", a.offerScopes(cmd))
	addOutput(cmd)
	return a.online(cmd, func(ctx context.Context, api *client.Client, _ []string) error {
		object, err := newBody(cmd, grantMembers, false)
		if err != nil {
			return err
		}
		return a.printDone(cmd, "grant", "created")(send[jsondoc.Object](ctx, api, http.MethodPost, grantsPath, object))
	})
}

func (a *app) updateGrant() *cobra.Command {
	cmd := &cobra.Command{
		Use: "update GRANT_ID", Short: "Change what a client may do with an API", ValidArgsFunction: inOrder(false, a.offerGrants()),
		Long:    "Change what a client may do with an API. The scopes given replace all it had. Tokens that were issued stay valid until they expire.",
		Example: "  roster grants update cgr_4pLmKq8sVxYz2BnD --scope read:invoices",
	}
	addBody(cmd, grantChanges)
	completeBy(cmd, "scope", a.offerScopes(cmd))
	addOutput(cmd)
	return a.online(cmd, func(ctx context.Context, api *client.Client, args []string) error {
		object, err := body(cmd, grantChanges, false)
		if err != nil {
			return err
		}
		return a.printDone(cmd, "grant", "updated")(send[jsondoc.Object](ctx, api, http.MethodPatch, client.Path(grantsPath, args[0]), object))
	})
}

func (a *app) deleteGrants() *cobra.Command {
	cmd := &cobra.Command{
		Use: "delete GRANT_ID...", Aliases: []string{"rm"}, Short: "Delete client grants",
		ValidArgsFunction: inOrder(true, a.offerGrants()),
		Example:           "  roster grants delete cgr_4pLmKq8sVxYz2BnD",
	}
	addDelete(cmd)
	return a.online(cmd, func(ctx context.Context, api *client.Client, ids []string) error {
		return a.deleteAll(ctx, cmd, api, "grant", grantsPath, ids)
	})
}
