package client

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"time"
)

// Credential is a key or certificate in a client's pool, without its text.
type Credential struct {
	ID string `json:"id"`
	// Type is public_key, x509_cert or cert_subject_dn.
	Type string `json:"credential_type"`
	Name string `json:"name"`
	// KID and Alg are of a public_key.
	KID string `json:"kid"`
	Alg string `json:"alg"`
	// Subject is of a cert_subject_dn, one attribute a line.
	Subject string `json:"subject_dn"`
	// Thumbprint is of an x509_cert: SHA-256 of its DER, base64url.
	Thumbprint string    `json:"thumbprint_sha256"`
	CreatedAt  time.Time `json:"created_at"`
	UpdatedAt  time.Time `json:"updated_at"`
	// ExpiresAt is when it stops being accepted. The zero time: never.
	ExpiresAt time.Time `json:"expires_at"`
}

// CredentialOptions are what may be said about a key or certificate. Nil will do.
type CredentialOptions struct {
	// Name is for people, at most 128 characters.
	Name string
	// KID is a key's own name in assertions, 10 to 64 of the characters A-Z a-z
	// 0-9 _ -. Default: its SHA-256 thumbprint (RFC 7638).
	KID string
	// Alg is what the holder of a key signs with: RS256, RS384 or PS256. Default:
	// RS256.
	Alg string
	// ExpiresAt is when it stops being accepted, to the millisecond. The zero
	// time: a key never, a certificate when it expires itself.
	ExpiresAt time.Time
}

// PublicKey is a key that a client has from the start. Key is what the Public
// method of a crypto.Signer returns, or the PublicKey of a certificate.
type PublicKey struct {
	Key     crypto.PublicKey
	Options CredentialOptions
}

// newCredential is the body of a registration.
type newCredential struct {
	Type      string    `json:"credential_type"`
	PEM       string    `json:"pem"`
	Name      string    `json:"name,omitzero"`
	KID       string    `json:"kid,omitzero"`
	Alg       string    `json:"alg,omitzero"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
}

func keyBody(key crypto.PublicKey, o CredentialOptions) (newCredential, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return newCredential{}, fmt.Errorf("client: encoding a public key: %w", err)
	}
	return newCredential{Type: "public_key", PEM: inPEM("PUBLIC KEY", der), Name: o.Name, KID: o.KID, Alg: o.Alg, ExpiresAt: o.ExpiresAt}, nil
}

// keyMethods makes a new client authenticate with keys.
func keyMethods(keys []PublicKey) (any, error) {
	bodies := make([]newCredential, len(keys))
	for i, key := range keys {
		var err error
		if bodies[i], err = keyBody(key.Key, key.Options); err != nil {
			return nil, err
		}
	}
	return map[string]any{"private_key_jwt": map[string]any{"credentials": bodies}}, nil
}

func credentialsPath(clientID string, ids ...string) string {
	return Path(clientsPath, append([]string{clientID, "credentials"}, ids...)...)
}

// RegisterKey puts a public key into a client's pool. The client authenticates
// with it once [Client.UseKeys] says so. The service takes RSA keys of 2048 to
// 8192 bits. [ErrBadRequest]: the service cannot use the key, or the pool has it
// already, or four others. A private key is refused before anything is sent.
func (c *Client) RegisterKey(ctx context.Context, clientID string, key crypto.PublicKey, o *CredentialOptions) (*Credential, error) {
	body, err := keyBody(key, copied(o))
	if err != nil {
		return nil, err
	}
	return one[Credential](c, ctx, Request{Method: http.MethodPost, Path: credentialsPath(clientID), Body: body})
}

// RegisterCertificate puts a certificate into a client's pool, for mutual TLS
// with that very certificate (self_signed_tls_client_auth, RFC 8705 §2.2).
func (c *Client) RegisterCertificate(ctx context.Context, clientID string, cert *x509.Certificate, o *CredentialOptions) (*Credential, error) {
	return c.registerCertificate(ctx, clientID, "x509_cert", cert, copied(o))
}

// RegisterSubject puts the subject of a certificate into a client's pool, for
// mutual TLS with whatever certificate of that subject an authority has issued
// (tls_client_auth, RFC 8705 §2.1).
func (c *Client) RegisterSubject(ctx context.Context, clientID string, cert *x509.Certificate, o *CredentialOptions) (*Credential, error) {
	return c.registerCertificate(ctx, clientID, "cert_subject_dn", cert, copied(o))
}

func (c *Client) registerCertificate(ctx context.Context, clientID, kind string, cert *x509.Certificate, o CredentialOptions) (*Credential, error) {
	if cert == nil || len(cert.Raw) == 0 {
		return nil, errors.New("client: the certificate has no DER: it must come from x509.ParseCertificate")
	}
	if o.KID != "" || o.Alg != "" {
		return nil, errors.New("client: KID and Alg are of keys, certificates have none")
	}
	body := newCredential{Type: kind, PEM: inPEM("CERTIFICATE", cert.Raw), Name: o.Name, ExpiresAt: o.ExpiresAt}
	return one[Credential](c, ctx, Request{Method: http.MethodPost, Path: credentialsPath(clientID), Body: body})
}

// UseKeys makes an existing client authenticate with assertions that it signs
// with one of these keys of its pool, at most two, and no longer with its
// secret.
func (c *Client) UseKeys(ctx context.Context, clientID string, credentialIDs []string, o *ChangeOptions) (*OAuthClient, error) {
	ids := make([]map[string]string, len(credentialIDs))
	for i, id := range credentialIDs {
		ids[i] = map[string]string{"id": id}
	}
	return c.UpdateClient(ctx, clientID, ClientInput{Members: map[string]any{
		"token_endpoint_auth_method":    nil,
		"client_authentication_methods": map[string]any{"private_key_jwt": map[string]any{"credentials": ids}},
	}}, o)
}

// Credentials lists the keys and certificates of a client in the order they were
// registered, in use or not. It is one request: a client has four at most.
func (c *Client) Credentials(ctx context.Context, clientID string) iter.Seq2[Credential, error] {
	return whole(c, ctx, credentialsPath(clientID), func(page []Credential) []Credential { return page })
}

// whole yields a list that comes in one answer.
func whole[P, T any](c *Client, ctx context.Context, path string, read func(P) []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var page P
		if _, err := c.Do(ctx, Request{Path: path}, &page); err != nil {
			var none T
			yield(none, err)
			return
		}
		for _, item := range read(page) {
			if !yield(item, nil) {
				return
			}
		}
	}
}

// GetCredential reads a key or certificate of a client.
func (c *Client) GetCredential(ctx context.Context, clientID, credentialID string) (*Credential, error) {
	return one[Credential](c, ctx, Request{Path: credentialsPath(clientID, credentialID)})
}

// UpdateCredential has a key or certificate accepted until expiresAt, which is
// cut to milliseconds; a time that is past ends it now, the zero time lets it be
// accepted without end, but a certificate not beyond its own. Nothing else of a
// credential changes.
func (c *Client) UpdateCredential(ctx context.Context, clientID, credentialID string, expiresAt time.Time) (*Credential, error) {
	body := map[string]any{"expires_at": nil}
	if !expiresAt.IsZero() {
		body["expires_at"] = expiresAt
	}
	return one[Credential](c, ctx, Request{Method: http.MethodPatch, Path: credentialsPath(clientID, credentialID), Body: body})
}

// DeleteCredential takes a key or certificate out of a client's pool. One that
// the client authenticates with cannot be deleted; one that is not there counts
// as deleted.
func (c *Client) DeleteCredential(ctx context.Context, clientID, credentialID string) error {
	_, err := c.Do(ctx, Request{Method: http.MethodDelete, Path: credentialsPath(clientID, credentialID)}, nil)
	return err
}

func inPEM(label string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: label, Bytes: der}))
}

// Secret is a secret of a client, without its text.
type Secret struct {
	ID string `json:"id"`
	// Status is current for the newest one, superseded for one that is valid
	// until ExpiresAt, and ended.
	Status    string    `json:"status"`
	CreatedAt time.Time `json:"created_at"`
	// ExpiresAt is the zero time for the current one.
	ExpiresAt time.Time `json:"expires_at"`
	// LastUsedAt is when the client last authenticated with it, up to half a
	// minute late; the zero time for never.
	LastUsedAt time.Time `json:"last_used_at"`
}

// RotateOptions say how a secret is replaced. Nil will do.
type RotateOptions struct {
	// Grace is how long the secret before stays valid, in whole seconds rounded
	// up, at most 90 days. 0: it is refused at once. Older ones end in any case.
	Grace time.Duration
	// IdempotencyKey is as in CreateOptions.
	IdempotencyKey string
}

// RotateSecret gives a client a new secret and returns it.
func (c *Client) RotateSecret(ctx context.Context, clientID string, o *RotateOptions) (string, error) {
	own := copied(o)
	seconds := int((own.Grace + time.Second - 1) / time.Second)
	got, err := one[struct {
		Text string `json:"client_secret"`
	}](c, ctx, Request{
		Method: http.MethodPost, Path: Path(nativePath, clientID, "secrets"), Query: map[string][]string{"grace_seconds": {fmt.Sprint(seconds)}},
		Header: (&CreateOptions{IdempotencyKey: own.IdempotencyKey}).header(),
	})
	if err != nil {
		return "", err
	}
	return got.Text, nil
}

// Secrets lists the secrets of a client, newest first, without their texts.
func (c *Client) Secrets(ctx context.Context, clientID string) iter.Seq2[Secret, error] {
	return whole(c, ctx, Path(nativePath, clientID, "secrets"), func(page struct{ Secrets []Secret }) []Secret { return page.Secrets })
}

// RetireSecret ends a superseded secret now. [ErrConflict]: it is the current
// one, which RotateSecret replaces.
func (c *Client) RetireSecret(ctx context.Context, clientID, secretID string) error {
	_, err := c.Do(ctx, Request{Method: http.MethodDelete, Path: Path(nativePath, clientID, "secrets", secretID)}, nil)
	return err
}
