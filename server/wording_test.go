package server_test

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/token"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/server/auth0"
	"github.com/rosterhq/roster/server/boruta"
	"github.com/rosterhq/roster/server/hydra"
	"github.com/rosterhq/roster/server/native"
	"github.com/rosterhq/roster/server/problem"
	tokens "github.com/rosterhq/roster/server/token"
)

var kindNames = map[string]oauth.Kind{
	"Invalid": oauth.Invalid, "NotFound": oauth.NotFound, "Conflict": oauth.Conflict, "Unauthenticated": oauth.Unauthenticated,
	"Forbidden": oauth.Forbidden, "Precondition": oauth.Precondition, "Unavailable": oauth.Unavailable,
}

// told is a dialect, as far as it tells of failures.
type told struct {
	fail func(*gin.Context, error)
	wire func(member string) string
	code string // the member of a body that holds the code; "" if it is the status alone
}

var dialectsTold = map[string]told{
	"auth0":  {auth0.Fail, auth0.WireName, ""}, // not every failure has a code there
	"boruta": {boruta.Fail, boruta.WireName, "code"},
	"roster": {native.Fail, problem.Canonical, "status"},
	"token":  {tokens.Fail, problem.Canonical, "error"},
	"others": {problem.Fail, problem.Canonical, "status"},
}

var engine = sync.OnceValue(func() *gin.Engine {
	gin.SetMode(gin.ReleaseMode)
	return gin.New()
})

// tell returns the status and the body by which a dialect tells of err.
func (d told) tell(t *testing.T, err error) (int, map[string]any) {
	t.Helper()
	w := httptest.NewRecorder()
	c := gin.CreateTestContextOnly(w, engine())
	c.Request = httptest.NewRequest(http.MethodPost, "/", nil)
	d.fail(c, err)
	var body map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	return w.Code, body
}

// message is what people read of a body.
func message(body map[string]any) string {
	for _, name := range []string{"message", "detail", "error_description"} {
		if text, ok := body[name].(string); ok {
			return text
		}
	}
	return ""
}

var readOnce = sync.OnceValues(func() (*source, error) { return readSource("..", "internal", "server") })

// code is the source that can refuse a request.
func code(t *testing.T) *source {
	t.Helper()
	s, err := readOnce()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// elsewhere are the texts of literals that the source shows at another place,
// and what reads them there.
var elsewhere = map[string]func(*source) []string{
	"internal/oauth/credential.go: Detail of Violation": func(s *source) []string { // of a PEM text
		return slices.Concat(s.errorsIn("internal/oauth/pem.go", ""), s.errorsIn("internal/oauth/subject.go", ""), s.errorsIn("internal/oauth/credential.go", "fill"))
	},
	"server/spec/predicate.go: Detail of Violation":     func(s *source) []string { return s.returnsOf("server/spec/predicate.go", "Predicate") },
	"internal/oauth/privatekey.go: Detail of Violation": func(s *source) []string { return s.errorsIn("internal/oauth/pem.go", "") },
	"server/auth0/apimembers.go: Detail of Broken":      func(s *source) []string { return s.errorsIn("internal/oauth/pem.go", "") },
	"internal/registry/import.go: Detail of Violation":  func(*source) []string { return nil }, // of another one, or "cannot be imported"
	"server/dialect/member.go: Detail of Violation":     func(*source) []string { return nil }, // of a Broken
	"server/dialect/member.go: Rule of Violation":       func(*source) []string { return nil },
	"server/spec/predicate.go: Rule of Violation":       func(*source) []string { return nil }, // a keyword
	"internal/postgres/errors.go: Detail of Error":      func(*source) []string { return nil }, // one of two sentences next to it
	"server/token/token.go: Detail of Error":            func(*source) []string { return nil }, // a sentence of package jsondoc
}

// errorsIn are the texts of the errors that a file makes, or a function in it.
func (s *source) errorsIn(path, function string) []string {
	var all []string
	s.eachNode(func(at string, n ast.Node, within []ast.Node) {
		call, ok := n.(*ast.CallExpr)
		if !ok || at != path || function != "" && frameOf(within).name != function || nameOf(call.Fun) != "New" && nameOf(call.Fun) != "Errorf" {
			return
		}
		if text, ok := s.text(filepath.Dir(at), call.Args[0]); ok {
			all = append(all, verb.ReplaceAllString(text, "9"))
		}
	})
	return all
}

// returnsOf are the texts that end what a function returns.
func (s *source) returnsOf(path, function string) []string {
	var all []string
	s.eachNode(func(at string, n ast.Node, within []ast.Node) {
		ret, ok := n.(*ast.ReturnStmt)
		if !ok || at != path || function != "" && frameOf(within).name != function || len(ret.Results) == 0 {
			return
		}
		if text, ok := s.text(filepath.Dir(at), ret.Results[len(ret.Results)-1]); ok && strings.Contains(text, " ") {
			all = append(all, text)
		}
	})
	return all
}

// violations are those of the source.
func (s *source) violations(t *testing.T) []oauth.Violation {
	t.Helper()
	var all []oauth.Violation
	for _, l := range s.literals {
		switch l.kind {
		case "Violation":
			all = append(all, oauth.Violation{Member: l.fields["Member"], Rule: l.fields["Rule"], Detail: l.fields["Detail"]})
		case "Broken":
			all = append(all, oauth.Violation{Member: "a_member" + l.fields["Below"], Rule: l.fields["Rule"], Detail: l.fields["Detail"]})
		}
	}
	unknown := slices.Compact(slices.Sorted(slices.Values(s.unknown)))
	for _, what := range unknown {
		read, ok := elsewhere[what]
		if !ok {
			t.Errorf("%s: the source does not show what it says", what)
			continue
		}
		for _, detail := range read(s) {
			all = append(all, oauth.Violation{Member: "a_member", Rule: "format", Detail: detail})
		}
	}
	for what := range elsewhere {
		if !slices.Contains(unknown, what) {
			t.Errorf("%s: the source shows it by now", what)
		}
	}
	return all
}

// ofBoruta is the Rule of violations whose Detail is a text that Boruta's
// callers match on.
const ofBoruta = "token"

var predicate = regexp.MustCompile(`^(must|is|are|has|have|holds|needs|names|takes|lacks|can|cannot|does|keys have|keys may|of a strict .* cannot) `)

func TestDetailsFollowTheNameOfTheirMember(t *testing.T) {
	t.Parallel()
	all := code(t).violations(t)
	if len(all) < 120 {
		t.Fatalf("only %d violations are found in the source", len(all))
	}
	for _, v := range all {
		name := regexp.MustCompile(`\b` + regexp.QuoteMeta(v.Member) + `\b`)
		switch {
		case v.Member == "" || v.Rule == "" || v.Detail == "":
			t.Errorf("%+v lacks something", v)
		case v.Rule == ofBoruta:
		case !predicate.MatchString(v.Detail+" ") || strings.HasSuffix(v.Detail, "."):
			t.Errorf("%+v: this does not follow a name", v)
		case name.MatchString(v.Detail):
			t.Errorf("%+v names its member", v)
		}
	}
}

// wordsOfAuth0 are answers in which Auth0 calls a member by another name.
var wordsOfAuth0 = []string{"Application must not have Token Endpoint Authentication Method set to \"none\" when client_credentials grant type is enabled"}

func TestRefusalsNameTheirMemberInEveryDialect(t *testing.T) {
	t.Parallel()
	all := code(t).violations(t)
	for name, d := range dialectsTold {
		for _, v := range all {
			status, body := d.tell(t, oauth.Invalidate(v))
			text, wire := message(body), d.wire(v.Member)
			if name == "boruta" {
				text = strings.Join(slices.Collect(maps.Keys(body["errors"].(map[string]any))), " ")
			}
			if status < 400 || status > 499 || !strings.Contains(text, wire) && !(name == "auth0" && slices.Contains(wordsOfAuth0, text)) {
				t.Errorf("%s answers %+v with %d %v", name, v, status, body)
			}
		}
	}
	for _, wire := range []func(string) string{auth0.WireName, boruta.WireName, hydra.WireName} {
		if got := wire("client_name"); got == "" || strings.Contains(got, ":") {
			t.Errorf("the name is %q", got)
		}
	}
	if got := auth0.WireName("redirect_uris[1]"); got != "callbacks[1]" {
		t.Errorf("Auth0 calls it %q", got)
	}
}

// reasons are the constants of oauth.Reason, by their name.
func (s *source) reasons() map[string]oauth.Reason {
	all := map[string]oauth.Reason{}
	for _, decl := range s.files["internal/oauth/error.go"].Decls {
		if block, ok := decl.(*ast.GenDecl); ok && block.Tok == token.CONST {
			for _, spec := range block.Specs {
				if value := spec.(*ast.ValueSpec); nameOf(value.Type) == "Reason" {
					all[value.Names[0].Name] = oauth.Reason(s.constants["internal/oauth"][value.Names[0].Name])
				}
			}
		}
	}
	return all
}

// failures are the errors of the source, and those of resources that are
// missing.
func (s *source) failures() []*oauth.Error {
	var all []*oauth.Error
	for _, l := range s.literals {
		if l.kind == "Error" && l.fields["Detail"] != "" { // else it never leaves its package
			all = append(all, &oauth.Error{Kind: kindNames[l.fields["Kind"]], Reason: oauth.Reason(l.fields["Reason"]), Resource: l.fields["Resource"], Detail: l.fields["Detail"]})
		}
	}
	for _, noun := range []string{"client", "credential", "client_grant", "resource_server", "scope", "identity_provider", "key_pair", "event"} {
		missing, _ := errors.AsType[*oauth.Error](oauth.Missing(noun))
		all = append(all, missing)
	}
	return all
}

func TestEveryReasonHasWordsInEveryDialect(t *testing.T) {
	t.Parallel()
	s := code(t)
	used := map[oauth.Reason]bool{}
	for _, e := range s.failures() {
		used[e.Reason] = true
		if e.Kind == oauth.Internal || e.Reason == "" {
			t.Errorf("%+v lacks its kind or its reason", e)
			continue
		}
		for name, d := range dialectsTold {
			status, body := d.tell(t, e)
			if status < 400 || status == http.StatusInternalServerError || message(body) == "" {
				t.Errorf("%s answers %+v with %d %v", name, e, status, body)
			}
			if value, ok := body[d.code]; d.code != "" && (!ok || value == "") {
				t.Errorf("%s has no code for %+v: %v", name, e, body)
			}
		}
	}
	reasons := s.reasons()
	if len(reasons) < 30 {
		t.Fatalf("only %d reasons are found", len(reasons))
	}
	for name, reason := range reasons {
		if !used[reason] {
			t.Errorf("nothing fails because of %s", name)
		}
	}
}
