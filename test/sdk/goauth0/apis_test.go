package goauth0

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/auth0/go-auth0/management"
	"github.com/google/go-cmp/cmp"
)

func TestResourceServerLife(t *testing.T) {
	m := connectAdmin(t)
	made := newAPI(t, m, "read:x")
	if len(made.GetID()) != 24 || made.GetSigningAlgorithm() != "RS256" || made.GetTokenLifetime() != 86400 {
		t.Errorf("created %v", made)
	}
	for _, id := range []string{made.GetID(), made.GetIdentifier(), url.PathEscape(made.GetIdentifier())} {
		got, err := m.ResourceServer.Read(t.Context(), id)
		must(t, err)
		if diff := cmp.Diff(made, got); diff != "" {
			t.Errorf("read by %s (-created +read):\n%s", id, diff)
		}
	}
	change := &management.ResourceServer{TokenLifetime: new(600), AllowOfflineAccess: new(true)}
	must(t, m.ResourceServer.Update(t.Context(), made.GetIdentifier(), change))
	want := *made
	want.TokenLifetime, want.AllowOfflineAccess = new(600), new(true)
	if diff := cmp.Diff(&want, change); diff != "" {
		t.Errorf("updated (-want +got):\n%s", diff)
	}
	// What was read can be sent back, without the members that cannot change.
	back := want
	back.ID, back.Identifier = nil, nil
	must(t, m.ResourceServer.Update(t.Context(), made.GetID(), &back))
	refused(t, m.ResourceServer.Update(t.Context(), made.GetID(), &management.ResourceServer{Identifier: new("https://other")}),
		http.StatusBadRequest, "Additional properties not allowed: identifier")
	refused(t, m.ResourceServer.Create(t.Context(), &management.ResourceServer{Identifier: made.Identifier}), http.StatusConflict, "")

	must(t, m.ResourceServer.Delete(t.Context(), made.GetID()))
	must(t, m.ResourceServer.Delete(t.Context(), made.GetID()))
	const gone = "404 Not Found: The resource server does not exist"
	_, err := m.ResourceServer.Read(t.Context(), made.GetID())
	refused(t, err, http.StatusNotFound, gone)
	refused(t, m.ResourceServer.Update(t.Context(), made.GetID(), &management.ResourceServer{Name: new("x")}), http.StatusNotFound, gone)
}

func TestResourceServersAreListed(t *testing.T) {
	m := connectAdmin(t)
	one, two := newAPI(t, m), newAPI(t, m)
	some, err := m.ResourceServer.List(t.Context(), management.Parameter("identifiers", two.GetIdentifier()))
	must(t, err)
	if diff := cmp.Diff([]*management.ResourceServer{two}, some.ResourceServers); diff != "" || some.Total != 1 {
		t.Errorf("by identifier, total %d (-want +got):\n%s", some.Total, diff)
	}
	all := map[string]*management.ResourceServer{}
	for page := range 50 {
		list, err := m.ResourceServer.List(t.Context(), management.Page(page), management.PerPage(2))
		must(t, err)
		for _, api := range list.ResourceServers {
			all[api.GetIdentifier()] = api
		}
		if !list.HasNext() {
			if len(all) != list.Total {
				t.Errorf("found %d, the total is %d", len(all), list.Total)
			}
			break
		}
	}
	if all[one.GetIdentifier()] == nil || all[two.GetIdentifier()] == nil {
		t.Errorf("%s or %s is not among %d", one.GetIdentifier(), two.GetIdentifier(), len(all))
	}
	if system := all["https://"+domain+"/api/v2/"]; system == nil || !system.GetIsSystem() || system.GetName() != "Auth0 Management API" {
		t.Errorf("the management API is listed as %v", system)
	}
}

func TestClientGrantLife(t *testing.T) {
	m := connectAdmin(t)
	c, api := newClient(t, m, &management.Client{}), newAPI(t, m, "read:x", "write:x")
	made := &management.ClientGrant{ClientID: c.ClientID, Audience: api.Identifier, Scope: &[]string{"read:x"}}
	must(t, m.ClientGrant.Create(t.Context(), made))
	if len(made.GetID()) != len("cgr_")+16 || made.GetSubjectType() != "client" {
		t.Errorf("created %v", made)
	}
	got, err := m.ClientGrant.Read(t.Context(), made.GetID())
	must(t, err)
	if diff := cmp.Diff(made, got); diff != "" {
		t.Errorf("grant (-created +read):\n%s", diff)
	}
	refused(t, m.ClientGrant.Create(t.Context(), &management.ClientGrant{ClientID: c.ClientID, Audience: api.Identifier, Scope: &[]string{}}),
		http.StatusConflict, "")
	refused(t, m.ClientGrant.Create(t.Context(), &management.ClientGrant{ClientID: new("nobody"), Audience: api.Identifier, Scope: &[]string{}}),
		http.StatusNotFound, "")
	refused(t, m.ClientGrant.Create(t.Context(), &management.ClientGrant{ClientID: c.ClientID, Audience: new("https://no.api"), Scope: &[]string{}}),
		http.StatusNotFound, "")

	change := &management.ClientGrant{Scope: &[]string{"read:x", "write:x"}}
	must(t, m.ClientGrant.Update(t.Context(), made.GetID(), change))
	want := *made
	want.Scope = &[]string{"read:x", "write:x"}
	if diff := cmp.Diff(&want, change); diff != "" {
		t.Errorf("updated (-want +got):\n%s", diff)
	}
	must(t, m.ClientGrant.Update(t.Context(), made.GetID(), &management.ClientGrant{AllowAllScopes: new(true)}))
	got, err = m.ClientGrant.Read(t.Context(), made.GetID())
	must(t, err)
	if !got.GetAllowAllScopes() || got.Scope != nil {
		t.Errorf("with all scopes the grant is %v", got)
	}
	organizations, err := m.ClientGrant.Organizations(t.Context(), made.GetID())
	must(t, err)
	if len(organizations.Organizations) != 0 {
		t.Errorf("got organizations %v", organizations.Organizations)
	}

	must(t, m.ClientGrant.Delete(t.Context(), made.GetID()))
	must(t, m.ClientGrant.Delete(t.Context(), made.GetID()))
	const gone = "404 Not Found: The grant does not exist."
	_, err = m.ClientGrant.Read(t.Context(), made.GetID())
	refused(t, err, http.StatusNotFound, gone)
	refused(t, m.ClientGrant.Update(t.Context(), made.GetID(), &management.ClientGrant{Scope: &[]string{}}), http.StatusNotFound, gone)
}

func TestClientGrantsAreListed(t *testing.T) {
	m := connectAdmin(t)
	c := newClient(t, m, &management.Client{})
	var want []*management.ClientGrant
	for range 3 {
		made := &management.ClientGrant{ClientID: c.ClientID, Audience: newAPI(t, m, "read:x").Identifier, Scope: &[]string{"read:x"}}
		must(t, m.ClientGrant.Create(t.Context(), made))
		want = append(want, made)
	}
	mine := management.Parameter("client_id", c.GetClientID())
	list, err := m.ClientGrant.List(t.Context(), mine)
	must(t, err)
	if diff := cmp.Diff(want, list.ClientGrants); diff != "" || list.Total != 3 || list.HasNext() {
		t.Errorf("total %d, next %t (-want +got):\n%s", list.Total, list.HasNext(), diff)
	}
	list, err = m.ClientGrant.List(t.Context(), mine, management.Parameter("audience", want[1].GetAudience()))
	must(t, err)
	if diff := cmp.Diff(want[1:2], list.ClientGrants); diff != "" {
		t.Errorf("by audience (-want +got):\n%s", diff)
	}
	var got []*management.ClientGrant
	options := []management.RequestOption{mine, management.Take(2)}
	for range 3 {
		list, err := m.ClientGrant.List(t.Context(), options...)
		must(t, err)
		got = append(got, list.ClientGrants...)
		if !list.HasNext() {
			break
		}
		options = []management.RequestOption{mine, management.Take(2), management.From(list.Next)}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("by checkpoints (-want +got):\n%s", diff)
	}
}
