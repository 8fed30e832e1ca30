package registry

import (
	"context"
	"encoding/json"
	"maps"
	"time"

	"github.com/google/uuid"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/postgres"
)

// Bounds on starting while other instances start.
const (
	prepareTries = 20
	preparePause = 100 * time.Millisecond
)

// Prepare makes what every registry has, where it is missing: the mark of the
// keyset, the signing keys, the management API and the global client. It
// refuses a database that was written under another keyset.
//
// Any number of instances may start together: they wait for one another, and
// one that was too late for a row reads it.
func (r *Registry) Prepare(ctx context.Context) error {
	return settle(ctx, func() error {
		return r.store.Write(ctx, func(tx *postgres.Tx) error {
			if err := tx.Exclusive(ctx); err != nil {
				return err
			}
			tx.KeepFeedInOrder()
			if err := r.prepareKeyset(ctx, tx); err != nil {
				return err
			}
			if err := r.PrepareKeys(ctx, tx); err != nil {
				return err
			}
			if err := r.prepareSystemAPI(ctx, tx); err != nil {
				return err
			}
			return r.prepareGlobalClient(ctx, tx)
		})
	})
}

// settle calls prepare until it ends otherwise than by another instance's
// having been faster or in the way.
func settle(ctx context.Context, prepare func() error) error {
	for try := 1; ; try++ {
		err := prepare()
		if kind := oauth.KindOf(err); kind != oauth.Conflict && kind != oauth.Unavailable || try == prepareTries {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(preparePause):
		}
	}
}

func (r *Registry) prepareKeyset(ctx context.Context, tx *postgres.Tx) error {
	check, err := tx.KeysetCheck(ctx)
	switch {
	case err == nil:
		return r.keys.Current().VerifyCheck(check)
	case oauth.KindOf(err) == oauth.NotFound:
		tx.InsertKeysetCheck(r.keys.Current().CheckValue())
		return nil
	}
	return err
}

// managementAPI is the document of the management API, with the lifetime that the
// deployment gives its tokens.
func (r *Registry) managementAPI() (jsondoc.Object, error) {
	doc := maps.Clone(r.Management.API)
	if seconds := int64(r.ManagementTokenTTL.Seconds()); seconds > 0 {
		for _, member := range []string{"token_lifetime", "token_lifetime_for_web"} {
			var usual int64
			if err := doc.Read(member, &usual); err != nil {
				return nil, err
			}
			if usual > seconds || member == "token_lifetime" {
				doc[member] = jsondoc.Must(seconds)
			}
		}
	}
	return doc, nil
}

// prepareSystemAPI keeps the management API's identifier and scopes in step
// with the public URL and the specification.
func (r *Registry) prepareSystemAPI(ctx context.Context, tx *postgres.Tx) error {
	doc, err := r.managementAPI()
	if err != nil {
		return err
	}
	other, err := tx.ResourceServer(ctx, r.ManagementAudience())
	switch {
	case err == nil && !other.System && other.Identifier == r.ManagementAudience():
		return &oauth.Error{Kind: oauth.Invalid, Reason: oauth.Reserved, Detail: "the API " + other.ID + " is registered as " + other.Identifier +
			", which ROSTER_PUBLIC_URL makes the identifier of the management API: set ROSTER_PUBLIC_URL to what it was, " +
			"delete that API (roster apis delete " + other.ID + "), then change it again"}
	case err != nil && oauth.KindOf(err) != oauth.NotFound:
		return err
	}
	api, err := tx.LockSystemResourceServer(ctx)
	switch {
	case oauth.KindOf(err) == oauth.NotFound:
		api = oauth.ResourceServer{
			ID: oauth.RandomText(oauth.Hexadecimal, 24), Identifier: r.ManagementAudience(), Document: doc, System: true,
			Version: 1, CreatedAt: r.now(), UpdatedAt: r.now(),
		}
		tx.InsertResourceServer(api)
		r.record(ctx, tx, "resource_server.created", "resource_server", api.Identifier, nil, doc)
	case err != nil:
		return err
	case api.Identifier != r.ManagementAudience() || len(r.changes(KindResourceServer, api.Document, doc)) > 0:
		diff := r.changes(KindResourceServer, api.Document, doc)
		if api.Identifier != r.ManagementAudience() {
			diff["identifier"] = oauth.Change{Before: jsondoc.Must(api.Identifier), After: jsondoc.Must(r.ManagementAudience())}
		}
		api.Identifier, api.Document, api.Version, api.UpdatedAt = r.ManagementAudience(), doc, api.Version+1, r.now()
		tx.UpdateResourceServer(api)
		r.recordChanges(ctx, tx, "resource_server.updated", "resource_server", api.Identifier, diff)
	}
	return nil
}

func (r *Registry) prepareGlobalClient(ctx context.Context, tx *postgres.Tx) error {
	n, err := tx.CountClients(ctx, postgres.ClientQuery{Global: new(true)})
	if err != nil || n > 0 {
		return err
	}
	_, err = r.createClient(ctx, tx, oauth.Draft{
		Client:    &oauth.Client{ID: uuid.NewString(), ClientID: oauth.RandomText(oauth.Alphanumeric, 32), Document: r.Management.Global},
		NewSecret: oauth.NewSecret(oauth.RandomText(oauth.URLSafe, 64)),
	})
	return err
}

// Administration is what Administrator has done.
type Administration int

// A client with the identifier was there, was made, or was brought back.
const (
	Found Administration = iota
	Made
	Restored
)

// Administrator makes a client with every scope of the management API. A client
// with that identifier is left as it is, and one that was deleted comes back as
// it was, for as long as that can be done. An empty clientID or secret is generated.
func (r *Registry) Administrator(ctx context.Context, clientID string, secret oauth.Secret) (c oauth.Client, did Administration, err error) {
	if clientID == "" {
		clientID = oauth.RandomText(oauth.Alphanumeric, 32)
	}
	if secret.IsZero() {
		secret = oauth.NewSecret(oauth.RandomText(oauth.URLSafe, 64))
	}
	err = settle(ctx, func() error {
		did = Found
		if c, err = r.Client(ctx, oauth.ClientRef{ClientID: clientID}); oauth.KindOf(err) != oauth.NotFound {
			return err
		}
		return r.store.Write(ctx, func(tx *postgres.Tx) error {
			stones, err := tx.LockTombstones(ctx, clientID)
			switch {
			case err != nil:
				return err
			case len(stones) > 0 && r.restorable(stones[0]):
				did = Restored
				c, err = r.restoreClient(ctx, tx, stones[0])
				return err
			case len(stones) > 0:
				if err := r.reuseClientID(ctx, tx, stones[0]); err != nil {
					return err
				}
			}
			did = Made
			c, err = r.createAdministrator(ctx, tx, clientID, secret)
			return err
		})
	})
	return c, did, err
}

// AllowEverything gives a client every permission of the management API, those
// that later releases add included, for an operator who has the database. changed
// is false for one that has them.
func (r *Registry) AllowEverything(ctx context.Context, clientID string) (changed bool, err error) {
	err = r.store.Write(ctx, func(tx *postgres.Tx) error {
		c, err := tx.LockClient(ctx, oauth.ClientRef{ClientID: clientID})
		if err != nil {
			return err
		}
		g, err := tx.LockGrant(ctx, c.ID, r.everything(clientID))
		switch {
		case oauth.KindOf(err) == oauth.NotFound:
			changed = true
			_, err = r.insertGrant(ctx, tx, c.ID, r.everything(clientID))
			return err
		case err != nil || string(g.Document["allow_all_scopes"]) == "true":
			return err
		}
		changed = true
		before := g.Document
		g.Document = maps.Clone(before)
		g.Document["allow_all_scopes"] = json.RawMessage(`true`)
		_, err = r.storeGrant(ctx, tx, before, g)
		return err
	})
	return changed, err
}

// everything is the grant of an administrator.
func (r *Registry) everything(clientID string) oauth.ClientGrant {
	return oauth.ClientGrant{
		ClientID: clientID, Audience: r.ManagementAudience(), SubjectType: "client",
		Document: jsondoc.Object{"scope": json.RawMessage(`[]`), "allow_all_scopes": json.RawMessage(`true`)},
	}
}

// IgnoredGrants returns the default grants on the management API, which an
// earlier release may have stored and which give nothing.
func (r *Registry) IgnoredGrants(ctx context.Context) ([]postgres.PlacedGrant, error) {
	list, _, err := r.store.ClientGrants(ctx, postgres.GrantQuery{Audience: r.ManagementAudience(), DefaultFor: "third_party_clients", Limit: 100})
	return list, err
}

func (r *Registry) createAdministrator(ctx context.Context, tx *postgres.Tx, clientID string, secret oauth.Secret) (oauth.Client, error) {
	draft := oauth.Draft{
		Client: &oauth.Client{ID: uuid.NewString(), ClientID: clientID, Document: jsondoc.Object{
			"client_name":                jsondoc.Must("Roster administrator"),
			"grant_types":                json.RawMessage(`["client_credentials"]`),
			"token_endpoint_auth_method": jsondoc.Must("client_secret_post"),
			oauth.MemberAppType:          jsondoc.Must("non_interactive"),
			oauth.MemberFirstParty:       json.RawMessage(`true`),
		}},
		NewSecret: secret,
	}
	c, err := r.createClient(ctx, tx, draft)
	if err == nil {
		_, err = r.insertGrant(ctx, tx, c.ID, r.everything(clientID))
	}
	return c, err
}
