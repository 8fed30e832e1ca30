package main

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rosterhq/roster/client"
	"github.com/rosterhq/roster/internal/jsondoc"
)

var credentialColumns = []column{
	{head: "ID", member: "id"}, {head: "TYPE", member: "credential_type"}, {head: "NAME", member: "name", flexible: true},
	{head: "KID", member: "kid", flexible: true}, {head: "CREATED", member: "created_at"}, {head: "EXPIRES", member: "expires_at"},
}

func (a *app) credentials() *cobra.Command {
	cmd := &cobra.Command{
		Use: "credentials", GroupID: overAPI, Aliases: []string{"credential"}, Short: "The public keys and certificates that clients of a running Roster authenticate with",
	}
	cmd.AddCommand(a.listCredentials(), a.getCredential(), a.createCredential(), a.updateCredential(), a.deleteCredentials())
	cmd.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	return cmd
}

func (a *app) listCredentials() *cobra.Command {
	cmd := &cobra.Command{
		Use: "list CLIENT_ID", Aliases: []string{"ls"}, Short: "List the credentials of a client, in use or not", Args: cobra.ExactArgs(1), ValidArgsFunction: inOrder(false, a.offerClients()),
		Example: "  roster credentials list GTUY20MntRjWQMHIKMeFXEUQ6BSuyhBr",
	}
	addList(cmd)
	return a.online(cmd, func(ctx context.Context, api *client.Client, args []string) error {
		return a.printList(cmd, credentialColumns, hideSecrets, func(string, int) ([]jsondoc.Object, string, error) {
			all, err := answer[[]jsondoc.Object](api.Auth0ListClientCredentials(ctx, args[0]))
			return all, "", err
		})
	})
}

func (a *app) getCredential() *cobra.Command {
	cmd := &cobra.Command{
		Use: "get CLIENT_ID CREDENTIAL_ID", Short: "Show a credential", Args: cobra.ExactArgs(2),
		ValidArgsFunction: inOrder(false, a.offerClients(), a.offerCredentials()),
		Example:           "  roster credentials get GTUY20MntRjWQMHIKMeFXEUQ6BSuyhBr cred_9bXz3LkQmT7wYpRd2VnHs4",
	}
	addOutput(cmd)
	return a.online(cmd, func(ctx context.Context, api *client.Client, args []string) error {
		return a.printAnswer(cmd)(api.Auth0GetClientCredential(ctx, args[0], args[1]))
	})
}

var credentialTypes = []string{"public_key", "x509_cert", "cert_subject_dn"}

// credentialMembers are those that flags give as they are.
var credentialMembers = []member{
	{flag: "name", name: "name", kind: "text", help: "what people call it"},
	{flag: "type", name: "credential_type", kind: "text", help: "public_key, x509_cert or cert_subject_dn; default: x509_cert for a certificate, else public_key", values: credentialTypes},
	{flag: "kid", name: "kid", kind: "text", help: "the key's own name; default: its thumbprint"},
	{flag: "alg", name: "alg", kind: "text", help: "how a public_key signs", values: []string{"RS256", "RS384", "PS256"}},
	{flag: "subject-dn", name: "subject_dn", kind: "text", help: "the subject of a cert_subject_dn, in place of FILE"},
	{flag: "expiry-from-cert", name: "parse_expiry_from_cert", kind: "bool", help: "expire when the certificate in FILE does"},
}

func (a *app) createCredential() *cobra.Command {
	cmd := &cobra.Command{
		Use: "create CLIENT_ID [FILE]", Short: "Register a public key or certificate for a client", Args: cobra.RangeArgs(1, 2),
		ValidArgsFunction: inOrder(false, a.offerClients(), nil),
		Long: "Register a public key or certificate for a client. FILE holds it in PEM; - is stdin. A private key is refused and\n" +
			"not sent. The client authenticates with it once one of its methods names it:\n\n" +
			"  roster clients update CLIENT_ID --set token_endpoint_auth_method=null \\\n" +
			"    --set client_authentication_methods='{\"private_key_jwt\":{\"credentials\":[{\"id\":\"cred_…\"}]}}'",
		Example: "  roster credentials create ID billing.pub.pem --name 2026 --expires 2027-01-31\n" +
			"  openssl pkey -in billing.key -pubout | roster credentials create ID - --name 2026 --expires 8760h\n" +
			"  roster credentials create ID billing.crt --type cert_subject_dn",
	}
	addBody(cmd, credentialMembers)
	addOutput(cmd)
	addExpires(cmd)
	return a.online(cmd, func(ctx context.Context, api *client.Client, args []string) error {
		body, err := credentialBody(cmd, args)
		if err != nil {
			return err
		}
		return a.printAnswer(cmd)(api.Auth0CreateClientCredentialWithBody(ctx, args[0], "application/json", reader(body)))
	})
}

// credentialBody makes the request from the PEM file that args may name and
// from the flags.
func credentialBody(cmd *cobra.Command, args []string) (jsondoc.Object, error) {
	object, err := body(cmd, credentialMembers, len(args) == 2)
	if err != nil {
		return nil, err
	}
	if len(args) == 2 {
		text, err := readInput(cmd, args[1])
		if err != nil {
			return nil, usageError{err}
		}
		block, _ := pem.Decode(text)
		kind := "public_key"
		switch {
		case strings.Contains(string(text), "PRIVATE KEY-----"):
			return nil, usageError{fmt.Errorf("%s holds a private key, which stays with its owner: `openssl pkey -pubout` makes the public one", args[1])}
		case block == nil:
			return nil, usageError{fmt.Errorf("%s holds no PEM", args[1])}
		case block.Type == "CERTIFICATE":
			kind = "x509_cert"
		}
		object["pem"] = jsondoc.Must(string(text))
		if object["credential_type"] == nil {
			object["credential_type"] = jsondoc.Must(kind)
		}
	} else if object["subject_dn"] != nil && object["credential_type"] == nil {
		object["credential_type"] = jsondoc.Must("cert_subject_dn")
	}
	return object, setExpires(cmd, object)
}

func (a *app) updateCredential() *cobra.Command {
	cmd := &cobra.Command{
		Use: "update CLIENT_ID CREDENTIAL_ID --expires WHEN", Short: "Change when a credential expires", Args: cobra.ExactArgs(2),
		ValidArgsFunction: inOrder(false, a.offerClients(), a.offerCredentials()),
		Example: "  roster credentials update ID cred_9bXz3LkQmT7wYpRd2VnHs4 --expires 2027-01-31T12:00:00Z\n" +
			"  roster credentials update ID cred_9bXz3LkQmT7wYpRd2VnHs4 --expires never",
	}
	addOutput(cmd)
	addExpires(cmd)
	return a.online(cmd, func(ctx context.Context, api *client.Client, args []string) error {
		object := jsondoc.Object{}
		if err := setExpires(cmd, object); err != nil {
			return err
		}
		if len(object) == 0 {
			return usageError{errors.New("--expires is missing: all else of a credential stays as it was made")}
		}
		return a.printAnswer(cmd)(api.Auth0UpdateClientCredentialWithBody(ctx, args[0], args[1], "application/json", reader(object)))
	})
}

func (a *app) deleteCredentials() *cobra.Command {
	cmd := &cobra.Command{
		Use: "delete CLIENT_ID CREDENTIAL_ID...", Aliases: []string{"rm"}, Short: "Delete credentials of a client", Args: cobra.MinimumNArgs(2),
		ValidArgsFunction: inOrder(true, a.offerClients(), a.offerCredentials()),
		Long:              "Delete credentials of a client. One that the client authenticates with cannot be deleted.",
		Example:           "  roster credentials delete ID cred_9bXz3LkQmT7wYpRd2VnHs4",
	}
	addYes(cmd)
	return a.online(cmd, func(ctx context.Context, api *client.Client, args []string) error {
		return a.deleteAll(ctx, cmd, "credential", args[1:], func(ctx context.Context, id string) (*http.Response, error) {
			return api.Auth0DeleteClientCredential(ctx, args[0], id)
		})
	})
}

func addExpires(cmd *cobra.Command) {
	cmd.Flags().String("expires", "", "`WHEN` it stops being accepted: 2027-01-31, 2027-01-31T12:00:00Z, 720h from now, or never")
}

// setExpires sets expires_at as --expires says, in UTC.
func setExpires(cmd *cobra.Command, object jsondoc.Object) error {
	text, _ := cmd.Flags().GetString("expires")
	if !cmd.Flags().Changed("expires") {
		return nil
	}
	if text == "never" {
		object["expires_at"] = jsondoc.Must(nil)
		return nil
	}
	when, err := time.Parse(time.RFC3339, text)
	if err != nil {
		when, err = time.Parse(time.DateOnly, text)
	}
	if err != nil {
		var from time.Duration
		from, err = time.ParseDuration(text)
		when = time.Now().Add(from).Round(time.Second)
	}
	if err != nil {
		return usageError{fmt.Errorf("--expires: %q is not a date, a time such as 2027-01-31T12:00:00Z, a duration such as 720h, or never", text)}
	}
	object["expires_at"] = jsondoc.Must(when.UTC())
	return nil
}
