package main

import (
	"context"
	"encoding/pem"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rosterhq/roster/client"
	"github.com/rosterhq/roster/internal/jsondoc"
)

var credentialColumns = []column{
	{head: "ID", member: "id"}, {head: "NAME", member: "name", name: true}, {head: "TYPE", member: "credential_type", flexible: true},
	{head: "EXPIRES", member: "expires_at", show: momentOrNever}, {head: "CREATED", member: "created_at", show: moment, spare: true},
	{head: "KID", member: "kid", flexible: true, spare: true},
}

func (a *app) credentials() *cobra.Command {
	cmd := &cobra.Command{
		Use: "credentials", GroupID: overAPI, Aliases: []string{"credential"}, Short: "List, register and delete public keys and certificates of clients",
	}
	cmd.AddCommand(a.listCredentials(), a.getCredential(), a.createCredential(), a.updateCredential(), a.deleteCredentials())
	cmd.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	return cmd
}

func (a *app) listCredentials() *cobra.Command {
	cmd := &cobra.Command{
		Use: "list CLIENT_ID", Aliases: []string{"ls"}, Short: "List the credentials of a client, in use or not", ValidArgsFunction: inOrder(false, a.offerClients()),
		Example: "  roster credentials list GTUY20MntRjWQMHIKMeFXEUQ6BSuyhBr",
	}
	addList(cmd)
	return a.online(cmd, func(ctx context.Context, api *client.Client, args []string) error {
		return a.printList(cmd, "credentials", credentialColumns, hideSecrets, func(string, int) ([]jsondoc.Object, string, error) {
			all, err := fetch[[]jsondoc.Object](ctx, api, client.Path(clientsPath, args[0], "credentials"), nil)
			return all, "", err
		})
	})
}

func (a *app) getCredential() *cobra.Command {
	cmd := &cobra.Command{
		Use: "get CLIENT_ID CREDENTIAL_ID", Short: "Show a credential",
		ValidArgsFunction: inOrder(false, a.offerClients(), a.offerCredentials()),
		Example:           "  roster credentials get ID cred_9bXz3LkQmT7wYpRd2VnHs4",
	}
	addOutput(cmd)
	return a.online(cmd, func(ctx context.Context, api *client.Client, args []string) error {
		return a.printAnswer(cmd)(fetch[jsondoc.Object](ctx, api, client.Path(clientsPath, args[0], "credentials", args[1]), nil))
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
		Use: "create CLIENT_ID [FILE]", Short: "Register a public key or certificate for a client",
		ValidArgsFunction: inOrder(false, a.offerClients(), nil),
		Long: "Register a public key or certificate for a client. FILE holds it in PEM; - is stdin. A private key is refused and\n" +
			"not sent. The client authenticates with it once one of its methods names it:\n\n" +
			"  roster clients update CLIENT_ID --set token_endpoint_auth_method=null \\\n" +
			"    --set client_authentication_methods='\n" +
			"      {\"private_key_jwt\":{\"credentials\":[{\"id\":\"cred_…\"}]}}'",
		Example: "  roster credentials create ID billing.pub.pem --name 2026 --expires 2027-01-31\n" +
			"  openssl pkey -in billing.key -pubout |\n" +
			"    roster credentials create ID - --name 2026 --expires 365d\n" +
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
		return a.printDone(cmd, "credential", "created")(send[jsondoc.Object](ctx, api, http.MethodPost, client.Path(clientsPath, args[0], "credentials"), body))
	})
}

// credentialBody makes the request from the PEM file that args may name and
// from the flags.
func credentialBody(cmd *cobra.Command, args []string) (jsondoc.Object, error) {
	object, err := newBody(cmd, credentialMembers, len(args) == 2)
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
		Use: "update CLIENT_ID CREDENTIAL_ID --expires WHEN", Short: "Change when a credential expires",
		ValidArgsFunction: inOrder(false, a.offerClients(), a.offerCredentials()),
		Example: "  roster credentials update ID cred_9bXz3LkQmT7wYpRd2VnHs4 --expires 2027-01-31\n" +
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
			return misused(cmd, "--expires is missing: nothing else of a credential can be changed")
		}
		return a.printDone(cmd, "credential", "updated")(send[jsondoc.Object](ctx, api, http.MethodPatch, client.Path(clientsPath, args[0], "credentials", args[1]), object))
	})
}

func (a *app) deleteCredentials() *cobra.Command {
	cmd := &cobra.Command{
		Use: "delete CLIENT_ID CREDENTIAL_ID...", Aliases: []string{"rm"}, Short: "Delete credentials of a client",
		ValidArgsFunction: inOrder(true, a.offerClients(), a.offerCredentials()),
		Long:              "Delete credentials of a client. One that the client authenticates with cannot be deleted.",
		Example:           "  roster credentials delete ID cred_9bXz3LkQmT7wYpRd2VnHs4",
	}
	addDelete(cmd)
	return a.online(cmd, func(ctx context.Context, api *client.Client, args []string) error {
		return a.deleteAll(ctx, cmd, api, "credential", client.Path(clientsPath, args[0], "credentials"), args[1:])
	})
}

func addExpires(cmd *cobra.Command) {
	cmd.Flags().String("expires", "", "`WHEN` it stops being accepted: 2027-01-31, 2027-01-31T12:00:00Z, 30d for days from now, or never")
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
	for _, layout := range []string{toTheMinute, time.DateOnly} {
		if err != nil {
			when, err = time.Parse(layout, text)
		}
	}
	if err != nil {
		var from time.Duration
		from, err = parseDuration(text)
		when = time.Now().Add(from).Round(time.Second)
	}
	if err != nil {
		return usageError{fmt.Errorf("--expires: %q is not a date, a time such as 2027-01-31T12:00:00Z, a duration such as 30d or 720h, or never", text)}
	}
	object["expires_at"] = jsondoc.Must(when.UTC())
	return nil
}
