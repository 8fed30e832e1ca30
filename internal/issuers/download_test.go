package issuers

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestKeysOfAnHTTPSIssuerAreFetchedOverHTTPSAlone(t *testing.T) {
	t.Parallel()
	const set = `{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(set)) }))
	t.Cleanup(plain.Close)
	var jwksURI string
	secure := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/.well-known/") {
			_, _ = w.Write([]byte(`{"issuer":"https://` + r.Host + `","jwks_uri":"` + jwksURI + `"}`))
			return
		}
		_, _ = w.Write([]byte(set))
	}))
	t.Cleanup(secure.Close)
	i := &Issuer{Config: Config{URL: secure.URL}, client: secure.Client()}
	for uri, want := range map[string]bool{secure.URL + "/keys?policy=a": true, plain.URL + "/keys": false} {
		jwksURI = uri
		if keys, err := i.download(t.Context()); (err == nil) != want {
			t.Errorf("%s: %d keys, error %v", uri, len(keys), err)
		}
	}
}
