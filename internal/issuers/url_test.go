package issuers

import "testing"

func TestKeysOfAnHTTPSIssuerAreFetchedOverHTTPSAlone(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"https://login.example/keys?policy=a": true,
		"http://127.0.0.1/keys":               false,
		"http://[::1]:9/keys":                 false,
		"http://localhost/keys":               false,
		"http://login.example/keys":           false,
		"ftp://login.example/keys":            false,
	} {
		if _, err := checkURL(text, false); (err == nil) != want {
			t.Errorf("%s: %v", text, err)
		}
	}
}
