package registry

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/url"
	"strings"
	"time"

	"github.com/smallstep/pkcs7"

	"github.com/rosterhq/roster/internal/oauth"
)

// TenantKey is the certificate of the whole tenant. It is shown with clients;
// its key signs nothing of Roster's own.
type TenantKey struct {
	Certificate string `json:"cert"` // PEM
	PKCS7       string `json:"pkcs7"`
	Subject     string `json:"subject"` // "/CN=…"
}

type tenantKey struct {
	TenantKey
	id      string
	private oauth.Secret // PEM of PKCS#1; kept open, since parsing an RSA key costs more than the rest of a create
}

// TenantKey returns the tenant's current certificate.
func (r *Registry) TenantKey(ctx context.Context) (TenantKey, error) {
	t, err := r.currentTenantKey(ctx)
	return t.TenantKey, err
}

func (r *Registry) currentTenantKey(ctx context.Context) (tenantKey, error) {
	return r.tenant.get(r.Now(), keyRefresh, func() (tenantKey, error) {
		var t tenantKey
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
		t.id, t.private = stored[0].ID, oauth.NewSecret(pemText("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key)))
		return t, json.Unmarshal(stored[0].Public, &t.TenantKey)
	})
}

func (r *Registry) tenantCertificate(_ string, key *rsa.PrivateKey) (json.RawMessage, error) {
	host := r.Tenant
	if u, err := url.Parse(r.PublicURL); err == nil && u.Hostname() != "" {
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
	bundle, err := pkcs7.DegenerateCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("making the tenant certificate: %w", err)
	}
	return json.Marshal(TenantKey{Certificate: pemText("CERTIFICATE", der), PKCS7: pemText("PKCS7", bundle), Subject: "/CN=" + host})
}

// pemText encodes with CR LF, as Auth0 answers.
func pemText(kind string, der []byte) string {
	return strings.ReplaceAll(string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})), "\n", "\r\n")
}
