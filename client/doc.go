// Package client is Roster for Go programs: it registers OAuth clients and looks
// after their keys, secrets and grants, over Roster's HTTP API.
//
//	api, err := client.New("https://roster.example", client.Config{ClientID: id, ClientSecret: secret})
//	if err != nil {
//		return err
//	}
//	for c, err := range api.Clients(ctx, nil) {
//		if err != nil {
//			return err
//		}
//		fmt.Println(*c.ClientID, *c.Name)
//	}
//
// [Config] says who calls: a client of Roster with a grant on the management
// API, which authenticates with a secret or a key, or whoever has a token.
// Tokens are fetched when they are needed and renewed in time. A [Client] may be
// used by many goroutines at once. It keeps no connection of its own open beyond
// what its [http.Client] does.
//
// # Operations
//
// Every operation of openapi.yaml is a method, named by its operationId and
// WithResponse. The Auth0 operations are those of Auth0's Management API v2, the
// Boruta ones those of Boruta's administration API, and the Roster ones its own,
// for secrets that overlap and for the audit trail.
//
//	got, err := api.Auth0GetClientWithResponse(ctx, id, nil)
//	if err != nil {
//		return err
//	}
//	fmt.Println(*got.JSON200.Name)
//
// Optional members are pointers, and new(value) makes one. In changes a member
// that may also be removed is a nullable.Nullable: one left alone is not sent,
// nullable.NewNullNullable removes it. A nil slice or map is not sent, an empty
// one replaces what is there.
//
// # Everyday tasks
//
// Where the generated types are in the way there is a shorter method:
//
//   - [Client.CreateClient] registers a client and returns its secret, which
//     [Client.RotateSecret] replaces, at once or with an overlap.
//   - [Client.RegisterKey], [Client.RegisterCertificate] and
//     [Client.RegisterSubject] take keys and certificates as crypto/x509 has
//     them. [PrivateKeyJWT] makes a new client authenticate with its keys,
//     [Client.UseKeys] an existing one.
//   - [Client.SetExpiry] and [Client.ClearExpiry] say until when.
//   - [Client.GrantAPI] lets a client have tokens for an API.
//
// # Lists
//
// [Client.Clients], [Client.Credentials], [Client.ClientGrants],
// [Client.ResourceServers] and [Client.Events] are iterators over as many pages
// as there are, of which one is kept at a time. [Client.EventFeed] follows the
// audit trail for as long as its context lives.
//
// # Errors
//
// An answer that is not a success comes back as an [*Error], so that after a nil
// error the member for the success (JSON200, JSON201) is set. [errors.Is] tells
// the kinds apart:
//
//	if errors.Is(err, client.ErrNotFound) {
//		…
//	}
//
// # Repetition
//
// What fails for a reason that may pass is sent again, up to Config.Attempts
// times and within Config.CallTimeout: the statuses 429, 502, 503 and 504, and
// no or half an answer. The waits grow exponentially, with jitter, and are never
// shorter than Retry-After asks for; where it asks for more than the call has
// left, the error comes at once, with the wait in [Error.RetryAfter]. The end of
// the context ends all of it at once.
//
// A call takes effect once, however often it is sent:
//
//   - Every POST below /api/ carries an Idempotency-Key, a random one unless
//     [WithIdempotencyKey] gives another, the same in each try. Without it, a
//     lost answer would leave the caller to choose between a client registered
//     twice and a secret that nobody has seen. The service answers a repeated
//     key with the first answer; while the first try is still at work it answers
//     409 with Retry-After, which is waited for as well. The price is a sealed
//     copy of the answer, which the service keeps for a day; with
//     Config.Attempts of 1 there is nothing to gain, and no key is made up.
//   - GET, PUT and DELETE may be repeated by their definition (RFC 9110 §9.2.2).
//     A DELETE that meets 404 when it is repeated succeeds, with status 204: it
//     is gone, by this call or another.
//   - PATCH sets members to values, so doing it twice is doing it once. With
//     If-Match, a repeated one whose first try was done and not answered gets
//     412; [Error.Tries] is then more than 1, and reading the client tells.
//   - A POST without a key is sent again after 429, and if there was no
//     connection to send it over, as then it cannot have happened.
//
// # Concurrent changes
//
// [IfUnchanged] makes a change only if nobody has changed the client since it
// was read:
//
//	got, err := api.Auth0GetClientWithResponse(ctx, id, nil)
//	…
//	_, err = api.Auth0UpdateClientWithResponse(ctx, id, nil, change, client.IfUnchanged(got.HTTPResponse))
//	if errors.Is(err, client.ErrPreconditionFailed) {
//		… // read it again
//	}
//
// # Tests
//
// Package clienttest, in the folder below, starts a Roster of its own for a test
// of your program.
package client
