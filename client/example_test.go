package client_test

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/rosterhq/roster/client"
)

// What the examples work with. A program gets its own from client.New.
var (
	ctx         = context.Background()
	api         *client.Client
	id          string
	privateKey  *rsa.PrivateKey // of a client; it stays there
	certificate *x509.Certificate
)

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func ExampleNew() {
	api, err := client.New("https://roster.example", client.Config{ClientID: "…", ClientSecret: "…"})
	check(err)
	c, err := api.GetClient(context.Background(), "…", nil)
	check(err)
	fmt.Println(c.Name)
}

func ExampleClient_CreateClient() {
	billing, err := api.CreateClient(ctx, client.ClientInput{
		Name: "billing", AppType: "non_interactive", GrantTypes: []string{"client_credentials"},
	}, nil)
	check(err)
	fmt.Println(billing.ID, billing.Secret)
}

// A client that has a key instead of a secret, from the start.
func ExampleClient_CreateClient_withKey() {
	payroll, err := api.CreateClient(ctx, client.ClientInput{Name: "payroll"}, &client.CreateOptions{
		Keys: []client.PublicKey{{Key: privateKey.Public(), Options: client.CredentialOptions{Name: "2026", Alg: "PS256"}}},
	})
	check(err)
	fmt.Println(payroll.Keys["private_key_jwt"])
}

func ExampleClient_GetClient() {
	c, err := api.GetClient(ctx, id, &client.GetOptions{ShowSecrets: true})
	if errors.Is(err, client.ErrNotFound) {
		fmt.Println("there is no such client")
		return
	}
	check(err)
	fmt.Println(c.Secret)
}

// Add a callback address to those that are there, without undoing what somebody
// else changes at the same time.
func ExampleClient_UpdateClient() {
	for range 10 {
		c, err := api.GetClient(ctx, id, nil)
		check(err)
		_, err = api.UpdateClient(ctx, id, client.ClientInput{
			Callbacks: append(c.Callbacks, "https://shop.example/callback"),
		}, &client.ChangeOptions{IfMatch: c.ETag})
		if !errors.Is(err, client.ErrPreconditionFailed) {
			check(err)
			return
		}
	}
}

// Members without a field of their own go by their name; nil removes one.
func ExampleClientInput() {
	_, err := api.UpdateClient(ctx, id, client.ClientInput{Members: map[string]any{
		"jwt_configuration": map[string]any{"lifetime_in_seconds": 600},
		"logo_uri":          nil,
	}}, nil)
	check(err)
}

func ExampleClient_DeleteClient() {
	check(api.DeleteClient(ctx, id, nil))
}

func ExampleClient_Clients() {
	for c, err := range api.Clients(ctx, &client.ClientFilter{AppTypes: []string{"spa", "native"}}) {
		check(err)
		fmt.Println(c.ID, c.Name)
	}
}

// The old secret is valid for a day more, in which the client is given the new.
func ExampleClient_RotateSecret() {
	secret, err := api.RotateSecret(ctx, id, &client.RotateOptions{Grace: 24 * time.Hour})
	check(err)
	fmt.Println(secret)
}

// Retire the secrets that nobody has used for a week.
func ExampleClient_RetireSecret() {
	for secret, err := range api.Secrets(ctx, id) {
		check(err)
		if secret.Status == "superseded" && time.Since(secret.LastUsedAt) > 7*24*time.Hour {
			check(api.RetireSecret(ctx, id, secret.ID))
		}
	}
}

// An existing client gets a key, and from then on uses it instead of its secret.
func ExampleClient_RegisterKey() {
	key, err := api.RegisterKey(ctx, id, privateKey.Public(), &client.CredentialOptions{Name: "2026"})
	check(err)
	_, err = api.UseKeys(ctx, id, []string{key.ID}, nil)
	check(err)
}

func ExampleClient_RegisterCertificate() {
	c, err := api.RegisterCertificate(ctx, id, certificate, nil)
	check(err)
	fmt.Println(c.Thumbprint, c.ExpiresAt)
}

func ExampleClient_RegisterSubject() {
	c, err := api.RegisterSubject(ctx, id, certificate, &client.CredentialOptions{Name: "gateway"})
	check(err)
	fmt.Println(c.Subject)
}

func ExampleClient_Credentials() {
	for c, err := range api.Credentials(ctx, id) {
		check(err)
		if !c.ExpiresAt.IsZero() && time.Until(c.ExpiresAt) < 30*24*time.Hour {
			fmt.Println(c.Name, "expires soon")
		}
	}
}

func ExampleClient_UpdateCredential() {
	_, err := api.UpdateCredential(ctx, id, "cred_…", time.Now()) // it ends now
	check(err)
	_, err = api.UpdateCredential(ctx, id, "cred_…", time.Time{}) // it never ends
	check(err)
}

// Clients may ask for tokens of the APIs that they have a grant on.
func ExampleClient_CreateGrant() {
	_, err := api.CreateAPI(ctx, client.APIInput{
		Identifier: "https://invoices.example/",
		Scopes:     []client.Scope{{Value: "read:invoices"}, {Value: "write:invoices"}},
	}, nil)
	check(err)
	_, err = api.CreateGrant(ctx, client.GrantInput{ClientID: id, Audience: "https://invoices.example/", Scopes: []string{"read:invoices"}}, nil)
	check(err)
}

func ExampleClient_Grants() {
	for grant, err := range api.Grants(ctx, &client.GrantFilter{Audience: "https://invoices.example/"}) {
		check(err)
		fmt.Println(grant.ClientID, grant.Scopes)
	}
}

func ExampleClient_UpdateAPI() {
	_, err := api.UpdateAPI(ctx, "https://invoices.example/", client.APIInput{TokenLifetime: 10 * time.Minute})
	check(err)
}

func ExampleClient_APIs() {
	for a, err := range api.APIs(ctx) {
		check(err)
		fmt.Println(a.Identifier, a.TokenLifetime)
	}
}

func ExampleClient_Events() {
	filter := client.EventFilter{Action: "client.deleted", Since: time.Now().AddDate(0, 0, -1)}
	for e, err := range api.Events(ctx, &filter) {
		check(err)
		fmt.Println(e.OccurredAt, e.Actor, e.Target)
	}
}

// Follow what happens, and go on after a restart where it was left.
func ExampleClient_EventFeed() {
	after := "" // what was kept
	for part, err := range api.EventFeed(ctx, &client.FeedOptions{After: after}) {
		check(err)
		for _, e := range part.Events {
			fmt.Println(e.Action, e.Target)
		}
		after = part.Next // to be kept
	}
}

// Copy a registry.
func ExampleClient_Import() {
	var other *client.Client // of the one to copy to
	var batch []json.RawMessage
	flush := func() {
		if len(batch) == 0 {
			return
		}
		results, err := other.Import(ctx, batch, client.ImportOptions{Format: "roster"})
		check(err)
		for _, r := range results {
			fmt.Println(r.Kind, r.Target, r.Outcome)
		}
		batch = nil
	}
	for record, err := range api.Export(ctx, &client.ExportOptions{IncludeSecrets: true}) {
		check(err)
		if batch = append(batch, record); len(batch) == 100 {
			flush()
		}
	}
	flush()
}

// Send a request by other means.
func ExampleClient_Token() {
	token, err := api.Token(ctx)
	check(err)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://roster.example/api/v2/clients", nil)
	check(err)
	req.Header.Set("Authorization", "Bearer "+token)
}

// What has no method: an operation of Boruta's dialect.
func ExampleClient_Do() {
	var scopes struct{ Data []struct{ Name string } }
	_, err := api.Do(ctx, client.Request{Path: "/api/scopes"}, &scopes)
	check(err)
	_, err = api.Do(ctx, client.Request{Method: http.MethodPost, Path: client.Path("/api/clients", id, "regenerate_did")}, nil)
	check(err)
}

// What went wrong, by the kind of error or in detail.
func ExampleError() {
	_, err := api.GetClient(ctx, "nobody", nil)
	if errors.Is(err, client.ErrNotFound) {
		fmt.Println("there is no such client")
	}
	if e, ok := errors.AsType[*client.Error](err); ok {
		fmt.Println(e.StatusCode, e.Code, e.RequestID)
	}
}

// A program that looks clients up all the time asks the service about changes
// only, and sees them in a fraction of a second.
func ExampleCache() {
	cache, err := client.NewCache(ctx, api, &client.CacheOptions{MaxStale: 5 * time.Second})
	check(err)
	c, err := cache.GetClient(ctx, id)
	check(err)
	state, err := cache.GetState(ctx, id)
	check(err)
	fmt.Println(c.Name, state.State)
	if stats := cache.Stats(); stats.Err != nil {
		fmt.Println("the service does not tell what changes:", stats.Err)
	}
}

func ExampleClient_SetState() {
	_, err := api.SetState(ctx, id, client.StateDisabled, "Its secret was found in a log; ticket 4711.")
	check(err)
}

func ExampleClient_RestoreClient() {
	check(api.DeleteClient(ctx, id, nil))
	check(api.RestoreClient(ctx, id))
}

// Refuse the tokens that a client has got so far for an API.
func ExampleClient_EndTokens() {
	check(api.EndTokens(ctx, id, &client.EndOptions{Audience: "https://invoices.example/"}))
}

func ExampleClient_GetState() {
	state, err := api.GetState(ctx, id)
	check(err)
	if state.State != client.StateActive {
		fmt.Println("off since", state.ChangedAt, "because", state.Reason)
	}
}

func ExampleClient_UseKeys() {
	c, err := api.UseKeys(ctx, id, []string{"cred_…", "cred_…"}, nil) // it signs with either
	check(err)
	fmt.Println(c.Keys["private_key_jwt"])
}

func ExampleClient_GetCredential() {
	c, err := api.GetCredential(ctx, id, "cred_…")
	check(err)
	fmt.Println(c.Name, c.ExpiresAt)
}

// Replace the key of a client: it signs with the new one before the old one goes.
func ExampleClient_DeleteCredential() {
	key, err := api.RegisterKey(ctx, id, privateKey.Public(), nil)
	check(err)
	_, err = api.UseKeys(ctx, id, []string{key.ID}, nil)
	check(err)
	check(api.DeleteCredential(ctx, id, "cred_…"))
}

func ExampleClient_Secrets() {
	for secret, err := range api.Secrets(ctx, id) {
		check(err)
		fmt.Println(secret.ID, secret.Status, secret.LastUsedAt)
	}
}

func ExampleClient_GetGrant() {
	grant, err := api.GetGrant(ctx, "cgr_…")
	check(err)
	fmt.Println(grant.ClientID, grant.Audience, grant.Scopes)
}

// Give a scope more than a grant has.
func ExampleClient_UpdateGrant() {
	grant, err := api.GetGrant(ctx, "cgr_…")
	check(err)
	_, err = api.UpdateGrant(ctx, grant.ID, client.GrantInput{Scopes: append(grant.Scopes, "write:invoices")})
	check(err)
}

func ExampleClient_DeleteGrant() {
	check(api.DeleteGrant(ctx, "cgr_…"))
}

func ExampleClient_CreateAPI() {
	invoices, err := api.CreateAPI(ctx, client.APIInput{
		Identifier: "https://invoices.example/", TokenLifetime: 10 * time.Minute,
		Scopes: []client.Scope{{Value: "read:invoices", Description: "See invoices"}},
	}, nil)
	if errors.Is(err, client.ErrConflict) {
		fmt.Println("it is there already")
		return
	}
	check(err)
	fmt.Println(invoices.ID)
}

func ExampleClient_GetAPI() {
	invoices, err := api.GetAPI(ctx, "https://invoices.example/")
	check(err)
	fmt.Println(invoices.Name, invoices.TokenLifetime)
}

func ExampleClient_DeleteAPI() {
	check(api.DeleteAPI(ctx, "https://invoices.example/"))
}

// Keep a copy of all but secrets.
func ExampleClient_Export() {
	lines := json.NewEncoder(os.Stdout)
	for record, err := range api.Export(ctx, nil) {
		check(err)
		check(lines.Encode(record))
	}
}

func ExampleClient_FindClients() {
	for c, err := range api.FindClients(ctx, &client.SearchFilter{Name: "bill", State: client.StateActive}) {
		check(err)
		fmt.Println(c.ID, c.Name)
	}
}

// A service asks whether the token of a request is still good.
func ExampleClient_Introspect() {
	invoices, err := client.New("https://roster.example", client.Config{ClientID: "…", ClientSecret: "…"})
	check(err)
	i, err := invoices.Introspect(ctx, "eyJ…")
	check(err)
	if i.Active && i.Audience == "https://invoices.example/" {
		fmt.Println("hello,", i.Subject)
	}
}

// A program gives up its token when it ends.
func ExampleClient_Revoke() {
	token, err := api.Token(ctx)
	check(err)
	check(api.Revoke(ctx, token))
}
