package client

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/oapi-codegen/nullable"
)

// KeyOptions is what may be said about a public key. The zero value says
// nothing, and will do.
type KeyOptions struct {
	// Name is for people, at most 128 characters.
	Name string
	// KID is the key's own name in assertions, 10 to 64 of the characters A-Z a-z
	// 0-9 _ -. Default: its SHA-256 thumbprint (RFC 7638).
	KID string
	// Alg is what the holder of the key signs with. Default: RS256.
	Alg ClientCredentialAlgorithmEnum
	// ExpiresAt is when the key stops being accepted, to the millisecond. The
	// zero time: never. For a certificate's key that may be its NotAfter.
	ExpiresAt time.Time
}

// NewPublicKeyCredential describes a public key that a client is to have from
// the start, for [PrivateKeyJWT]. key is what the Public method of a
// crypto.Signer returns, or the PublicKey of a certificate. The service takes
// RSA keys of 2048 to 8192 bits, and says so where it gets another kind.
//
// The error is for values that are no public key: a private one never leaves.
func NewPublicKeyCredential(key crypto.PublicKey, o KeyOptions) (PublicKeyCredential, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return PublicKeyCredential{}, fmt.Errorf("client: encoding a public key: %w", err)
	}
	return PublicKeyCredential{
		CredentialType: PublicKeyCredentialCredentialTypePublicKey, PEM: inPEM("PUBLIC KEY", der),
		Name: optional(o.Name), KID: optional(o.KID), Alg: optional(o.Alg), ExpiresAt: optional(o.ExpiresAt),
	}, nil
}

// PrivateKeyJWT is for the ClientAuthenticationMethods of a client to create. It
// authenticates with assertions that it signs with one of the keys, at most two,
// and has no secret.
func PrivateKeyJWT(keys ...PublicKeyCredential) *ClientCreateAuthenticationMethod {
	return &ClientCreateAuthenticationMethod{PrivateKeyJWT: &ClientCreateAuthenticationMethodPrivateKeyJWT{Credentials: keys}}
}

// RegisterKey puts a public key into a client's pool; key is as for
// [NewPublicKeyCredential]. The client authenticates with it once [Client.UseKeys]
// says so. [ErrBadRequest]: the key is of no use to the service, or the pool has
// it already, or four others.
func (c *Client) RegisterKey(ctx context.Context, clientID string, key crypto.PublicKey, o KeyOptions, editors ...RequestEditorFn) (*ClientCredential, error) {
	k, err := NewPublicKeyCredential(key, o)
	if err != nil {
		return nil, err
	}
	return c.register(ctx, clientID, PostClientCredentialRequestContent{
		CredentialType: ClientCredentialTypeEnumPublicKey, PEM: &k.PEM, Name: k.Name, KID: k.KID, Alg: k.Alg, ExpiresAt: k.ExpiresAt,
	}, editors)
}

// RegisterCertificate puts a certificate into a client's pool, for mutual TLS
// with that very certificate (self_signed_tls_client_auth, RFC 8705 §2.2). It
// expires with the certificate. name is for people and may be empty.
func (c *Client) RegisterCertificate(ctx context.Context, clientID string, cert *x509.Certificate, name string, editors ...RequestEditorFn) (*ClientCredential, error) {
	return c.registerCertificate(ctx, clientID, ClientCredentialTypeEnumX509Cert, cert, name, editors)
}

// RegisterSubject puts the subject of a certificate into a client's pool, for
// mutual TLS with whatever certificate of that subject an authority has issued
// (tls_client_auth, RFC 8705 §2.1). name is for people and may be empty.
func (c *Client) RegisterSubject(ctx context.Context, clientID string, cert *x509.Certificate, name string, editors ...RequestEditorFn) (*ClientCredential, error) {
	return c.registerCertificate(ctx, clientID, ClientCredentialTypeEnumCertSubjectDN, cert, name, editors)
}

func (c *Client) registerCertificate(ctx context.Context, clientID string, kind ClientCredentialTypeEnum, cert *x509.Certificate, name string, editors []RequestEditorFn) (*ClientCredential, error) {
	if cert == nil || len(cert.Raw) == 0 {
		return nil, errors.New("client: the certificate has no DER: it must come from x509.ParseCertificate")
	}
	return c.register(ctx, clientID, PostClientCredentialRequestContent{
		CredentialType: kind, PEM: new(inPEM("CERTIFICATE", cert.Raw)), Name: optional(name),
	}, editors)
}

func (c *Client) register(ctx context.Context, clientID string, credential PostClientCredentialRequestContent, editors []RequestEditorFn) (*ClientCredential, error) {
	got, err := c.Auth0CreateClientCredentialWithResponse(ctx, clientID, credential, editors...)
	if err != nil {
		return nil, err
	}
	return content(got.JSON201, got.HTTPResponse)
}

// UseKeys makes an existing client authenticate with assertions that it signs
// with one of these keys of its pool, at most two, and no longer with its
// secret.
func (c *Client) UseKeys(ctx context.Context, clientID string, credentialIDs ...string) error {
	credentials := make([]CredentialID, len(credentialIDs))
	for i, id := range credentialIDs {
		credentials[i].ID = id
	}
	_, err := c.Auth0UpdateClientWithResponse(ctx, clientID, nil, UpdateClientRequestContent{
		TokenEndpointAuthMethod: nullable.NewNullNullable[ClientTokenEndpointAuthMethodEnum](),
		ClientAuthenticationMethods: nullable.NewNullableWithValue(ClientAuthenticationMethod{
			PrivateKeyJWT: &ClientAuthenticationMethodCredentials{Credentials: credentials},
		}),
	})
	return err
}

func inPEM(label string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: label, Bytes: der}))
}

// optional leaves zero values out of a request.
func optional[T comparable](value T) *T {
	var zero T
	if value == zero {
		return nil
	}
	return &value
}

// content is what a successful answer holds: body, unless it is missing.
func content[T any](body *T, answer *http.Response) (*T, error) {
	if body == nil {
		return nil, fmt.Errorf("roster: %s %s answers %s with nothing to read", answer.Request.Method, answer.Request.URL.Redacted(), answer.Status)
	}
	return body, nil
}
