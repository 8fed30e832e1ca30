package registry

import (
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/postgres"
)

// Bounds on starting beside other instances.
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

// prepareSystemAPI keeps the management API's identifier and scopes in step
// with the public URL and the specification.
func (r *Registry) prepareSystemAPI(ctx context.Context, tx *postgres.Tx) error {
	doc := r.Management.API
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
	case api.Identifier != r.ManagementAudience() || len(changes(api.Document, doc)) > 0:
		diff := changes(api.Document, doc)
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

// Administrator makes a client with every scope of the management API and
// returns it with its secret. A client with that identifier is left as it is
// (created is false then). An empty clientID or secret is made up.
func (r *Registry) Administrator(ctx context.Context, clientID string, secret oauth.Secret) (c oauth.Client, created bool, err error) {
	if clientID == "" {
		clientID = oauth.RandomText(oauth.Alphanumeric, 32)
	}
	if secret.IsZero() {
		secret = oauth.NewSecret(oauth.RandomText(oauth.URLSafe, 64))
	}
	err = settle(ctx, func() error {
		if c, err = r.Client(ctx, oauth.ClientRef{ClientID: clientID}); oauth.KindOf(err) != oauth.NotFound {
			return err
		}
		c, err = r.createAdministrator(ctx, clientID, secret)
		created = err == nil
		return err
	})
	return c, created, err
}

func (r *Registry) createAdministrator(ctx context.Context, clientID string, secret oauth.Secret) (c oauth.Client, err error) {
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
	err = r.store.Write(ctx, func(tx *postgres.Tx) error {
		if c, err = r.createClient(ctx, tx, draft); err != nil {
			return err
		}
		r.insertGrant(ctx, tx, c.ID, oauth.ClientGrant{
			ClientID: clientID, Audience: r.ManagementAudience(), SubjectType: "client",
			Document: jsondoc.Object{"scope": json.RawMessage(`[]`), "allow_all_scopes": json.RawMessage(`true`)},
		})
		return nil
	})
	return c, err
}
