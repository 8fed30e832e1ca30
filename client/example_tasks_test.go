package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/rosterhq/roster/client"
	"github.com/rosterhq/roster/client/clienttest"
	"github.com/rosterhq/roster/internal/servertest"
)

// connect starts a Roster and returns its administrator.
func connect() (ctx context.Context, api *client.Client, stop func()) {
	t, stop := servertest.ForExample()
	return t.Context(), clienttest.New(t), stop
}

func ExampleClient_CreateClient() {
	ctx, api, stop := connect()
	defer stop()

	id, secret, err := api.CreateClient(ctx, client.CreateClientRequestContent{
		Name:       "billing",
		AppType:    new(client.ClientAppTypeEnumNonInteractive),
		GrantTypes: []string{"client_credentials"},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("an identifier of", len(id), "characters, a secret of", len(secret))

	// Output: an identifier of 32 characters, a secret of 64
}

// A client that has a key instead of a secret, from the start.
func ExamplePrivateKeyJWT() {
	ctx, api, stop := connect()
	defer stop()
	privateKey, err := rsaKey() // of the client; it stays there
	if err != nil {
		log.Fatal(err)
	}

	key, err := client.NewPublicKeyCredential(privateKey.Public(), client.KeyOptions{
		Name: "2026", Alg: client.ClientCredentialAlgorithmEnumPS256, ExpiresAt: time.Now().AddDate(1, 0, 0),
	})
	if err != nil {
		log.Fatal(err)
	}
	id, _, err := api.CreateClient(ctx, client.CreateClientRequestContent{
		Name:                        "payroll",
		GrantTypes:                  []string{"client_credentials"},
		ClientAuthenticationMethods: client.PrivateKeyJWT(key),
	})
	if err != nil {
		log.Fatal(err)
	}
	for key, err := range api.Credentials(ctx, id) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(key.CredentialType, *key.Name, *key.Alg)
	}

	// Output: public_key 2026 PS256
}

func ExampleClient_Clients() {
	ctx, api, stop := connect()
	defer stop()
	for _, name := range []string{"shop", "shop for partners"} {
		_, _, err := api.CreateClient(ctx, client.CreateClientRequestContent{Name: name, AppType: new(client.ClientAppTypeEnumSpa)})
		if err != nil {
			log.Fatal(err)
		}
	}

	for c, err := range api.Clients(ctx, &client.Auth0ListClientsParams{AppType: new("spa,native")}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(*c.Name)
	}

	// Output:
	// shop
	// shop for partners
}

// An existing client gets a key, and from then on uses it instead of its secret.
func ExampleClient_RegisterKey() {
	ctx, api, stop := connect()
	defer stop()
	id, _, err := api.CreateClient(ctx, client.CreateClientRequestContent{Name: "payroll"})
	if err != nil {
		log.Fatal(err)
	}
	privateKey, err := rsaKey()
	if err != nil {
		log.Fatal(err)
	}

	key, err := api.RegisterKey(ctx, id, privateKey.Public(), client.KeyOptions{Name: "2026", KID: "payroll-2026"})
	if err != nil {
		log.Fatal(err)
	}
	if err := api.UseKeys(ctx, id, key.ID); err != nil {
		log.Fatal(err)
	}
	fmt.Println(*key.KID, *key.Alg)

	// Output: payroll-2026 RS256
}

func ExampleClient_SetExpiry() {
	ctx, api, stop := connect()
	defer stop()
	id, _, err := api.CreateClient(ctx, client.CreateClientRequestContent{Name: "payroll"})
	if err != nil {
		log.Fatal(err)
	}
	privateKey, err := rsaKey()
	if err != nil {
		log.Fatal(err)
	}
	key, err := api.RegisterKey(ctx, id, privateKey.Public(), client.KeyOptions{})
	if err != nil {
		log.Fatal(err)
	}

	key, err = api.SetExpiry(ctx, id, key.ID, time.Date(2027, time.January, 31, 0, 0, 0, 0, time.UTC))
	if err != nil {
		log.Fatal(err)
	}
	at, _ := key.Expiry()
	fmt.Println("until", at)

	key, err = api.ClearExpiry(ctx, id, key.ID)
	if err != nil {
		log.Fatal(err)
	}
	_, ever := key.Expiry()
	fmt.Println("ever:", ever)

	// Output:
	// until 2027-01-31 00:00:00 +0000 UTC
	// ever: false
}

// The old secret is good for a day more, in which the client is given the new.
func ExampleClient_RotateSecret() {
	ctx, api, stop := connect()
	defer stop()
	id, old, err := api.CreateClient(ctx, client.CreateClientRequestContent{Name: "billing"})
	if err != nil {
		log.Fatal(err)
	}

	secret, err := api.RotateSecret(ctx, id, 24*time.Hour)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("another one:", secret != old)

	// Output: another one: true
}

// Roster's clients may ask for tokens of the APIs that they have a grant on.
func ExampleClient_GrantAPI() {
	ctx, api, stop := connect()
	defer stop()
	_, err := api.Auth0CreateResourceServerWithResponse(ctx, client.CreateResourceServerRequestContent{
		Identifier: "https://invoices.example/",
		Scopes:     []client.ResourceServerScope{{Value: "read:invoices"}, {Value: "write:invoices"}},
	})
	if err != nil {
		log.Fatal(err)
	}
	id, _, err := api.CreateClient(ctx, client.CreateClientRequestContent{Name: "billing", GrantTypes: []string{"client_credentials"}})
	if err != nil {
		log.Fatal(err)
	}

	grant, err := api.GrantAPI(ctx, id, "https://invoices.example/", []string{"read:invoices"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(grant.Audience, grant.Scope)

	// Output: https://invoices.example/ [read:invoices]
}

// What went wrong, by the kind of error or in detail.
func ExampleError() {
	ctx, api, stop := connect()
	defer stop()

	_, err := api.Auth0GetClientWithResponse(ctx, "nobody", nil)
	if errors.Is(err, client.ErrNotFound) {
		fmt.Println("there is no such client")
	}
	if e, ok := errors.AsType[*client.Error](err); ok {
		fmt.Println(e.StatusCode, e.Code)
	}

	// Output:
	// there is no such client
	// 404 inexistent_client
}

// Add a callback address to those that are there, without undoing what somebody
// else changes at the same time.
func ExampleIfUnchanged() {
	ctx, api, stop := connect()
	defer stop()
	id, _, err := api.CreateClient(ctx, client.CreateClientRequestContent{Name: "shop", Callbacks: []string{"https://shop.example/a"}})
	if err != nil {
		log.Fatal(err)
	}

	add := func(callback string, meanwhile func()) error {
		for {
			read, err := api.Auth0GetClientWithResponse(ctx, id, nil)
			if err != nil {
				return err
			}
			meanwhile()
			_, err = api.Auth0UpdateClientWithResponse(ctx, id, nil, client.UpdateClientRequestContent{
				Callbacks: append(read.JSON200.Callbacks, callback),
			}, client.IfUnchanged(read.HTTPResponse))
			if !errors.Is(err, client.ErrPreconditionFailed) {
				return err
			}
			fmt.Println("somebody was faster, once more")
			meanwhile = func() {}
		}
	}
	other := func() {
		if err := add("https://shop.example/b", func() {}); err != nil {
			log.Fatal(err)
		}
	}
	if err := add("https://shop.example/c", other); err != nil {
		log.Fatal(err)
	}
	got, err := api.Auth0GetClientWithResponse(ctx, id, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(got.JSON200.Callbacks)

	// Output:
	// somebody was faster, once more
	// [https://shop.example/a https://shop.example/b https://shop.example/c]
}
