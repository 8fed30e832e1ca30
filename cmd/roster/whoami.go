package main

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rosterhq/roster/client"
	"github.com/rosterhq/roster/internal/jsondoc"
)

// claims are those of an access token that say who has it and what for.
type claims struct {
	Subject  string          `json:"sub"`
	ClientID string          `json:"client_id"`
	Issuer   string          `json:"iss"`
	Audience json.RawMessage `json:"aud"`
	Scope    string          `json:"scope"`
	Expires  int64           `json:"exp"`
}

// claimsOf reads a token without checking it: the service does that.
func claimsOf(token string) (c claims) {
	if parts := strings.Split(token, "."); len(parts) == 3 {
		if text, err := base64.RawURLEncoding.DecodeString(parts[1]); err == nil {
			_ = json.Unmarshal(text, &c)
		}
	}
	return c
}

func (a *app) whoami() *cobra.Command {
	cmd := &cobra.Command{
		Use: "whoami", GroupID: overAPI, Short: "Show which Roster commands talk to, as whom, and with which scopes",
		Long: "Show which Roster commands talk to, as whom, and with which scopes. It fails if Roster cannot be reached or " +
			"refuses the caller. See `roster help connection`.",
		Example: "  roster whoami\n  roster whoami -o json",
	}
	addOutput(cmd)
	return a.online(cmd, func(ctx context.Context, api *client.Client, _ []string) error {
		c, err := a.connection(cmd)
		if err != nil {
			return err
		}
		token, err := api.Token(ctx)
		if err != nil {
			return err
		}
		// A token of one's own may be refused; one without this scope is none the less known.
		if _, err := api.Do(ctx, client.Request{Path: clientsPath, Query: map[string][]string{"take": {"1"}, "fields": {"client_id"}}}, nil); err != nil && !errors.Is(err, client.ErrForbidden) {
			return err
		}
		its := claimsOf(token)
		object := jsondoc.Object{"url": jsondoc.Must(c.url), "client_id": jsondoc.Must(cmp.Or(its.ClientID, c.config.ClientID)), "subject": jsondoc.Must(its.Subject)}
		if its.Issuer != "" {
			object["issuer"], object["audience"] = jsondoc.Must(its.Issuer), its.Audience
			object["scopes"] = jsondoc.Must(strings.Fields(its.Scope))
			object["expires_at"] = jsondoc.Must(time.Unix(its.Expires, 0).UTC().Format(time.RFC3339))
		}
		return a.printOne(cmd, object)
	})
}

func (a *app) clientToken() *cobra.Command {
	cmd := &cobra.Command{
		Use: "token CLIENT_ID --audience IDENTIFIER", Short: "Get an access token as a client, to try what it may do",
		Long: "Get an access token as a client and print it, to try what it may do. The client authenticates with the secret in " +
			"--secret-file. Without that, the secret is read from Roster, which takes read:client_keys and is noted in the audit trail.",
		Example:           "  roster clients token ID --audience https://billing.example/",
		ValidArgsFunction: inOrder(false, a.offerClients()),
	}
	flags := cmd.Flags()
	flags.String("audience", "", "the API that the token is for, by its `IDENTIFIER`")
	flags.StringArray("scope", nil, "`SCOPE` to ask for; may be repeated; default: all that are granted")
	flags.String("secret-file", "", "`FILE` that holds the client's secret; - is stdin")
	completeBy(cmd, "audience", a.offerAPIs("identifier"))
	completeBy(cmd, "scope", a.offerScopes(cmd))
	return a.online(cmd, func(ctx context.Context, api *client.Client, args []string) error {
		audience, _ := flags.GetString("audience")
		if audience == "" {
			return misused(cmd, "--audience is required")
		}
		secret, err := secretOf(ctx, cmd, api, args[0])
		if err != nil {
			return err
		}
		c, err := a.connection(cmd)
		if err != nil {
			return err
		}
		scopes, _ := flags.GetStringArray("scope")
		as, err := client.New(c.url, client.Config{ClientID: args[0], ClientSecret: secret, Audience: audience, Scopes: scopes, Attempts: 1})
		if err != nil {
			return err
		}
		token, err := as.Token(ctx)
		if err == nil {
			fmt.Fprintln(a.stdout, visible(token))
		}
		return err
	})
}

// secretOf returns a client's secret, from --secret-file or from Roster.
func secretOf(ctx context.Context, cmd *cobra.Command, api *client.Client, id string) (string, error) {
	if file, _ := cmd.Flags().GetString("secret-file"); file != "" {
		text, err := readInput(cmd, file)
		if err != nil {
			return "", usageError{fmt.Errorf("--secret-file: %w", err)}
		}
		return strings.TrimSpace(string(text)), nil
	}
	got, err := api.GetClient(ctx, id, &client.GetOptions{ShowSecrets: true})
	if err == nil && got.Secret == "" {
		err = errors.New("the client's secret is not shown: give it with --secret-file")
	}
	if err != nil {
		return "", err
	}
	return got.Secret, nil
}
