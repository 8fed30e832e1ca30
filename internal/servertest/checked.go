package servertest

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3filter"

	"github.com/rosterhq/roster/server/spec"
)

// checked wraps a handler so that an answer which openapi.yaml does not allow
// fails the test. Requests to paths that the document does not have may only be
// refused.
func checked(t testing.TB, inner http.Handler) http.Handler {
	t.Helper()
	doc, err := loadSpec()
	if err != nil {
		t.Fatal(err)
	}
	description := spec.Load(doc, nil)
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

func init() { // the validator knows no HTML
	openapi3filter.RegisterBodyDecoder("text/html", openapi3filter.RegisteredBodyDecoder("text/plain"))
}

func check(t testing.TB, description *spec.Description, r *http.Request, rec *httptest.ResponseRecorder) {
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	op := description.Find(method, strings.TrimSuffix(r.URL.EscapedPath(), "/"))
	if op == nil {
		if rec.Code < 400 && r.Method != http.MethodOptions { // which is about a route, not of the API
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
}

func gunzip(body []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}
