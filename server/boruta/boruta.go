// Package boruta serves the dialect of Boruta's administration API: clients,
// scopes, key pairs, identity providers and their backend under /api.
package boruta

import (
	"bytes"
	"errors"
	"fmt"
	"io"
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

// Mount registers the dialect's routes on r. Identifiers in config that are no
// uuids are an error.
func Mount(r gin.IRouter, reg *registry.Registry, config Config) error {
	h, err := newHandler(reg, config)
	if err != nil {
		return err
	}
	api, err := description()
	if err != nil {
		return err
	}
	audited := func(f borutaapi.StrictHandlerFunc, _ string) borutaapi.StrictHandlerFunc {
		return dialect.Audited(reg, f)
	}
	strict := borutaapi.NewStrictHandlerWithOptions(h, []borutaapi.StrictMiddlewareFunc{audited}, borutaapi.StrictGinServerOptions{
		RequestErrorHandlerFunc: failBadRequest, HandlerErrorFunc: Fail, ResponseErrorHandlerFunc: Fail,
	})
	borutaapi.RegisterHandlersWithOptions(r.Group("", guard(api, reg)), strict, borutaapi.GinServerOptions{
		ErrorHandler: func(c *gin.Context, err error, _ int) { failBadRequest(c, err) },
	})
	return nil
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

func failBadRequest(c *gin.Context, err error) {
	_ = c.Error(err)
	Fail(c, &problem.Error{Status: http.StatusBadRequest, Text: "The request could not be read."})
}

type handler struct {
	registry   *registry.Registry
	config     Config
	attributes []attribute // of clients
}

var _ borutaapi.StrictServerInterface = (*handler)(nil)

// guard lets a request through in the order in which Boruta refuses one: a
// malformed body, an Accept header without JSON, no token, a scope missing, no
// envelope. What is in the envelope is the handlers' to judge: values are cast
// before they are checked, which no schema can state.
func guard(api *spec.Description, reg *registry.Registry) gin.HandlerFunc {
	return func(c *gin.Context) {
		c.Writer = charsetWriter{c.Writer}
		op := api.Operation(c)
		name := envelope(c)
		content, err := readBody(c.Request, name)
		if err == nil && !acceptsJSON(c.Request) {
			err = &problem.Error{Status: http.StatusNotAcceptable, Text: "Answers are JSON."}
		}
		if err == nil {
			err = dialect.Authenticate(c, reg)
		}
		if err == nil && !op.Allows(dialect.Caller(c)) {
			err = errNoScope
		}
		if err == nil && name != "" {
			err = unwrap(c.Request, content, name)
		}
		if err != nil {
			Fail(c, err)
		}
	}
}

// readBody returns the members of the object name in a JSON body; nil for
// anything else that is well-formed.
func readBody(req *http.Request, name string) (jsondoc.Object, error) {
	text, err := io.ReadAll(req.Body)
	if err != nil {
		if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return nil, &problem.Error{Status: http.StatusRequestEntityTooLarge, Text: fmt.Sprintf("The payload exceeds the limit of %d bytes.", tooLarge.Limit)}
		}
		return nil, &problem.Error{Status: http.StatusBadRequest, Text: "The payload could not be read to its end."}
	}
	mediaType, _, _ := mime.ParseMediaType(req.Header.Get("Content-Type"))
	if len(bytes.TrimSpace(text)) == 0 || mediaType != "" && !isJSON(mediaType) {
		return nil, nil
	}
	members, err := jsondoc.Members(text, name)
	if err != nil {
		return nil, errMalformed
	}
	return members, nil
}

func isJSON(mediaType string) bool {
	return mediaType == "application/json" || strings.HasSuffix(mediaType, "+json")
}

func acceptsJSON(req *http.Request) bool {
	accept := strings.Join(req.Header.Values("Accept"), ",")
	if strings.TrimSpace(accept) == "" {
		return true
	}
	for one := range strings.SplitSeq(accept, ",") {
		mediaType, _, _ := strings.Cut(one, ";")
		mediaType = strings.ToLower(strings.TrimSpace(mediaType))
		if mediaType == "*/*" || mediaType == "application/*" || isJSON(mediaType) {
			return true
		}
	}
	return false
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

// unwrap leaves nothing but the object name to be read.
func unwrap(req *http.Request, content jsondoc.Object, name string) error {
	if content == nil {
		return &problem.Error{Status: http.StatusBadRequest, Text: "The request lacks the object " + name + "."}
	}
	spec.SetDocument(req, content)
	return nil
}

// charsetWriter says that JSON is UTF-8, as Boruta does.
type charsetWriter struct{ gin.ResponseWriter }

func (w charsetWriter) WriteHeader(status int) {
	if w.Header().Get("Content-Type") == "application/json" {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
	}
	w.ResponseWriter.WriteHeader(status)
}

// Tolerate lets requests through that Boruta's framework takes: a slash behind
// a path of the dialect, and HEAD for GET. Neither is worth a redirect.
func Tolerate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		collection, _, _ := strings.Cut(strings.TrimPrefix(req.URL.Path, Prefix), "/")
		if _, ours := envelopes[Prefix+collection]; !ours || !strings.HasPrefix(req.URL.Path, Prefix) {
			next.ServeHTTP(w, req)
			return
		}
		req = req.Clone(req.Context())
		req.URL.Path, req.URL.RawPath = strings.TrimSuffix(req.URL.Path, "/"), strings.TrimSuffix(req.URL.RawPath, "/")
		if req.Method == http.MethodHead {
			req.Method = http.MethodGet // the server sends no body: it saw the original
		}
		next.ServeHTTP(w, req)
	})
}
