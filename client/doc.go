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
//		fmt.Println(c.ID, c.Name)
//	}
//
// [Config] says who calls: a client of Roster with a grant on the management
// API, which authenticates with a secret or a key, or whoever has a token.
// Tokens are fetched when they are needed and renewed in time. A [Client] may be
// used by many goroutines at once. It keeps no connection of its own open beyond
// what its [http.Client] does.
//
// # What there is
//
// Each kind of thing has a type and four methods: [OAuthClient] with
// [Client.CreateClient], [Client.GetClient], [Client.UpdateClient] and
// [Client.DeleteClient]; [Credential], which [Client.RegisterKey],
// [Client.RegisterCertificate] and [Client.RegisterSubject] create; [Grant]; [API].
// Secrets are listed, rotated and retired, events read, and whole registries
// exported and imported.
//
// What is created or changed is described by a type of its own, such as
// [ClientInput]: what is zero in it is not sent. A nil list is left alone, an
// empty one replaces what is there. Members of the API that have no field are in
// Members, by their name, in what is read and in what is sent.
//
// The last argument of most methods is a pointer to options; nil will do.
//
// [Client.Do] calls operations that have no method: those of Boruta's dialect
// and of later services. It is also what generated code may send its requests
// with, as it does everything that is described below.
//
// # Lists
//
// [Client.Clients], [Client.Credentials], [Client.Secrets], [Client.Grants],
// [Client.APIs], [Client.Events], [Client.FindClients] and [Client.Export] are
// iterators over all pages, and keep one in memory at a time. [Client.EventFeed]
// follows the audit trail for as long as its context lives.
//
// # Errors
//
// An answer that is not a success comes back as an [*Error]. [errors.Is] tells
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
//     [CreateOptions] give another, the same in each try. Without it, a
//     lost answer would leave the caller to choose between a client registered
//     twice and a secret that nobody has seen. The service answers a repeated
//     key with the first answer; while the first try is still at work it answers
//     409 with Retry-After, which is waited for as well. The price is a sealed
//     copy of the answer, which the service keeps for a day; with
//     Config.Attempts of 1 there is nothing to gain, and no key is generated.
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
// [ChangeOptions] make a change only if nobody has changed the client since it
// was read:
//
//	c, err := api.GetClient(ctx, id, nil)
//	…
//	_, err = api.UpdateClient(ctx, id, change, &client.ChangeOptions{IfMatch: c.ETag})
//	if errors.Is(err, client.ErrPreconditionFailed) {
//		… // read it again
//	}
//
// # Cached reads
//
// [Cache] keeps clients and their states in memory, for programs that look them
// up all the time, and forgets those that change. It says how old an answer may
// be.
//
// # Compatibility
//
// The module follows semantic versions of its own, tagged client/v1.2.3. Within
// v1 no exported name goes away or changes its meaning; types get fields, so
// write their literals with field names. Messages of errors are for people and
// may change. It takes the Go release before the newest one, and works with
// every Roster from 1.0.0 on: what an older service lacks is [ErrNotFound].
//
// # Tests
//
// Module github.com/rosterhq/roster/client/clienttest starts a Roster of its own
// for a test of your program. It needs what the server needs, which is why it is
// apart: take it for tests alone.
package client
