package server

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/rights"
	"github.com/rosterhq/roster/server/dialect"
	"github.com/rosterhq/roster/server/problem"
)

// exampleMembers are a dialect's five members of a client.
var exampleMembers = dialect.NewTable("example:", nil,
	dialect.Member{Wire: "id", Kept: dialect.Given},
	dialect.Member{Wire: "label", Key: "client_name"},
	dialect.Member{Wire: "urls", Key: "redirect_uris"},
	dialect.Member{Wire: "grants", Key: "grant_types", Read: []string{"read:clients"}},
	dialect.Member{Wire: "note"},
)

// example is a dialect that only reads: what another one costs.
func example(client func(context.Context, string) (oauth.Client, error), access rights.Set) dialect.Dialect {
	fail := func(c *gin.Context, err error) {
		c.AbortWithStatusJSON(problem.Status(err), gin.H{"oops": problem.Text(err, problem.Canonical)})
	}
	return dialect.Dialect{
		Name: "example", Prefix: "/api/example/", Fail: fail, Charset: true, WireName: exampleMembers.WireName,
		Routes: func(r gin.IRouter, _ dialect.Hooks) {
			r.GET("/api/example/:id", func(c *gin.Context) {
				found, err := client(c, c.Param("id"))
				if err != nil {
					fail(c, err)
					return
				}
				body, err := exampleMembers.View(found.Document, access)
				if err != nil {
					fail(c, err)
					return
				}
				body["id"] = jsondoc.Must(found.ClientID)
				c.Header("Content-Type", "application/json")
				c.Data(http.StatusOK, "application/json", body.Append(nil))
			})
		},
	}
}

// A dialect is a value: its table and its words are all that it brings.
func TestAnotherDialectIsAValue(t *testing.T) {
	t.Parallel()
	known := func(_ context.Context, id string) (oauth.Client, error) {
		if id != "a" {
			return oauth.Client{}, oauth.Missing("client")
		}
		return oauth.Client{ClientID: id, Document: jsondoc.Object{
			"client_name": []byte(`"n"`), "redirect_uris": []byte(`[]`), "grant_types": []byte(`["implicit"]`),
			"example:note": []byte(`1`), "auth0:note": []byte(`2`),
		}}, nil
	}
	for access, want := range map[rights.Set]string{
		rights.All: `{"grants":["implicit"],"id":"a","label":"n","note":1,"urls":[]}`,
		0:          `{"id":"a","label":"n","note":1,"urls":[]}`,
	} {
		list := sorted(dialect.Dialect{Name: "other", Prefix: "/api/"}, example(known, access))
		engine := gin.New()
		for i := range list {
			list[i].Mount(engine, nil)
		}
		get := func(path string) *httptest.ResponseRecorder {
			w := httptest.NewRecorder()
			engine.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
			return w
		}
		if w := get("/api/example/a"); w.Code != 200 || w.Body.String() != want || w.Header().Get("Content-Type") != "application/json; charset=utf-8" {
			t.Errorf("%d %s %s", w.Code, w.Header(), w.Body)
		}
		if w := get("/api/example/b"); w.Code != 404 || list.of("/api/example/b").Name != "example" {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
	if got := exampleMembers.WireName("redirect_uris[1]"); got != "urls[1]" {
		t.Errorf("an error names %s", got)
	}
}
