package server

import (
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/rosterhq/roster/internal/registry"
	"github.com/rosterhq/roster/server/admission"
	"github.com/rosterhq/roster/server/auth0"
	"github.com/rosterhq/roster/server/boruta"
	"github.com/rosterhq/roster/server/dialect"
	"github.com/rosterhq/roster/server/hydra"
	"github.com/rosterhq/roster/server/native"
	"github.com/rosterhq/roster/server/problem"
	"github.com/rosterhq/roster/server/token"
)

// dialects are the parts of the API, the longest prefix first.
type dialects []dialect.Dialect

// failure answers with an error in the words of the dialect that the request's
// path belongs to.
type failure = func(*gin.Context, error)

// newDialects makes the dialects that a server speaks.
func newDialects(reg *registry.Registry, config Config, gate *admission.Gate) (dialects, error) {
	ofAuth0, err := auth0.New(reg, config.Views)
	if err != nil {
		return nil, err
	}
	ofBoruta, err := boruta.New(reg, config.Views, config.Boruta)
	if err != nil {
		return nil, err
	}
	ofHydra := hydra.New(reg)
	own, err := native.New(reg, ofAuth0, ofBoruta, ofHydra)
	if err != nil {
		return nil, err
	}
	return sorted(ofAuth0, ofBoruta, ofHydra, own, token.New(reg, gate)), nil
}

// sorted returns list in the order in which a path is looked up.
func sorted(list ...dialect.Dialect) dialects {
	slices.SortStableFunc(list, func(a, b dialect.Dialect) int { return len(b.Prefix) - len(a.Prefix) })
	return list
}

// of returns the dialect that a path belongs to, nil for none.
func (l dialects) of(path string) *dialect.Dialect {
	for i := range l {
		if l[i].Prefix != "" && strings.HasPrefix(path, l[i].Prefix) {
			return &l[i]
		}
	}
	return nil
}

// bodyRule returns what applies to the bodies of a path.
func (l dialects) bodyRule(path string) admission.BodyRule {
	if d := l.of(path); d != nil {
		return admission.BodyRule{Most: d.MaxBody, Early: d.BodyFirst}
	}
	return admission.BodyRule{}
}

// fail is the failure of a server with these dialects.
func (l dialects) fail(c *gin.Context, err error) {
	if d := l.of(c.Request.URL.Path); d != nil {
		d.Fail(c, err)
		return
	}
	problem.Fail(c, err)
}

// rewrite gives next the requests as the dialects' routes expect them.
func (l dialects) rewrite(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if d := l.of(req.URL.Path); d != nil && d.Rewrite != nil {
			req = d.Rewrite(req)
		}
		next.ServeHTTP(w, req)
	})
}
