package tokens

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"math/big"
	"net/url"
	"time"

	"github.com/rosterhq/roster/internal/oauth"
)

// TenantKey is the certificate of the whole tenant. It is shown with clients; its
// key signs nothing of Roster's own.
type TenantKey struct {
	ID          string
	certificate json.RawMessage // as Management has written it
	Private     oauth.Secret    // as Management writes it; kept open, since parsing an RSA key costs more than the rest of a create
}

// TenantCertificate returns the tenant's current certificate, as Management has
// written it.
func (r *Tokens) TenantCertificate(ctx context.Context) (json.RawMessage, error) {
	t, err := r.CurrentTenantKey(ctx)
	return t.certificate, err
}

// CurrentTenantKey returns the tenant's certificate of the moment with its key.
func (r *Tokens) CurrentTenantKey(ctx context.Context) (TenantKey, error) {
	return r.tenant.get(r.config.Now(), keyRefresh, func() (TenantKey, error) {
		var t TenantKey
		stored, err := r.store.IssuerKeys(ctx, "tenant", r.now())
		if err != nil {
			return t, err
		}
		if len(stored) == 0 {
			return t, oauth.Missing("issuer_key")
		}
		key, err := r.openIssuerKey(stored[0])
		if err != nil {
			return t, err
		}
		return TenantKey{stored[0].ID, stored[0].Public, oauth.NewSecret(r.config.PrivateKey(key))}, nil
	})
}

func (r *Tokens) tenantCertificate(_ string, key *rsa.PrivateKey) (json.RawMessage, error) {
	host := r.config.Tenant
	if u, err := url.Parse(r.config.PublicURL); err == nil && u.Hostname() != "" {
		host = u.Hostname()
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: host},
		NotBefore: r.now().Add(-time.Hour), NotAfter: r.now().AddDate(14, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("making the tenant certificate: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("making the tenant certificate: %w", err)
	}
	return r.config.Certificate(cert)
}
