package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rosterhq/roster/client"
	"github.com/rosterhq/roster/internal/jsondoc"
)

func (a *app) tokens() *cobra.Command {
	cmd := &cobra.Command{
		Use: "tokens", GroupID: overAPI, Short: "Ask about access tokens, and revoke them",
		Long: "Ask about access tokens, and revoke them. To end all tokens of a client,\n" +
			"run `roster clients disable`, or `roster clients rotate-secret --grace 0s` if it proves itself by a secret.",
	}
	cmd.AddCommand(a.introspectToken(), a.revokeToken())
	return cmd
}

// readToken reads the token in a file.
func readToken(cmd *cobra.Command, file string) (string, error) {
	text, err := readInput(cmd, file)
	token := strings.TrimSpace(string(text))
	if err == nil && token == "" {
		err = errors.New("there is no token")
	}
	if err != nil {
		err = usageError{err}
	}
	return token, err
}

func (a *app) introspectToken() *cobra.Command {
	cmd := &cobra.Command{
		Use: "introspect FILE", Short: "Show whether an access token is valid, and what it allows",
		Long:    "Show whether the access token in a file, or on stdin for -, is valid, and what it allows. It takes read:tokens.",
		Example: "  roster tokens introspect token.txt -o json",
	}
	addOutput(cmd)
	return a.online(cmd, func(ctx context.Context, api *client.Client, args []string) error {
		token, err := readToken(cmd, args[0])
		if err != nil {
			return err
		}
		c, err := a.connection(cmd)
		if err != nil {
			return err
		}
		own, err := api.Token(ctx) // a client itself is told about less
		if err != nil {
			return err
		}
		as, err := client.New(c.url, client.Config{Token: own, UserAgent: c.config.UserAgent})
		if err != nil {
			return err
		}
		i, err := as.Introspect(ctx, token)
		if err != nil {
			return err
		}
		object := jsondoc.Object{"active": jsondoc.Must(i.Active)}
		if i.Active {
			for name, value := range map[string]string{
				"issuer": i.Issuer, "subject": i.Subject, "audience": i.Audience, "client_id": i.ClientID, "token_id": i.ID,
			} {
				object[name] = jsondoc.Must(value)
			}
			object["scopes"] = jsondoc.Must(strings.Fields(i.Scope))
			object["expires_at"] = jsondoc.Must(i.Expires().UTC())
		}
		return a.printOne(cmd, object)
	})
}

func (a *app) revokeToken() *cobra.Command {
	cmd := &cobra.Command{
		Use: "revoke FILE", Short: "Revoke an access token of the client that calls",
		Long: "Revoke the access token in a file, or on stdin for -, which belongs to the client that ROSTER_CLIENT_ID names. Roster\n" +
			"refuses it within a second; an API that does not ask Roster accepts it until it expires. The token of another client\n" +
			"stays as it is.",
		Example: "  roster tokens revoke token.txt",
	}
	return a.online(cmd, func(ctx context.Context, api *client.Client, args []string) error {
		c, err := a.connection(cmd)
		if err != nil {
			return err
		}
		if c.config.ClientID == "" {
			return misused(cmd, "a client revokes its own tokens: set ROSTER_CLIENT_ID in place of ROSTER_TOKEN")
		}
		token, err := readToken(cmd, args[0])
		if err == nil {
			err = api.Revoke(ctx, token)
		}
		if err == nil {
			fmt.Fprintln(a.stdout, "The token is revoked, if it was one of this client's.")
		}
		return err
	})
}
