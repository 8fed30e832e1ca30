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
	{head: "ID", member: "id"}, {head: "IDENTIFIER", member: "identifier", flexible: true}, {head: "NAME", member: "name", flexible: true},
	{head: "LIFETIME", member: "token_lifetime"},
}

// apiChanges are members that an API may change; apiMembers are all.
var (
	apiChanges = []member{
		{flag: "name", name: "name", kind: "text", help: "what people call it"},
		{flag: "scope", name: "scopes", kind: "scopes", help: "`SCOPE[=DESCRIPTION]` that it knows"},
		{flag: "token-lifetime", name: "token_lifetime", kind: "number", help: "how long its tokens live, in `SECONDS`"},
	}
	apiMembers = append([]member{
		{flag: "identifier", name: "identifier", kind: "text", help: "the audience of its tokens, usually a URL; never changes"},
	}, apiChanges...)
)

func (a *app) apis() *cobra.Command {
	cmd := &cobra.Command{
		Use: "apis", GroupID: overAPI, Aliases: []string{"api"}, Short: "The APIs (resource servers) that a running Roster issues tokens for",
	}
	cmd.AddCommand(a.listAPIs(), a.getAPI(), a.createAPI(), a.updateAPI(), a.deleteAPIs())
	cmd.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	return cmd
}

func (a *app) listAPIs() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Aliases: []string{"ls"}, Short: "List APIs, oldest first", Args: cobra.NoArgs, Example: "  roster apis list"}
	addList(cmd)
	addShowSecrets(cmd)
	return a.online(cmd, func(ctx context.Context, api *client.Client, _ []string) error {
		hide, fields, include := hidden(cmd)
		params := client.Auth0ListResourceServersParams{PerPage: new(largestPage), Fields: fields, IncludeFields: include}
		return a.printList(cmd, apiColumns, hide, func(cursor string, size int) ([]jsondoc.Object, string, error) {
			number, _ := strconv.Atoi(cursor) // "": 0
			params.Page = &number
			page, err := answer[[]jsondoc.Object](api.Auth0ListResourceServers(ctx, &params))
			next := ""
			if len(page) == largestPage {
				next = strconv.Itoa(number + 1)
			}
			return page, next, err
		})
	})
}

func (a *app) getAPI() *cobra.Command {
	cmd := &cobra.Command{Use: "get ID|IDENTIFIER", Short: "Show an API", Args: cobra.ExactArgs(1), ValidArgsFunction: inOrder(false, a.offerAPIs("id")), Example: "  roster apis get https://billing.example/ -o yaml"}
	addOutput(cmd)
	addShowSecrets(cmd)
	return a.online(cmd, func(ctx context.Context, api *client.Client, args []string) error {
		return a.printAnswer(cmd)(api.Auth0GetResourceServer(ctx, args[0], nil))
	})
}

func (a *app) createAPI() *cobra.Command {
	cmd := &cobra.Command{
		Use: "create --identifier IDENTIFIER", Short: "Register an API", Args: cobra.NoArgs,
		Example: "  roster apis create --identifier https://billing.example/ --name Billing --scope 'read:invoices=See invoices' --scope write:invoices",
	}
	addBody(cmd, apiMembers)
	addOutput(cmd)
	addShowSecrets(cmd)
	return a.online(cmd, func(ctx context.Context, api *client.Client, _ []string) error {
		object, err := body(cmd, apiMembers, false)
		if err != nil {
			return err
		}
		return a.printAnswer(cmd)(api.Auth0CreateResourceServerWithBody(ctx, "application/json", reader(object)))
	})
}

func (a *app) updateAPI() *cobra.Command {
	cmd := &cobra.Command{
		Use: "update ID|IDENTIFIER", Short: "Change an API", Args: cobra.ExactArgs(1), ValidArgsFunction: inOrder(false, a.offerAPIs("id")),
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
		return a.printAnswer(cmd)(api.Auth0UpdateResourceServerWithBody(ctx, args[0], "application/json", reader(object)))
	})
}

func (a *app) deleteAPIs() *cobra.Command {
	cmd := &cobra.Command{
		Use: "delete ID|IDENTIFIER...", Aliases: []string{"rm"}, Short: "Delete APIs and the grants on them", Args: cobra.MinimumNArgs(1),
		ValidArgsFunction: inOrder(true, a.offerAPIs("id")),
		Example:           "  roster apis delete https://billing.example/",
	}
	addYes(cmd)
	return a.online(cmd, func(ctx context.Context, api *client.Client, ids []string) error {
		return a.deleteAll(ctx, cmd, "API", ids, func(ctx context.Context, id string) (*http.Response, error) {
			return api.Auth0DeleteResourceServer(ctx, id)
		})
	})
}
