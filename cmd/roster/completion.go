package main

import (
	"context"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rosterhq/roster/client"
	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
)

// Looking up what could be meant must not hold up whoever presses Tab.
const (
	completionTimeout = 2 * time.Second
	completionLimit   = "100" // the largest page

	harmless = "./:_-+,=@%" + oauth.Alphanumeric // no shell acts on these
)

// complete lets the shell offer values for a flag.
func complete(cmd *cobra.Command, flag string, values ...string) {
	completeBy(cmd, flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}

func completeBy(cmd *cobra.Command, flag string, offer cobra.CompletionFunc) {
	if err := cmd.RegisterFlagCompletionFunc(flag, offer); err != nil {
		panic(err) // there is no such flag
	}
}

// lookup finds what an argument could be; args are those before it.
type lookup func(ctx context.Context, api *client.Client, args []string) ([]jsondoc.Object, error)

// offer returns what lets the shell offer what find finds: the member id of
// each, described by what it has of a name, an audience and a description. Without a connection nothing is offered.
func (a *app) offer(id string, find lookup) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
		defer cancel()
		c, err := a.connection(cmd)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		c.config.Attempts = 1
		api, err := client.New(c.url, c.config)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		found, err := find(ctx, api, args)
		if err != nil {
			cobra.CompDebugln(c.explain(err).Error(), false)
		}
		var offers []cobra.Completion
		for _, object := range found {
			value := jsondoc.String(object[id])
			if strings.Trim(value, harmless) == "" { // others would have to be quoted in a command line
				offers = append(offers, cobra.CompletionWithDesc(value, cell(object["name"])+cell(object["audience"])+cell(object["description"])))
			}
		}
		return offers, cobra.ShellCompDirectiveNoFileComp
	}
}

func (a *app) offerClients() cobra.CompletionFunc {
	return a.offer("client_id", func(ctx context.Context, api *client.Client, _ []string) ([]jsondoc.Object, error) {
		page, err := fetch[struct{ Clients []jsondoc.Object }](ctx, api, clientsPath,
			url.Values{"fields": {"client_id,name"}, "take": {completionLimit}, "is_global": {"false"}})
		return page.Clients, err
	})
}

func (a *app) offerAPIs(id string) cobra.CompletionFunc {
	return a.offer(id, func(ctx context.Context, api *client.Client, _ []string) ([]jsondoc.Object, error) {
		return fetch[[]jsondoc.Object](ctx, api, apisPath, url.Values{"fields": {"id,identifier,name"}, "per_page": {completionLimit}})
	})
}

func (a *app) offerGrants() cobra.CompletionFunc {
	return a.offer("id", func(ctx context.Context, api *client.Client, _ []string) ([]jsondoc.Object, error) {
		page, err := fetch[struct {
			Grants []jsondoc.Object `json:"client_grants"`
		}](ctx, api, grantsPath, url.Values{"take": {completionLimit}})
		return page.Grants, err
	})
}

func (a *app) offerCredentials() cobra.CompletionFunc {
	return a.offer("id", func(ctx context.Context, api *client.Client, args []string) ([]jsondoc.Object, error) {
		return fetch[[]jsondoc.Object](ctx, api, client.Path(clientsPath, args[0], "credentials"), nil)
	})
}

func (a *app) offerSecrets() cobra.CompletionFunc {
	return a.offer("id", func(ctx context.Context, api *client.Client, args []string) ([]jsondoc.Object, error) {
		return secretsOf(ctx, api, args[0])
	})
}

// offerScopes offers the scopes of the API that --audience names or that the
// grant of the first argument is on.
func (a *app) offerScopes(cmd *cobra.Command) cobra.CompletionFunc {
	return a.offer("value", func(ctx context.Context, api *client.Client, args []string) ([]jsondoc.Object, error) {
		audience := ""
		if f := cmd.Flag("audience"); f != nil {
			audience = f.Value.String()
		} else if len(args) > 0 {
			grant, err := fetch[jsondoc.Object](ctx, api, client.Path(grantsPath, args[0]), nil)
			if err != nil {
				return nil, err
			}
			audience = jsondoc.String(grant["audience"])
		}
		if audience == "" {
			return nil, nil
		}
		its, err := fetch[struct{ Scopes []jsondoc.Object }](ctx, api, client.Path(apisPath, audience), nil)
		return its.Scopes, err
	})
}

// inOrder offers the first argument by the first function and so on, and all
// further ones by the last if it may repeat.
func inOrder(repeat bool, offers ...cobra.CompletionFunc) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, prefix string) ([]cobra.Completion, cobra.ShellCompDirective) {
		at := len(args)
		if repeat {
			at = min(at, len(offers)-1)
		}
		if at >= len(offers) {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		if offers[at] == nil {
			return nil, cobra.ShellCompDirectiveDefault // files
		}
		return offers[at](cmd, args, prefix)
	}
}
