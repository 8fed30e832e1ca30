package goauth0

import (
	"net/http"
	"testing"

	"github.com/auth0/go-auth0/management"
	"github.com/google/go-cmp/cmp"
)

func TestClientIsReadAsItWasCreated(t *testing.T) {
	m := connectAdmin(t)
	made := newClient(t, m, &management.Client{
		Description: new("a client"), AppType: new("regular_web"), Callbacks: &[]string{"https://example.com/cb"},
		AllowedLogoutURLs: &[]string{"https://example.com/out"}, GrantTypes: &[]string{"authorization_code", "refresh_token"},
		TokenEndpointAuthMethod: new("client_secret_post"), OIDCConformant: new(true),
		ClientMetadata:   &map[string]any{"tier": "gold"},
		JWTConfiguration: &management.ClientJWTConfiguration{Algorithm: new("RS256"), LifetimeInSeconds: new(60)},
		RefreshToken: &management.ClientRefreshToken{
			RotationType: new("rotating"), ExpirationType: new("expiring"), Leeway: new(60), TokenLifetime: new(1000),
			InfiniteTokenLifetime: new(false), InfiniteIdleTokenLifetime: new(false), IdleTokenLifetime: new(500),
		},
		Mobile: &management.ClientMobile{IOS: &management.ClientMobileIOS{TeamID: new("T"), AppID: new("com.example")}},
	})
	if len(made.GetClientID()) != 32 || len(made.GetClientSecret()) != 64 {
		t.Errorf("got client_id %q and client_secret %q, want 32 and 64 characters", made.GetClientID(), made.GetClientSecret())
	}
	got, err := m.Client.Read(t.Context(), made.GetClientID())
	must(t, err)
	made.SigningKeys, got.SigningKeys = nil, nil // told differently by POST and GET
	if diff := cmp.Diff(made, got); diff != "" {
		t.Errorf("client read (-created +read):\n%s", diff)
	}
	some, err := m.Client.Read(t.Context(), made.GetClientID(), management.IncludeFields("client_id", "app_type"))
	must(t, err)
	if diff := cmp.Diff(&management.Client{ClientID: made.ClientID, AppType: new("regular_web")}, some); diff != "" {
		t.Errorf("fields read (-want +got):\n%s", diff)
	}
}

func TestClientUpdateKeepsWhatItDoesNotName(t *testing.T) {
	m := connectAdmin(t)
	made := newClient(t, m, &management.Client{
		Description: new("before"), ClientMetadata: &map[string]any{"keep": "1", "gone": "2"},
	})
	change := &management.Client{Description: new("after"), ClientMetadata: &map[string]any{"gone": nil, "more": "3"}}
	must(t, m.Client.Update(t.Context(), made.GetClientID(), change))
	got, err := m.Client.Read(t.Context(), made.GetClientID())
	must(t, err)
	want := *made
	want.Description, want.ClientMetadata = new("after"), &map[string]any{"keep": "1", "more": "3"}
	want.SigningKeys, got.SigningKeys = nil, nil
	if diff := cmp.Diff(&want, got); diff != "" {
		t.Errorf("client after update (-want +got):\n%s", diff)
	}
}

func TestRotatedSecretReplacesTheOldOne(t *testing.T) {
	m := connectAdmin(t)
	made := newClient(t, m, &management.Client{})
	old := made.GetClientSecret()
	rotated, err := m.Client.RotateSecret(t.Context(), made.GetClientID())
	must(t, err)
	if rotated.GetClientSecret() == old || len(rotated.GetClientSecret()) != 64 {
		t.Errorf("rotated secret is %q, the old one was %q", rotated.GetClientSecret(), old)
	}
	got, err := m.Client.Read(t.Context(), made.GetClientID())
	must(t, err)
	if got.GetClientSecret() != rotated.GetClientSecret() {
		t.Errorf("read secret %q, want %q", got.GetClientSecret(), rotated.GetClientSecret())
	}
	_, err = connect(t, management.WithClientCredentials(t.Context(), made.GetClientID(), old)).Client.List(t.Context())
	refusedLogin(t, err, http.StatusUnauthorized, "access_denied")
}

func TestUnknownClient(t *testing.T) {
	m := connectAdmin(t)
	const text = "404 Not Found: The client does not exist"
	_, err := m.Client.Read(t.Context(), "this-client-does-not-exist")
	refused(t, err, http.StatusNotFound, text)
	refused(t, m.Client.Update(t.Context(), "this-client-does-not-exist", &management.Client{Name: new("x")}), http.StatusNotFound, text)
	_, err = m.Client.RotateSecret(t.Context(), "this-client-does-not-exist")
	refused(t, err, http.StatusNotFound, text)
	_, err = m.Client.ListCredentials(t.Context(), "this-client-does-not-exist")
	refused(t, err, http.StatusNotFound, text)
	_, err = m.Client.ReadEnabledConnections(t.Context(), "this-client-does-not-exist")
	refused(t, err, http.StatusNotFound, "")
	must(t, m.Client.Delete(t.Context(), "this-client-does-not-exist"))
}

func TestBadClientsAreRefused(t *testing.T) {
	m := connectAdmin(t)
	for name, c := range map[string]struct {
		client management.Client
		text   string
	}{
		"no name":  {management.Client{}, "Missing required property: name"},
		"app type": {management.Client{Name: new("x"), AppType: new("toaster")}, "No enum match for: toaster"},
		"callback": {management.Client{Name: new("x"), Callbacks: &[]string{"no url"}}, "callbacks[0]"},
		"secret method": {management.Client{Name: new("x"), TokenEndpointAuthMethod: new("none"),
			GrantTypes: &[]string{"client_credentials"}}, "client_credentials"},
	} {
		t.Run(name, func(t *testing.T) {
			refused(t, m.Client.Create(t.Context(), &c.client), http.StatusBadRequest, c.text)
		})
	}
}

func TestClientsHaveNoConnections(t *testing.T) {
	m := connectAdmin(t)
	made := newClient(t, m, &management.Client{})
	got, err := m.Client.ReadEnabledConnections(t.Context(), made.GetClientID())
	must(t, err)
	if got.Connections == nil || len(got.Connections) != 0 || got.HasNext() {
		t.Errorf("got %v, want an empty list", got)
	}
}

// ids of the clients in a list.
func ids(list *management.ClientList) []string {
	var found []string
	for _, c := range list.Clients {
		found = append(found, c.GetClientID())
	}
	return found
}

func TestClientListsByPagesAndCheckpoints(t *testing.T) {
	m := connectAdmin(t)
	var want []string
	for range 5 {
		want = append(want, newClient(t, m, &management.Client{AppType: new("box")}).GetClientID())
	}
	only := management.Parameter("app_type", "box")

	var got []string
	for page := 0; ; page++ {
		list, err := m.Client.List(t.Context(), only, management.Page(page), management.PerPage(2))
		must(t, err)
		if list.Total != 5 || list.Start != 2*page || list.Limit != 2 {
			t.Errorf("page %d: total %d, start %d, limit %d; want 5, %d, 2", page, list.Total, list.Start, list.Limit, 2*page)
		}
		got = append(got, ids(list)...)
		if !list.HasNext() || page > 5 {
			break
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("by pages (-want +got):\n%s", diff)
	}

	got = nil
	options := []management.RequestOption{only, management.Take(2)}
	for range 5 {
		list, err := m.Client.ListWithCheckpointPagination(t.Context(), options...)
		must(t, err)
		got = append(got, ids(list)...)
		if !list.HasNext() {
			break
		}
		options = []management.RequestOption{only, management.Take(2), management.From(list.Next)}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("by checkpoints (-want +got):\n%s", diff)
	}

	list, err := m.Client.List(t.Context(), only, management.IncludeFields("client_id"), management.PerPage(1))
	must(t, err)
	if diff := cmp.Diff([]*management.Client{{ClientID: &want[0]}}, list.Clients); diff != "" {
		t.Errorf("client_id only (-want +got):\n%s", diff)
	}
	_, err = m.Client.List(t.Context(), management.PerPage(101))
	refused(t, err, http.StatusBadRequest, "Value 101 is greater than maximum 100")
}

func TestGlobalClientIsListedLastAndAlone(t *testing.T) {
	m := connectAdmin(t)
	global, err := m.Client.List(t.Context(), management.Parameter("is_global", "true"))
	must(t, err)
	if global.Total != 1 || len(global.Clients) != 1 || global.Clients[0].GetName() != "All Applications" {
		t.Fatalf("global clients: total %d, %v", global.Total, global.Clients)
	}
	all, err := m.Client.List(t.Context(), management.PerPage(100))
	must(t, err)
	if last := all.Clients[len(all.Clients)-1]; last.GetClientID() != global.Clients[0].GetClientID() {
		t.Errorf("the last client is %s, want the global one", last.GetName())
	}
	refused(t, m.Client.Delete(t.Context(), global.Clients[0].GetClientID()), http.StatusBadRequest, "lobal client")
}
