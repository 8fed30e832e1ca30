package main

import (
	"context"
	"net/http"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/rosterhq/roster/client"
	"github.com/rosterhq/roster/internal/jsondoc"
)

var apiColumns = []column{
	{head: "IDENTIFIER", member: "identifier", name: true}, {head: "NAME", member: "name", name: true},
	{head: "LIFETIME", member: "token_lifetime", show: seconds, spare: true}, {head: "ID", member: "id", spare: true},
}

// apiChanges are members that an API may change; apiMembers are all.
var (
	apiChanges = []member{
		{flag: "name", name: "name", kind: "text", help: "what people call it"},
		{flag: "scope", name: "scopes", kind: "scopes", help: "`SCOPE[=DESCRIPTION]` that it knows"},
		{flag: "token-lifetime", name: "token_lifetime", kind: "duration", help: "how long its tokens are valid, such as 10m or 24h"},
	}
	apiMembers = append([]member{
		{flag: "identifier", name: "identifier", kind: "text", help: "the audience of its tokens, usually a URL; never changes", required: true},
	}, apiChanges...)
)

func (a *app) apis() *cobra.Command {
	cmd := &cobra.Command{
		Use: "apis", GroupID: overAPI, Aliases: []string{"api"}, Short: "List, create, change and delete APIs (resource servers)",
	}
	cmd.AddCommand(a.listAPIs(), a.getAPI(), a.createAPI(), a.updateAPI(), a.deleteAPIs())
	cmd.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	return cmd
}

func (a *app) listAPIs() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Aliases: []string{"ls"}, Short: "List APIs, oldest first", Example: "  roster apis list"}
	addList(cmd)
	addShowSecrets(cmd)
	return a.online(cmd, func(ctx context.Context, api *client.Client, _ []string) error {
		hide, query := hidden(cmd)
		query.Set("per_page", strconv.Itoa(largestPage))
		return a.printList(cmd, "APIs", apiColumns, hide, func(cursor string, size int) ([]jsondoc.Object, string, error) {
			number, _ := strconv.Atoi(cursor) // "": 0
			query.Set("page", strconv.Itoa(number))
			page, err := fetch[[]jsondoc.Object](ctx, api, apisPath, query)
			next := ""
			if len(page) == largestPage {
				next = strconv.Itoa(number + 1)
			}
			return page, next, err
		})
	})
}

func (a *app) getAPI() *cobra.Command {
	cmd := &cobra.Command{Use: "get ID|IDENTIFIER", Short: "Show an API", ValidArgsFunction: inOrder(false, a.offerAPIs("id")), Example: "  roster apis get https://billing.example/ -o yaml"}
	addOutput(cmd)
	addShowSecrets(cmd)
	return a.online(cmd, func(ctx context.Context, api *client.Client, args []string) error {
		return a.printAnswer(cmd)(fetch[jsondoc.Object](ctx, api, client.Path(apisPath, args[0]), nil))
	})
}

func (a *app) createAPI() *cobra.Command {
	cmd := &cobra.Command{
		Use: "create --identifier IDENTIFIER", Short: "Register an API",
		Example: "  roster apis create --identifier https://billing.example/ --name Billing \\\n" +
			"    --scope 'read:invoices=See invoices' --scope write:invoices",
	}
	addBody(cmd, apiMembers)
	addOutput(cmd)
	addShowSecrets(cmd)
	return a.online(cmd, func(ctx context.Context, api *client.Client, _ []string) error {
		object, err := newBody(cmd, apiMembers, false)
		if err != nil {
			return err
		}
		return a.printDone(cmd, "API", "created")(send[jsondoc.Object](ctx, api, http.MethodPost, apisPath, object))
	})
}

func (a *app) updateAPI() *cobra.Command {
	cmd := &cobra.Command{
		Use: "update ID|IDENTIFIER", Short: "Change an API", ValidArgsFunction: inOrder(false, a.offerAPIs("id")),
		Long:    "Change an API. The scopes given replace all it had.",
		Example: "  roster apis update https://billing.example/ --token-lifetime 600",
	}
	addBody(cmd, apiChanges)
	addOutput(cmd)
	addShowSecrets(cmd)
	return a.online(cmd, func(ctx context.Context, api *client.Client, args []string) error {
		object, err := body(cmd, apiChanges, false)
		if err != nil {
			return err
		}
		return a.printDone(cmd, "API", "updated")(send[jsondoc.Object](ctx, api, http.MethodPatch, client.Path(apisPath, args[0]), object))
	})
}

func (a *app) deleteAPIs() *cobra.Command {
	cmd := &cobra.Command{
		Use: "delete ID|IDENTIFIER...", Aliases: []string{"rm"}, Short: "Delete APIs and the grants on them",
		ValidArgsFunction: inOrder(true, a.offerAPIs("id")),
		Example:           "  roster apis delete https://billing.example/",
	}
	addDelete(cmd)
	return a.online(cmd, func(ctx context.Context, api *client.Client, ids []string) error {
		return a.deleteAll(ctx, cmd, api, "API", apisPath, ids)
	})
}
