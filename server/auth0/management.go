package auth0

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strings"

	"github.com/smallstep/pkcs7"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/registry"
)

// Management is how this dialect presents the registry: the API with scopes,
// the client that stands for all applications, and the tenant's certificate.
func Management(scopes []oauth.APIScope) registry.Management {
	return registry.Management{
		Path: managementPath,
		API: jsondoc.Object{
			"name":                   jsondoc.Must("Auth0 Management API"),
			"scopes":                 jsondoc.Must(scopes),
			"signing_alg":            jsondoc.Must("RS256"),
			"token_lifetime":         jsondoc.Must(86400),
			"token_lifetime_for_web": jsondoc.Must(7200),
			"allow_offline_access":   jsondoc.Must(false),
			"skip_consent_for_verifiable_first_party_clients": jsondoc.Must(false),
			"subject_type_authorization":                      json.RawMessage(`{"client":{"policy":"require_client_grant"},"user":{"policy":"allow_all"}}`),
		},
		Global: jsondoc.Object{
			"client_name":                       jsondoc.Must("All Applications"),
			"redirect_uris":                     json.RawMessage(`[]`),
			oauth.MemberGlobal:                  json.RawMessage(`true`),
			oauth.MemberFirstParty:              json.RawMessage(`true`),
			"auth0:cross_origin_authentication": json.RawMessage(`true`),
			"auth0:custom_login_page_on":        json.RawMessage(`true`),
			"auth0:owners":                      json.RawMessage(`["mr|provider|user"]`),
			"auth0:refresh_token":               refreshDefault,
		},
		Certificate: certificateJSON, PrivateKey: privateKeyText,
	}
}

// managementPath ends the identifier of the management API, here and of every
// tenant of Auth0's.
const managementPath = "/api/v2/"

// certificate is what is shown of the tenant's certificate.
type certificate struct {
	Cert    string `json:"cert"` // PEM
	PKCS7   string `json:"pkcs7"`
	Subject string `json:"subject"` // "/CN=…"
}

func certificateJSON(cert *x509.Certificate) (json.RawMessage, error) {
	bundle, err := pkcs7.DegenerateCertificate(cert.Raw)
	if err != nil {
		return nil, fmt.Errorf("making the tenant certificate: %w", err)
	}
	return json.Marshal(certificate{pemText("CERTIFICATE", cert.Raw), pemText("PKCS7", bundle), "/CN=" + cert.Subject.CommonName})
}

func privateKeyText(key *rsa.PrivateKey) string {
	return pemText("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key))
}

// pemText encodes with CR LF, as Auth0 answers.
func pemText(kind string, der []byte) string {
	return strings.ReplaceAll(string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})), "\n", "\r\n")
}

// tenantKeys are the signing_keys of every client, rendered once for a
// certificate.
type tenantKeys struct {
	of        json.RawMessage // the certificate as the registry keeps it
	read      certificate
	certified json.RawMessage // with the subject as it is
	hidden    json.RawMessage // as GET shows it
}

func (h *handler) tenantKeys(ctx context.Context) (*tenantKeys, error) {
	stored, err := h.registry.TenantCertificate(ctx)
	if err != nil {
		return nil, err
	}
	if known := h.keys.Load(); known != nil && bytes.Equal(known.of, stored) {
		return known, nil
	}
	k := &tenantKeys{of: stored}
	if err := json.Unmarshal(stored, &k.read); err != nil {
		return nil, fmt.Errorf("reading the tenant certificate: %w", err)
	}
	k.certified = jsondoc.Must([]certificate{k.read})
	k.hidden = jsondoc.Must([]certificate{{k.read.Cert, k.read.PKCS7, "deprecated"}})
	h.keys.Store(k)
	return k, nil
}
