package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rosterhq/roster/internal/oauth"
)

const credentialColumns = `k.id, k.client::text, k.credential_type, k.name, coalesce(k.kid, ''), coalesce(k.alg, ''), k.public_jwk,
	coalesce(k.key_thumbprint, ''), k.certificate, coalesce(k.subject_dn, ''), coalesce(k.thumbprint_sha256, ''),
	k.created_at, k.updated_at, k.expires_at`

func scanCredential(row pgx.CollectableRow) (oauth.Credential, error) {
	var c oauth.Credential
	err := row.Scan(&c.ID, &c.Client, &c.Type, &c.Name, &c.KeyID, &c.Alg, &c.JWK, &c.KeyThumbprint, &c.Certificate,
		&c.SubjectDN, &c.ThumbprintSHA256, &c.CreatedAt, &c.UpdatedAt, &c.ExpiresAt)
	return c, err
}

// Credentials returns a client's credentials in creation order.
func (r reader) Credentials(ctx context.Context, client string) ([]oauth.Credential, error) {
	byClient, err := r.CredentialsOf(ctx, []string{client})
	return byClient[client], err
}

// CredentialsOf returns the credentials of clients, by client, in creation
// order.
func (r reader) CredentialsOf(ctx context.Context, clients []string) (map[string][]oauth.Credential, error) {
	list, err := all(ctx, r, scanCredential, "SELECT "+credentialColumns+" FROM credentials k WHERE k.client = ANY ($1::uuid[]) ORDER BY k.serial", clients)
	byClient := map[string][]oauth.Credential{}
	for _, c := range list {
		byClient[c.Client] = append(byClient[c.Client], c)
	}
	return byClient, err
}

// Credential reads one credential of a client.
func (r reader) Credential(ctx context.Context, client, id string) (oauth.Credential, error) {
	return one(ctx, r, "credential", scanCredential, "SELECT "+credentialColumns+" FROM credentials k WHERE k.client = $1 AND k.id = $2", client, id)
}

// LockCredential reads one credential of a client for changing it.
func (t *Tx) LockCredential(ctx context.Context, client, id string) (oauth.Credential, error) {
	return one(ctx, t, "credential", scanCredential, "SELECT "+credentialColumns+" FROM credentials k WHERE k.client = $1 AND k.id = $2 FOR UPDATE", client, id)
}

// InsertCredential stores a new credential.
func (t *Tx) InsertCredential(c oauth.Credential) {
	t.write(`INSERT INTO credentials (id, client, credential_type, name, kid, alg, public_jwk, key_thumbprint, certificate, subject_dn, thumbprint_sha256, created_at, updated_at, expires_at)
		VALUES ($1, $2, $3, $4, nullif($5, ''), nullif($6, ''), $7, nullif($8, ''), $9, nullif($10, ''), nullif($11, ''), $12, $13, $14)`,
		c.ID, c.Client, c.Type, c.Name, c.KeyID, c.Alg, c.JWK, c.KeyThumbprint, c.Certificate, c.SubjectDN, c.ThumbprintSHA256, c.CreatedAt, c.UpdatedAt, c.ExpiresAt)
}

// SetCredentialExpiry stores when a credential ends; nil for never.
func (t *Tx) SetCredentialExpiry(id string, expires *time.Time, now time.Time) {
	t.write(`UPDATE credentials SET expires_at = $2, updated_at = $3 WHERE id = $1`, id, expires, now)
}

// DeleteCredential removes a credential; one in use is a Conflict.
func (t *Tx) DeleteCredential(id string) { t.write(`DELETE FROM credentials WHERE id = $1`, id) }

// SetCredentialUses replaces what the client's slots hold.
func (t *Tx) SetCredentialUses(client string, uses []oauth.CredentialUse) {
	t.write(`DELETE FROM credential_uses WHERE client = $1`, client)
	if len(uses) == 0 {
		return
	}
	slots, ids := make([]string, len(uses)), make([]string, len(uses))
	for i, u := range uses {
		slots[i], ids[i] = u.Slot, u.Credential
	}
	t.write(`INSERT INTO credential_uses (client, slot, position, credential)
		SELECT $1::uuid, u.slot, u.position, u.id FROM unnest($2::text[], $3::text[]) WITH ORDINALITY u (slot, id, position)`, client, slots, ids)
}
