package dialect

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/rosterhq/roster/internal/registry"
	"github.com/rosterhq/roster/server/problem"
	"github.com/rosterhq/roster/server/spec"
)

// Dialect is one wire form of the registry. What it leaves out, it does not do.
type Dialect struct {
	Name      string                                // of the records that an import takes in its form
	Prefix    string                                // of its paths; those of another dialect may lie below it
	Spec      *spec.Description                     // of its operations; needed for Steps
	Steps     []Step                                // the order in which a request is refused
	MaxBody   int64                                 // bytes of a body; 0 for what others may have
	BodyFirst bool                                  // a body is looked at before the token is
	Charset   bool                                  // JSON answers name their encoding
	Routes    func(gin.IRouter, Hooks)              // registers the handlers
	Fail      func(*gin.Context, error)             // answers an error; every failure below Prefix ends there
	Rewrite   func(req *http.Request) *http.Request // returns a request below Prefix as the routes expect it

	Importer Importer                   // reads its records
	Fit      Fit                        // checks the documents of clients against its rules
	WireName func(member string) string // returns its name for a member of a client's document
}

// Hooks are what generated strict handlers do with errors. Every dialect's
// StrictGinServerOptions are of this shape.
type Hooks struct {
	RequestErrorHandlerFunc  func(c *gin.Context, err error)
	HandlerErrorFunc         func(c *gin.Context, err error)
	ResponseErrorHandlerFunc func(c *gin.Context, err error)
}

// Unreadable answers a request whose parameters generated code could not read.
func (h Hooks) Unreadable(c *gin.Context, err error, _ int) { h.RequestErrorHandlerFunc(c, err) }

// Mount registers the dialect's routes on r.
func (d *Dialect) Mount(r gin.IRouter, reg *registry.Registry) {
	if d.Routes == nil {
		return
	}
	unreadable := func(c *gin.Context, err error) {
		_ = c.Error(err)
		d.Fail(c, &problem.Error{Status: http.StatusBadRequest, Text: "The request could not be read."})
	}
	// The guard is the group's, not the generated wrapper's, which would read the
	// parameters before a step asks for a token.
	d.Routes(r.Group("", d.guard(reg)), Hooks{unreadable, d.Fail, d.Fail})
}

// guard lets a request through that no step refuses.
func (d *Dialect) guard(reg *registry.Registry) gin.HandlerFunc {
	return func(c *gin.Context) {
		if d.Charset {
			c.Writer = charsetWriter{c.Writer}
		}
		if len(d.Steps) == 0 {
			return
		}
		req := &Request{Context: c, Registry: reg, Operation: d.Spec.Operation(c)}
		for _, step := range d.Steps {
			if err := step(req); err != nil {
				d.Fail(c, err)
				return
			}
		}
	}
}

// charsetWriter names the encoding in the type of JSON answers.
type charsetWriter struct{ gin.ResponseWriter }

func (w charsetWriter) WriteHeader(status int) {
	if w.Header().Get("Content-Type") == "application/json" {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
	}
	w.ResponseWriter.WriteHeader(status)
}
