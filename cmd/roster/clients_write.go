package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
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
	{flag: "name", name: "name", kind: "text", help: "what people call the client", required: true},
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
		Use: "create --name NAME", Short: "Register a client",
		Long: "Register a client. --secret-file writes its secret to a file that only you can read; --show-secrets prints it.\n\n" +
			"You can read the secret later with `roster clients get ID --show-secrets`. If the registry keeps hashes only, " +
			"replace it with `roster clients rotate-secret`.\n\n" +
			"The private half of the client's signing key is printed here, with --show-secrets, or nowhere.",
		Example: "  roster clients create --name billing --app-type non_interactive \\\n" +
			"    --grant-type client_credentials --secret-file billing.secret\n" +
			"  roster clients create --name shop --app-type spa --auth-method none \\\n" +
			"    --callback https://shop.example/callback\n" +
			"  roster clients create -f client.yaml -o json",
	}
	addBody(cmd, clientMembers)
	addOutput(cmd)
	addSecretFile(cmd)
	return a.online(cmd, func(ctx context.Context, api *client.Client, _ []string) error {
		object, err := newBody(cmd, clientMembers, false)
		if err != nil {
			return err
		}
		return a.makesSecret(cmd, "created", func() (jsondoc.Object, error) {
			return send[jsondoc.Object](ctx, api, http.MethodPost, clientsPath, object)
		})
	})
}

// makesSecret prints the client that call made or gave a new secret, and keeps
// the secret where cmd was told.
func (a *app) makesSecret(cmd *cobra.Command, done string, call func() (jsondoc.Object, error)) error {
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
	err = errors.Join(err, a.printDone(cmd, "client", done)(got, nil))
	if show, _ := cmd.Flags().GetBool("show-secrets"); secret && file == nil && !show {
		id := jsondoc.String(got["client_id"])
		fmt.Fprintf(a.stderr, "Its secret is not shown. To see it: roster clients get %s --show-secrets\nTo replace it: roster clients rotate-secret %s --secret-file FILE\n", id, id)
	}
	return err
}

func (a *app) updateClient() *cobra.Command {
	cmd := &cobra.Command{
		Use: "update CLIENT_ID", Short: "Change a client", ValidArgsFunction: inOrder(false, a.offerClients()),
		Long: "Change a client. Members that are not named stay as they are; a list is replaced as a whole.\n" +
			"--set MEMBER=null removes a member.",
		Example: "  roster clients update ID --name billing-2\n" +
			"  roster clients update ID --callback https://a.example/cb \\\n" +
			"    --callback https://b.example/cb\n" +
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
		return a.printDone(cmd, "client", "updated")(send[jsondoc.Object](ctx, api, http.MethodPatch, client.Path(clientsPath, args[0]), object))
	})
}

func (a *app) rotateSecret() *cobra.Command {
	var grace duration
	cmd := &cobra.Command{
		Use: "rotate-secret CLIENT_ID", Short: "Give a client a new secret", ValidArgsFunction: inOrder(false, a.offerClients()),
		Long: "Give a client a new secret. Say where it goes with --secret-file or --show-secrets: without either, nothing is done.\n\n" +
			"The old secret is refused from then on, unless --grace keeps it valid; see `roster secrets list`.",
		Example: "  roster clients rotate-secret ID --secret-file billing.secret --grace 24h\n" +
			"  roster clients rotate-secret ID --show-secrets -o json | jq -r .client_secret",
	}
	addOutput(cmd)
	addSecretFile(cmd)
	cmd.Flags().Var(&grace, "grace", "how long the old secret stays valid, such as 24h or 7d; default: what the server is configured with")
	return a.online(cmd, func(ctx context.Context, api *client.Client, args []string) error {
		show, _ := cmd.Flags().GetBool("show-secrets")
		if file, _ := cmd.Flags().GetString("secret-file"); file == "" && !show {
			return misused(cmd, "the new secret would be lost: say where it goes with --secret-file FILE or --show-secrets")
		}
		query := url.Values{}
		if cmd.Flags().Changed("grace") {
			seconds, err := wholeSeconds(time.Duration(grace))
			if err != nil {
				return misused(cmd, "--grace: %w", err)
			}
			query.Set("grace_seconds", strconv.FormatInt(seconds, 10))
		}
		return a.makesSecret(cmd, "has a new secret", func() (jsondoc.Object, error) {
			var got jsondoc.Object
			_, err := api.Do(ctx, client.Request{Method: http.MethodPost, Path: client.Path(clientsPath, args[0], "rotate-secret"), Query: query}, &got)
			return got, err
		})
	})
}
