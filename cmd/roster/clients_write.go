package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/rosterhq/roster/client"
	"github.com/rosterhq/roster/internal/jsondoc"
)

var (
	appTypes    = []string{"native", "spa", "regular_web", "non_interactive"}
	grantTypes  = []string{"authorization_code", "client_credentials", "implicit", "password", "refresh_token"}
	authMethods = []string{"none", "client_secret_post", "client_secret_basic"}
)

var clientMembers = []member{
	{flag: "name", name: "name", kind: "text", help: "what people call the client"},
	{flag: "description", name: "description", kind: "text", help: "what it is for"},
	{flag: "app-type", name: "app_type", kind: "text", help: "native, spa, regular_web, non_interactive …", values: appTypes},
	{flag: "callback", name: "callbacks", kind: "list", help: "`URL` that a login may return to"},
	{flag: "logout-url", name: "allowed_logout_urls", kind: "list", help: "`URL` that a logout may return to"},
	{flag: "web-origin", name: "web_origins", kind: "list", help: "`ORIGIN` that may use web messages"},
	{flag: "grant-type", name: "grant_types", kind: "list", help: "`GRANT` that it may use", values: grantTypes},
	{flag: "auth-method", name: "token_endpoint_auth_method", kind: "text", help: "how it authenticates: none, client_secret_post, client_secret_basic", values: authMethods},
	{flag: "first-party", name: "is_first_party", kind: "bool", help: "whether it belongs to you; =false where not"},
	{flag: "oidc-conformant", name: "oidc_conformant", kind: "bool", help: "whether it follows OpenID Connect to the letter"},
	{flag: "metadata", name: "client_metadata", kind: "pairs", help: "`KEY=TEXT` to note"},
}

func (a *app) createClient() *cobra.Command {
	cmd := &cobra.Command{
		Use: "create --name NAME", Short: "Register a client", Args: cobra.NoArgs,
		Long: "Register a client and print it, without its secret unless --show-secrets is given. --secret-file puts the secret\n" +
			"in a file of your own. It can be had later, too: `roster clients get ID --show-secrets`, or, from a registry that\n" +
			"keeps no secrets in the clear, a new one with `roster clients rotate-secret`.\n\n" +
			"The private half of its signing key is printed here or nowhere, with --show-secrets.",
		Example: "  roster clients create --name billing --app-type non_interactive --grant-type client_credentials --secret-file billing.secret\n" +
			"  roster clients create --name shop --app-type spa --auth-method none --callback https://shop.example/callback\n" +
			"  roster clients create -f client.yaml -o json",
	}
	addBody(cmd, clientMembers)
	addOutput(cmd)
	addSecretFile(cmd)
	return a.online(cmd, func(ctx context.Context, api *client.Client, _ []string) error {
		object, err := body(cmd, clientMembers, false)
		if err != nil {
			return err
		}
		return a.makesSecret(cmd, func() (jsondoc.Object, error) {
			return answer[jsondoc.Object](api.Auth0CreateClientWithBody(ctx, "application/json", reader(object)))
		})
	})
}

// makesSecret prints the client that call made or gave a new secret, and keeps
// the secret where cmd was told.
func (a *app) makesSecret(cmd *cobra.Command, call func() (jsondoc.Object, error)) error {
	file, err := openSecretFile(cmd)
	if err != nil {
		return err
	}
	got, err := call()
	if err != nil {
		if cmd.Context().Err() != nil {
			err = errors.New("interrupted: what was asked for may be done all the same")
		}
		return errors.Join(err, file.drop())
	}
	err = file.keep(got)
	secret := got["client_secret"] != nil
	hide, fields, _ := hidden(cmd)
	hide(got)
	err = errors.Join(err, a.printOne(cmd, got))
	if secret && file == nil && fields != nil {
		id := jsondoc.String(got["client_id"])
		fmt.Fprintf(a.stderr, "Its secret is not shown: `roster clients get %s --show-secrets` does, or make a new one with `roster clients rotate-secret %s --secret-file FILE`.\n", id, id)
	}
	return err
}

func (a *app) updateClient() *cobra.Command {
	cmd := &cobra.Command{
		Use: "update CLIENT_ID", Short: "Change a client", Args: cobra.ExactArgs(1), ValidArgsFunction: inOrder(false, a.offerClients()),
		Long: "Change a client and print what it is then. What is not named stays as it is; a list is replaced as a whole.\n" +
			"--set MEMBER=null removes a member.",
		Example: "  roster clients update ID --name billing-2\n" +
			"  roster clients update ID --callback https://a.example/cb --callback https://b.example/cb\n" +
			"  roster clients update ID --set client_metadata='{\"tier\":null}'",
	}
	addBody(cmd, clientMembers)
	addOutput(cmd)
	addShowSecrets(cmd)
	return a.online(cmd, func(ctx context.Context, api *client.Client, args []string) error {
		object, err := body(cmd, clientMembers, false)
		if err != nil {
			return err
		}
		return a.printAnswer(cmd)(api.Auth0UpdateClientWithBody(ctx, args[0], nil, "application/json", reader(object)))
	})
}

func (a *app) rotateSecret() *cobra.Command {
	var grace time.Duration
	cmd := &cobra.Command{
		Use: "rotate-secret CLIENT_ID", Short: "Give a client a new secret", Args: cobra.ExactArgs(1), ValidArgsFunction: inOrder(false, a.offerClients()),
		Long: "Give a client a new secret. --secret-file or --show-secrets must say where it goes: without either nothing is done.\n\n" +
			"The old secret is refused from then on unless --grace lets it live on; see `roster secrets`.",
		Example: "  roster clients rotate-secret ID --secret-file billing.secret --grace 24h\n" +
			"  roster clients rotate-secret ID --show-secrets -o json | jq -r .client_secret",
	}
	addOutput(cmd)
	addSecretFile(cmd)
	cmd.Flags().DurationVar(&grace, "grace", 0, "how long the old secret lives on, such as 24h; default: what the server is configured with")
	return a.online(cmd, func(ctx context.Context, api *client.Client, args []string) error {
		show, _ := cmd.Flags().GetBool("show-secrets")
		if file, _ := cmd.Flags().GetString("secret-file"); file == "" && !show {
			return usageError{errors.New("the new secret would be lost: say where it goes with --secret-file FILE or --show-secrets")}
		}
		var params client.Auth0RotateClientSecretParams
		if cmd.Flags().Changed("grace") {
			if grace < 0 || grace%time.Second != 0 {
				return usageError{errors.New("--grace: want whole seconds, not below 0")}
			}
			params.GraceSeconds = new(int(grace.Seconds()))
		}
		return a.makesSecret(cmd, func() (jsondoc.Object, error) {
			return answer[jsondoc.Object](api.Auth0RotateClientSecret(ctx, args[0], &params))
		})
	})
}
