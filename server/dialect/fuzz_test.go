package dialect_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/server/dialect"
)

// FuzzBearer: a header holds one token, or is refused as the caller's fault.
func FuzzBearer(f *testing.F) {
	for _, header := range []string{"", "Bearer", "Bearer ", "bearer x", "Bearer  x ", "Bearer\tx", "Basic x", "Bearer x, Bearer y", "Bearer \xff"} {
		f.Add(header, "")
		f.Add(header, "Bearer x")
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		req := http.Request{Header: http.Header{"Authorization": {first}}}
		if second != "" {
			req.Header["Authorization"] = []string{first, second}
		}
		token, err := dialect.Bearer(&req)
		switch {
		case err != nil && oauth.KindOf(err) != oauth.Unauthenticated:
			t.Errorf("%v", err)
		case err == nil && (second != "" || token == "" || strings.TrimSpace(token) != token || !strings.HasSuffix(strings.TrimSpace(first), token)):
			t.Errorf("%q and %q hold the token %q", first, second, token)
		}
	})
}
