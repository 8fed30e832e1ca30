// Package boruta serves the dialect of Boruta's administration API: clients,
// scopes, key pairs, identity providers and their backend under /api.
package boruta

import (
	"bytes"
	"fmt"
	"mime"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/rosterhq/roster/gen/borutaapi"
	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/registry"
	"github.com/rosterhq/roster/server/dialect"
	"github.com/rosterhq/roster/server/problem"
	"github.com/rosterhq/roster/server/spec"
)

// Prefix is where the dialect's routes are. Others may be below it.
const Prefix = "/api/"

// Config is what a deployment decides about the dialect. The zero value is
// Boruta 0.10 as released.
type Config struct {
	// Master shows and does what Boruta's unreleased version does:
	// trusted_authorities and trusted_hosts are members of clients, and new
	// clients have two grant types instead of all twelve. The admin UI of the
	// release does not work with answers that have these members.
	Master bool

	Lifetimes Lifetimes

	// ProtectedClient is the id of a client that can only be read here; "" for
	// the one that Boruta's admin UI uses by default.
	ProtectedClient string

	// DefaultIdentityProvider is the id of the provider of new clients that name
	// none; "" makes naming one mandatory.
	DefaultIdentityProvider string
}

const adminUI = "6a2f41a3-c54c-fce8-32d2-0324e1c32e20"

// grantTypes are those of a new client.
func (c *Config) grantTypes() []string {
	if c.Master {
		return []string{"client_credentials", "authorization_code"}
	}
	return grantTypes
}

var description = spec.Once(borutaapi.GetSpec, nil)

// New returns the dialect. Identifiers in config that are not UUIDs are an error.
func New(reg *registry.Registry, views *dialect.Views, config Config) (dialect.Dialect, error) {
	h, err := newHandler(reg, config)
	if err != nil {
		return dialect.Dialect{}, err
	}
	h.views = views
	api, err := description()
	if err != nil {
		return dialect.Dialect{}, err
	}
	return dialect.Dialect{
		Name: "boruta", Prefix: Prefix, Spec: api, Charset: true, BodyFirst: true,
		// What is in the envelope is the handlers' to judge: values are cast before
		// they are checked, which no schema can state.
		Steps: []dialect.Step{readBody, acceptJSON, dialect.Token, dialect.Scope(func([]string) error { return errNoScope }), unwrap},
		Routes: func(r gin.IRouter, hooks dialect.Hooks) {
			audited := []borutaapi.StrictMiddlewareFunc{dialect.Audited[borutaapi.StrictHandlerFunc](reg)}
			strict := borutaapi.NewStrictHandlerWithOptions(h, audited, borutaapi.StrictGinServerOptions(hooks))
			borutaapi.RegisterHandlersWithOptions(r, strict, borutaapi.GinServerOptions{ErrorHandler: hooks.Unreadable})
		},
		Fail: Fail, Rewrite: tolerate, Importer: h.importRecord, Fit: fit(h.attributes), WireName: WireName,
	}, nil
}

// newHandler completes config and checks it.
func newHandler(reg *registry.Registry, config Config) (*handler, error) {
	if config.ProtectedClient == "" {
		config.ProtectedClient = adminUI
	}
	h := &handler{registry: reg, config: config, attributes: clientAttributes(config)}
	var ok bool
	if h.config.ProtectedClient, ok = readID(config.ProtectedClient); !ok {
		return nil, fmt.Errorf("the protected client %q is no uuid", config.ProtectedClient)
	}
	if id := config.DefaultIdentityProvider; id != "" {
		if h.config.DefaultIdentityProvider, ok = readID(id); !ok {
			return nil, fmt.Errorf("the default identity provider %q is no uuid", id)
		}
	}
	return h, nil
}

type handler struct {
	registry   *registry.Registry
	views      *dialect.Views
	config     Config
	attributes []attribute // of clients
}

var _ borutaapi.StrictServerInterface = (*handler)(nil)

// readBody refuses a malformed body, and keeps the members of the envelope.
func readBody(req *dialect.Request) error {
	text, err := spec.ReadBody(req.Request)
	if err != nil {
		return err
	}
	mediaType, _, _ := mime.ParseMediaType(req.GetHeader("Content-Type"))
	if len(bytes.TrimSpace(text)) == 0 || mediaType != "" && !isJSON(mediaType) {
		return nil
	}
	if req.Body, err = jsondoc.Members(text, envelope(req.Context)); err != nil {
		return errMalformed
	}
	return nil
}

func isJSON(mediaType string) bool {
	return mediaType == "application/json" || strings.HasSuffix(mediaType, "+json")
}

// acceptJSON refuses a request whose Accept header leaves JSON out.
func acceptJSON(req *dialect.Request) error {
	accept := strings.Join(req.Request.Header.Values("Accept"), ",")
	if strings.TrimSpace(accept) == "" {
		return nil
	}
	for one := range strings.SplitSeq(accept, ",") {
		mediaType, _, _ := strings.Cut(one, ";")
		mediaType = strings.ToLower(strings.TrimSpace(mediaType))
		if mediaType == "*/*" || mediaType == "application/*" || isJSON(mediaType) {
			return nil
		}
	}
	return &problem.Error{Status: http.StatusNotAcceptable, Text: "Answers are JSON."}
}

// envelopes are the members that requests wrap what they say in, by collection;
// "" for a collection that is only read.
var envelopes = map[string]string{
	"/api/clients": "client", "/api/scopes": "scope", "/api/key-pairs": "key_pair", "/api/identity-providers": "identity_provider",
	"/api/backends": "",
}

// envelope is the member that a request must have, "" for one without a body.
func envelope(c *gin.Context) string {
	switch c.Request.Method {
	case http.MethodPost:
		return envelopes[c.FullPath()]
	case http.MethodPut, http.MethodPatch:
		return envelopes[strings.TrimSuffix(c.FullPath(), "/:id")]
	}
	return ""
}

// unwrap refuses a request without its envelope, and leaves nothing but what is
// in it to be read.
func unwrap(req *dialect.Request) error {
	name := envelope(req.Context)
	if name == "" {
		return nil
	}
	if req.Body == nil {
		return &problem.Error{Status: http.StatusBadRequest, Text: "The request lacks the object " + name + "."}
	}
	spec.SetDocument(req.Request, req.Body)
	return nil
}

// tolerate takes what Boruta's framework takes: a slash after a path of the
// dialect, and HEAD for GET. Neither is worth a redirect.
func tolerate(req *http.Request) *http.Request {
	collection, _, _ := strings.Cut(strings.TrimPrefix(req.URL.Path, Prefix), "/")
	if _, ours := envelopes[Prefix+collection]; !ours {
		return req
	}
	req = req.Clone(req.Context())
	req.URL.Path, req.URL.RawPath = strings.TrimSuffix(req.URL.Path, "/"), strings.TrimSuffix(req.URL.RawPath, "/")
	if req.Method == http.MethodHead {
		req.Method = http.MethodGet // the server sends no body: it saw the original
	}
	return req
}
