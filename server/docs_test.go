package server_test

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/rosterhq/roster"
	"github.com/rosterhq/roster/internal/servertest"
)

func TestSpecificationIsServedAsItIsWritten(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	asYAML := s.Do("", "GET", "/openapi.yaml", nil).Want(http.StatusOK)
	asJSON := s.Do("", "GET", "/openapi.json", nil).Want(http.StatusOK)
	const anyAudience = "https://{host}/api/v2/"
	if n := bytes.Count(roster.OpenAPI, []byte(anyAudience)); n != 1 {
		t.Errorf("the file has %d audiences to fill in", n)
	}
	file := bytes.ReplaceAll(roster.OpenAPI, []byte(anyAudience), []byte(s.URL+"/api/v2/"))
	want, _ := withoutHints(t, readYAML(t, file))
	for route, r := range map[string]servertest.Response{"/openapi.yaml": asYAML, "/openapi.json": asJSON} {
		if diff := cmp.Diff(want, readYAML(t, r.Body)); diff != "" {
			t.Errorf("%s is not the document of the file (-want +got):\n%s", route, diff)
		}
	}
	if got, want := bytes.Count(asYAML.Body, []byte("# ")), bytes.Count(roster.OpenAPI, []byte("# ")); got != want {
		t.Errorf("/openapi.yaml has %d comments, the file %d", got, want)
	}
}

// What stands in openapi.yaml for Roster's own generators says nothing to a
// caller, and some readers take an extension that they know by name for theirs.
func TestServedSpecificationHasNoHintsOfTheGenerator(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	if _, n := withoutHints(t, readYAML(t, roster.OpenAPI)); n == 0 {
		t.Error("the file has no hints: this test finds nothing")
	}
	for _, route := range []string{
		"/openapi.yaml", "/openapi.json", "/openapi-3.1.json", "/openapi/auth0.yaml", "/openapi/boruta.json", "/openapi/roster.yaml",
	} {
		r := s.Do("", "GET", route, nil).Want(http.StatusOK)
		if _, n := withoutHints(t, readYAML(t, r.Body)); n > 0 {
			t.Errorf("%s has %d hints", route, n)
		}
	}
}

func readYAML(t *testing.T, text []byte) any {
	t.Helper()
	var doc any
	if err := yaml.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

// publicExtensions are those that readers of the specification know.
var publicExtensions = []string{"x-form-parameters"}

// withoutHints removes the extensions that are for nobody else, and counts them.
func withoutHints(t *testing.T, doc any) (any, int) {
	t.Helper()
	n := 0
	switch doc := doc.(type) {
	case map[string]any:
		for name, value := range doc {
			if strings.HasPrefix(name, "x-") && !slices.Contains(publicExtensions, name) {
				delete(doc, name)
				n++
				continue
			}
			_, below := withoutHints(t, value)
			n += below
		}
	case map[any]any: // the answers of an operation, by status
		for _, value := range doc {
			_, below := withoutHints(t, value)
			n += below
		}
	case []any:
		for _, value := range doc {
			_, below := withoutHints(t, value)
			n += below
		}
	}
	return doc, n
}

func TestSitesMayReadTheSpecification(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	r := s.Do("", "GET", "/openapi.yaml", nil).Want(http.StatusOK)
	if r.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Error("other sites may not read the specification")
	}
	if r.Header.Get("Access-Control-Expose-Headers") != "ETag" {
		t.Error("scripts of other sites do not see the ETag")
	}
	o := s.Do("", "OPTIONS", "/openapi.yaml", nil, "Origin", "https://elsewhere.example").Want(http.StatusNoContent)
	if o.Header.Get("Access-Control-Allow-Headers") != "If-None-Match" {
		t.Error("scripts of other sites may not say which document they have")
	}
	s.Do("", "GET", "/openapi.yaml", nil, "If-None-Match", r.Header.Get("ETag")).Want(http.StatusNotModified)
}

func TestPartsStandByThemselves(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	for part, foreign := range map[string]string{"auth0": "boruta", "boruta": "auth0", "roster": "auth0", "oauth": "ops", "ops": "roster"} {
		r := s.Do("", "GET", "/openapi/"+part+".yaml", nil).Want(http.StatusOK)
		asJSON := s.Do("", "GET", "/openapi/"+part+".json", nil).Want(http.StatusOK)
		if diff := cmp.Diff(readYAML(t, r.Body), readYAML(t, asJSON.Body)); diff != "" {
			t.Errorf("%s as JSON (-YAML +JSON):\n%s", part, diff)
		}
		doc, err := openapi3.NewLoader().LoadFromData(asJSON.Body)
		if err != nil {
			t.Fatal(err)
		}
		if err := doc.Validate(t.Context()); err != nil {
			t.Errorf("%s: %v", part, err)
		}
		tags := map[string]int{}
		for _, item := range doc.Paths.Map() {
			for _, op := range item.Operations() {
				tags[op.Tags[0]]++
			}
		}
		if tags[part] == 0 || tags["oauth"] == 0 || tags[foreign] != 0 {
			t.Errorf("%s has operations %v", part, tags)
		}
	}
	s.Do("", "GET", "/openapi/nothing.yaml", nil).Want(http.StatusNotFound)
}

func TestRootSendsBrowsersToTheReference(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	r := s.Do("", "GET", "/", nil, "Accept", "text/html,application/xhtml+xml,*/*;q=0.8").Want(http.StatusFound)
	if to := r.Header.Get("Location"); to != "/docs" {
		t.Errorf("goes to %q", to)
	}
	s.Do("", "GET", "/", nil).Want(http.StatusNotFound)
	s.Do("", "GET", "/", nil, "Accept", "application/json").Want(http.StatusNotFound)
	s.Do("", "GET", "/nothing", nil, "Accept", "text/html").Want(http.StatusNotFound)
	s.Do("", "POST", "/", nil, "Accept", "text/html").Want(http.StatusNotFound)
}

func TestReferencePageUsesNoOtherHost(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	r := s.Do("", "GET", "/docs", nil).Want(http.StatusOK)
	policy := r.Header.Get("Content-Security-Policy")
	if !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "http") {
		t.Errorf("the policy is %q", policy)
	}
	if strings.Contains(string(r.Body), "://") {
		t.Error("the page names another host")
	}
}
