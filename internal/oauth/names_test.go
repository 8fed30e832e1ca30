package oauth_test

import (
	"testing"

	"github.com/rosterhq/roster/internal/oauth"
)

func TestNewClientsCannotHaveReservedIdentifiers(t *testing.T) {
	t.Parallel()
	for _, id := range []string{
		".", "..", "system", "anonymous", "operator:root", "operator:", "registration:x", "x@clients", "@clients",
		"https://login.example/realms/ops|2f1c", "a b", " a", "a ", "a\tb", "a\x00", "a\u007f", "a\u00a0b", "a\u200b", "\ufeffa", "a\u0085b", "a\u3164",
	} {
		if oauth.KindOf(oauth.CheckNewClientID(id)) != oauth.Invalid {
			t.Errorf("%q can be had", id)
		}
	}
	for _, id := range []string{"...", "systems", "my-operator:x", "x@clients.example", "https://app.example/client?x=1", "a+b/c=", "Ünï", "tpc_x"} {
		if err := oauth.CheckNewClientID(id); err != nil {
			t.Errorf("%q: %v", id, err)
		}
	}
}

func TestIdentifiersOfAPIsThatLookAlikeAreOne(t *testing.T) {
	t.Parallel()
	const identifier = "https://api.example/Orders"
	for _, other := range []string{
		"HTTPS://api.example/Orders", "https://API.Example/Orders", " https://api.example/Orders", "https://api.example/Orders\u00a0",
		"https://api.exa\u200bmple/Orders", "https://api.example/Or\u2060ders", "https://api.example/Orders\ufe0f", "https://api.example/\u00adOrders",
	} {
		if oauth.Alike(other) != oauth.Alike(identifier) {
			t.Errorf("%q is not %q", other, identifier)
		}
	}
	for _, other := range []string{"https://api.example/orders", "https://api.example/Orders/", "https://api.example:8443/Orders", "http://api.example/Orders"} {
		if oauth.Alike(other) == oauth.Alike(identifier) {
			t.Errorf("%q is %q", other, identifier)
		}
	}
	if oauth.Alike("URN:orders") != oauth.Alike("urn:orders") || oauth.Alike("orders") == oauth.Alike("Orders") {
		t.Error("identifiers without a host are compared in another way")
	}
}
