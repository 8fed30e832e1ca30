package server_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/rosterhq/roster"
	"github.com/rosterhq/roster/internal/servertest"
)

func TestSpecificationIsServedAsItIsWritten(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	r := s.Do("", "GET", "/openapi.yaml", nil).Want(http.StatusOK)
	if string(r.Body) != string(roster.OpenAPI) {
		t.Error("/openapi.yaml differs from the file")
	}
	if r.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Error("other sites may not read the specification")
	}
	if r.Header.Get("Access-Control-Expose-Headers") != "ETag" {
		t.Error("scripts of other sites do not see the ETag")
	}
	if r := s.Do("", "OPTIONS", "/openapi.yaml", nil, "Origin", "https://elsewhere.example").Want(http.StatusNoContent); r.Header.Get("Access-Control-Allow-Headers") != "If-None-Match" {
		t.Error("scripts of other sites may not say which document they have")
	}
	s.Do("", "GET", "/openapi.yaml", nil, "If-None-Match", r.Header.Get("ETag")).Want(http.StatusNotModified)
	asJSON := s.Do("", "GET", "/openapi.json", nil).Want(http.StatusOK)
	want, err := openapi3.NewLoader().LoadFromData(roster.OpenAPI)
	if err != nil {
		t.Fatal(err)
	}
	got, err := openapi3.NewLoader().LoadFromData(asJSON.Body)
	if err != nil {
		t.Fatal(err)
	}
	a, errA := json.Marshal(want)
	b, errB := json.Marshal(got)
	if errA != nil || errB != nil || string(a) != string(b) {
		t.Error("/openapi.json is not the same document")
	}
}

func TestPartsStandByThemselves(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	for part, foreign := range map[string]string{"auth0": "boruta", "boruta": "auth0", "roster": "auth0"} {
		r := s.Do("", "GET", "/openapi/"+part+".yaml", nil).Want(http.StatusOK)
		doc, err := openapi3.NewLoader().LoadFromData(r.Body)
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
