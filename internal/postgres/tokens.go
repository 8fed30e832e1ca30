package postgres

import (
	"context"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rosterhq/roster/internal/oauth"
)

// Authentication is what a client can prove itself by.
type Authentication struct {
	Client      oauth.Client
	Secrets     []oauth.ClientSecret // live ones, newest first; ID and MAC only
	Credentials []oauth.Credential   // that its private_key_jwt slot uses; nil unless asked for

	generations map[string]int64 // see Generation
	unmarked    map[string]bool  // see Unmarked
}

// Generation is what a token for an audience carries, as it was before the
// client proved itself: whatever has ended tokens since ends this one too.
func (a *Authentication) Generation(audience string) int64 {
	return a.generations[""] + a.generations[audience]
}

// Unmarked reports whether nobody knows if a secret is short: an earlier release
// keeps its MAC alone.
func (a *Authentication) Unmarked(secret string) bool { return a.unmarked[secret] }

// Authentication reads what the client with that OAuth identifier can prove
// itself by, its credentials only if keys says so. An identifier that nobody has
// costs what others do: the global client is read in its place, and not returned.
// So does that of a client which is not active: its identifier and state come
// along with the NotFound error, for the audit trail alone.
func (r reader) Authentication(ctx context.Context, clientID string, audiences []string, keys bool, now time.Time) (Authentication, error) {
	var asleep oauth.State
	a, err := one(ctx, r, "client", func(row pgx.CollectableRow) (Authentication, error) {
		var a Authentication
		var ids []string
		var macs [][]byte
		var unmarked []bool
		var ended []string
		var generations []int64
		err := scanClientInto(row, &a.Client, &ids, &macs, &unmarked, &asleep, &ended, &generations)
		a.generations, a.unmarked = map[string]int64{}, map[string]bool{}
		for i, audience := range ended {
			a.generations[audience] = generations[i]
		}
		for i := range ids {
			a.unmarked[ids[i]] = unmarked[i]
			a.Secrets = append(a.Secrets, oauth.ClientSecret{ID: ids[i], MAC: macs[i]})
		}
		return a, err
	}, "SELECT "+clientColumns+`, l.ids, l.macs, l.unmarked, coalesce(asked.state, ''), e.audiences, e.generations FROM clients c`+newestSecret+`
		CROSS JOIN LATERAL (
			SELECT coalesce(array_agg(id::text ORDER BY created_at DESC, id DESC), '{}') ids,
				coalesce(array_agg(mac ORDER BY created_at DESC, id DESC), '{}') macs,
				coalesce(array_agg(weak IS NULL AND sealed IS NULL ORDER BY created_at DESC, id DESC), '{}') unmarked
			FROM client_secrets WHERE client = c.id AND (expires_at IS NULL OR expires_at > $2)) l
		CROSS JOIN LATERAL (
			SELECT coalesce(array_agg(audience), '{}') audiences, coalesce(array_agg(generation), '{}') generations
			FROM (`+strings.NewReplacer("$2", "$3").Replace(endsOf)+`) one) e
		LEFT JOIN clients asked ON asked.client_id = $1 AND asked.state <> 'active'
		WHERE c.id = coalesce((SELECT id FROM clients WHERE client_id = $1 AND state = 'active'), (SELECT id FROM clients WHERE is_global LIMIT 1))`, clientID, now, audiences)
	if err != nil {
		return a, err
	}
	if a.Client.ClientID != clientID {
		a = Authentication{}
		if asleep != "" {
			a.Client.ClientID, a.Client.State = clientID, asleep
		}
		return a, oauth.Missing("client")
	}
	if keys && a.Client.Document[oauth.SlotsOfAuthentication] != nil {
		a.Credentials, err = all(ctx, r, scanCredential, "SELECT "+credentialColumns+`
			FROM credential_uses u JOIN credentials k ON k.id = u.credential
			WHERE u.client = $1 AND u.slot = $2 ORDER BY u.position`, a.Client.ID, oauth.SlotPrivateKeyJWT)
	}
	return a, err
}

// UseAssertion records that a client used the assertion whose jti has that
// SHA-256, and reports whether this was the first time.
func (s *Store) UseAssertion(ctx context.Context, client string, jti []byte, expires time.Time) (first bool, err error) {
	rows, err := s.exec(ctx, `INSERT INTO assertions_seen (client, jti, expires_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, client, jti, expires)
	return rows == 1, err
}

// TrimAssertions forgets assertions that expired before t.
func (s *Store) TrimAssertions(ctx context.Context, t time.Time) error {
	_, err := s.exec(ctx, `DELETE FROM assertions_seen WHERE expires_at < $1`, t)
	return err
}

// GrantFor returns the grant under which a client may ask for tokens of an
// audience: its own, or else the default one for its class ("" for none).
func (r reader) GrantFor(ctx context.Context, client, audience, class string) (oauth.ClientGrant, error) {
	return one(ctx, r, "client_grant", scanGrant, "SELECT "+grantColumns+grantTables+`
		WHERE g.audience = $2 AND g.subject_type = 'client' AND (g.client = $1 OR g.default_for = nullif($3, ''))
		ORDER BY g.client NULLS LAST LIMIT 1`, client, audience, class)
}
