// Package docs serves the specification: as it is written, as JSON, a part for
// each tag, and as a page to read and to try calls from. Nothing comes from
// another host.
package docs

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"path"
	"regexp"
	"strings"
	"sync"

	"github.com/gin-gonic/gin"
	"go.yaml.in/yaml/v3"

	"github.com/rosterhq/roster"
)

// The page's library is Swagger UI 5.35.0 (Apache-2.0), compressed.
//
//go:embed assets
var assets embed.FS

// policy lets the page use what this server gives it and nothing else. The
// library sets styles inline and draws its icons from data URLs.
const policy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Page is where the reference page is.
const Page = "/docs"

// anyAudience stands in openapi.yaml for the audience of the management API, which
// each service has of its own. Tools read it from x-form-parameters.
const anyAudience = "https://{host}/api/v2/"

// Mount registers /openapi.yaml, /openapi.json, /openapi-3.1.json, the parts
// below /openapi/ and the page on r. audience is the management API's.
func Mount(r gin.IRouter, audience string) error {
	list, err := documents()
	if err != nil {
		return err
	}
	for _, d := range list {
		serve(r, d.route, d.kind, bytes.ReplaceAll(d.text, []byte(anyAudience), []byte(audience)), public)
		r.OPTIONS(d.route, preflight)
	}
	return mountPage(r)
}

// document is one form of the specification.
type document struct {
	route, kind string
	text        []byte
}

// hints match what openapi.yaml tells nobody but Roster's own generators and
// checks: which Go type to generate, and that a body is kept member by member.
var hints = regexp.MustCompile(`(?m)^ +x-(?:document|raw|timestamp): true\n|, x-(?:document|raw|timestamp): true`)

// documents renders every form once a process: they never change.
var documents = sync.OnceValues(func() ([]document, error) {
	text := hints.ReplaceAll(roster.OpenAPI, nil)
	whole, err := parse(text)
	if err != nil {
		return nil, err
	}
	list := []document{{"/openapi.yaml", "application/yaml", text}}
	add := func(route, kind string, doc *yaml.Node, write func(*yaml.Node) ([]byte, error)) error {
		text, err := write(doc)
		if err != nil {
			return fmt.Errorf("writing %s: %w", route, err)
		}
		list = append(list, document{route, kind, text})
		return nil
	}
	err = errors.Join(
		add("/openapi.json", "application/json", whole, toJSON),
		add("/openapi-3.1.json", "application/json", to31(whole), toJSON))
	for _, tag := range tags(whole) {
		part := only(whole, tag)
		err = errors.Join(err,
			add("/openapi/"+tag+".yaml", "application/yaml", part, toYAML),
			add("/openapi/"+tag+".json", "application/json", part, toJSON))
	}
	return list, err
})

func mountPage(r gin.IRouter) error {
	list, err := pageFiles()
	if err != nil {
		return err
	}
	for _, f := range list {
		serve(r, f.route, f.kind, f.text, page)
	}
	return nil
}

// pageFiles reads what the page consists of once a process.
var pageFiles = sync.OnceValues(func() ([]document, error) {
	files, err := assets.ReadDir("assets")
	if err != nil {
		return nil, err
	}
	var list []document
	for _, f := range files {
		text, err := assets.ReadFile("assets/" + f.Name())
		if err != nil {
			return nil, err
		}
		name, compressed := strings.CutSuffix(f.Name(), ".gz")
		if compressed {
			if text, err = expand(text); err != nil {
				return nil, err
			}
		}
		switch kind := mime.TypeByExtension(path.Ext(name)); {
		case name == "index.html":
			list = append(list, document{Page, "text/html; charset=utf-8", text})
		case kind != "":
			list = append(list, document{Page + "/" + name, kind, text})
		}
	}
	return list, nil
})

func expand(text []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

// public lets scripts of every site read the specification, which is not secret,
// and see by its ETag whether it has changed.
func public(h http.Header) {
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Expose-Headers", "ETag")
}

// preflight answers browsers that ask whether a script may say which document
// it has already.
func preflight(c *gin.Context) {
	public(c.Writer.Header())
	c.Header("Access-Control-Allow-Methods", "GET, HEAD")
	c.Header("Access-Control-Allow-Headers", "If-None-Match")
	c.Status(http.StatusNoContent)
}

func page(h http.Header) { h.Set("Content-Security-Policy", policy) }

// serve answers GET and HEAD of a path with a text that never changes while the
// program runs.
func serve(r gin.IRouter, route, kind string, text []byte, headers func(http.Header)) {
	sum := sha256.Sum256(text)
	tag := `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
	handle := func(c *gin.Context) {
		h := c.Writer.Header()
		headers(h)
		h.Set("Cache-Control", "public, max-age=300")
		h.Set("ETag", tag)
		if strings.Contains(strings.ReplaceAll(c.GetHeader("If-None-Match"), `-gzip"`, `"`), tag) {
			c.Status(http.StatusNotModified)
			return
		}
		c.Data(http.StatusOK, kind, text)
	}
	r.GET(route, handle)
	r.HEAD(route, handle)
}
