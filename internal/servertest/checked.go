package servertest

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"

	"github.com/rosterhq/roster/server/spec"
)

// checked wraps a handler so that an answer which openapi.yaml does not allow
// fails the test. Requests to paths that the document does not have may only be
// refused.
func checked(t testing.TB, inner http.Handler) http.Handler {
	t.Helper()
	description := spec.Load(Spec(t), nil)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := httptest.NewRecorder()
		inner.ServeHTTP(rec, r)
		check(t, description, r, rec)
		for name, values := range rec.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(rec.Code)
		if r.Method != http.MethodHead {
			_, _ = w.Write(rec.Body.Bytes())
		}
	})
}

func init() { // the validator knows neither
	for _, mediaType := range []string{"text/html", "application/token-introspection+jwt"} {
		openapi3filter.RegisterBodyDecoder(mediaType, openapi3filter.RegisteredBodyDecoder("text/plain"))
	}
	// Its own document has tests that read it, which takes long.
	openapi3filter.RegisterBodyDecoder("application/yaml", func(
		io.Reader, http.Header, *openapi3.SchemaRef, openapi3filter.EncodingFn,
	) (any, error) {
		return map[string]any{}, nil
	})
}

func check(t testing.TB, description *spec.Description, r *http.Request, rec *httptest.ResponseRecorder) {
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	op := description.Find(method, strings.TrimSuffix(r.URL.EscapedPath(), "/"))
	if op == nil {
		sendsBrowserAway := r.URL.Path == "/" && rec.Code == http.StatusFound
		if rec.Code < 400 && !sendsBrowserAway && r.Method != http.MethodOptions { // which is about a route, not of the API
			t.Errorf("%s %s answers %d but is not in openapi.yaml", r.Method, r.URL.Path, rec.Code)
		}
		return
	}
	if rec.Code == http.StatusMethodNotAllowed || r.Method == http.MethodHead {
		return
	}
	body := rec.Body.Bytes()
	if rec.Header().Get("Content-Encoding") == "gzip" {
		var err error
		if body, err = gunzip(body); err != nil {
			t.Errorf("the answer to %s %s is no gzip: %v", r.Method, r.URL.Path, err)
			return
		}
	}
	if err := op.CheckResponse(context.Background(), r, rec.Code, rec.Header(), body); err != nil {
		t.Errorf("the answer to %s %s is not as openapi.yaml says: status %d: %v\n%.2000s", r.Method, r.URL.Path, rec.Code, err, body)
	}
	if tag := op.Tag(); tag != "auth0" && tag != "boruta" {
		return
	}
	if response := op.Response(rec.Code); response != nil && strings.HasPrefix(rec.Header().Get("Content-Type"), "application/json") {
		checkOrder(t, r.Method+" "+r.URL.Path, response, body)
	}
}

// checkOrder fails the test unless the members of a JSON answer come in the
// order of its schema.
func checkOrder(t testing.TB, request string, schema *openapi3.SchemaRef, body []byte) {
	name, named := strings.CutPrefix(schema.Ref, "#/components/schemas/")
	switch {
	case named && schema.Value.Properties["data"] == nil: // what is in an envelope is named itself
		if want := spec.OrderOf(name).AppendValue(nil, body); !bytes.Equal(want, bytes.TrimSpace(body)) {
			t.Errorf("the answer to %s is not in the order of %s:\n%.2000s\nwant\n%.2000s", request, name, body, want)
		}
	case schema.Value.Type.Is("object"):
		var members map[string]json.RawMessage
		if err := json.Unmarshal(body, &members); err != nil {
			t.Errorf("%v: %.2000s", err, body)
		}
		for member, raw := range members {
			checkOrder(t, request, schema.Value.Properties[member], raw)
		}
	case schema.Value.Type.Is("array"):
		var items []json.RawMessage
		if err := json.Unmarshal(body, &items); err != nil {
			t.Errorf("%v: %.2000s", err, body)
		}
		for _, raw := range items {
			checkOrder(t, request, schema.Value.Items, raw)
		}
	}
}

func gunzip(body []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}
