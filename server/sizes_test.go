package server_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/servertest"
	"github.com/rosterhq/roster/server/boruta"
)

// uris are n different ones of some 100 bytes each.
func uris(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("https://app.example/%05d/%s", i, strings.Repeat("a", 70))
	}
	return list
}

func TestNoDoorTakesALargerDocumentThanOneMay(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	s.Do(s.Admin, "POST", "/api/v2/clients", object{"name": "small", "callbacks": uris(500)}).Want(201) // some 50 KB
	id := s.Do(s.Admin, "POST", "/api/v2/clients", object{"name": "auth0"}).Want(201).Object()["client_id"].(string)
	idp := s.Do(s.Admin, "POST", "/api/identity-providers", object{"identity_provider": object{"name": "own", "backend_id": boruta.BackendID}}).Want(201).Object()["data"].(object)["id"]
	twin := s.Do(s.Admin, "POST", "/api/clients", object{"client": object{"name": "boruta", "identity_provider": object{"id": idp}}}).Want(201).Object()["data"].(object)["id"].(string)
	s.Do(s.Admin, "POST", "/api/v2/resource-servers", object{"identifier": "urn:small"}).Want(201)
	grant := s.Do(s.Admin, "POST", "/api/v2/client-grants", object{"client_id": id, "audience": "urn:small", "scope": []string{}}).Want(201).Object()["id"].(string)
	var scopes []object
	for _, uri := range uris(700) {
		scopes = append(scopes, object{"value": uri, "description": ""})
	}
	deep := object{"client": object{"name": "large", "identity_provider": object{"id": idp}, "metadata": object{"uris": uris(700)}}}
	page := strings.Repeat("é", oauth.MaxHTML/2-1)
	s.Do(s.Admin, "PATCH", "/api/v2/clients/"+id, object{"custom_login_page": page, "form_template": page, "callbacks": uris(500)}).Want(200)
	for request, sent := range map[string]any{
		"POST /api/v2/clients":                  object{"name": "large", "callbacks": uris(700)},
		"PATCH /api/v2/clients/" + id:           object{"callbacks": uris(700)},
		"POST /api/v2/resource-servers":         object{"identifier": "urn:large", "scopes": scopes},
		"PATCH /api/v2/resource-servers/":       object{"scopes": scopes},
		"PATCH /api/v2/client-grants/" + grant:  object{"scope": uris(700)},
		"POST /api/clients":                     deep,
		"PATCH /api/clients/" + twin:            deep,
		"PUT /api/clients/" + twin:              deep,
		"POST /api/v2/clients with a page":      object{"name": "large", "custom_login_page": page + "é"},
		"PATCH /api/v2/clients/" + id + " page": object{"form_template": page + "é"},
	} {
		method, path, _ := strings.Cut(request, " ")
		path, _, isPage := strings.Cut(path, " ")
		if strings.HasSuffix(path, "resource-servers/") {
			path += "urn:small"
		}
		limit := fmt.Sprintf("of at most %d", oauth.MaxDocument)
		if isPage {
			limit = fmt.Sprintf(" takes %d bytes as JSON, of at most %d", oauth.MaxHTML+2, oauth.MaxHTML)
		}
		want := 400
		if strings.HasPrefix(path, "/api/clients") {
			want = 422
		}
		if r := s.Do(s.Admin, method, path, sent); r.Status != want || !strings.Contains(string(r.Body), limit) || !strings.Contains(string(r.Body), " bytes") {
			t.Errorf("%s: %d %.300s", request, r.Status, r.Body)
		}
	}
}

func TestAnImportTellsWhichRecordIsTooLarge(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	for format, record := range map[string]func(id string, uris []string) object{
		"auth0": func(id string, uris []string) object { return object{"client_id": id, "name": id, "callbacks": uris} },
		"hydra": func(id string, uris []string) object { return object{"client_id": id, "redirect_uris": uris} },
		"roster": func(id string, uris []string) object {
			return object{"kind": "client", "client_id": id, "document": object{"redirect_uris": uris}}
		},
	} {
		var body struct {
			Results []struct {
				Target, Outcome string
				Error           struct{ Message string }
			}
		}
		s.Do(s.Admin, "POST", "/api/roster/v1/import", object{"format": format, "records": []any{
			record(format+"-small", uris(1)), record(format+"-large", uris(700)),
		}}).Want(200).Decode(&body)
		if r := body.Results; r[0].Outcome != "created" || r[1].Outcome != "failed" || r[1].Target != format+"-large" || !strings.Contains(r[1].Error.Message, "of at most 65536") {
			t.Errorf("%s: %+v", format, r)
		}
	}
}

func TestALargerDocumentThanOneMayCanBeReadAndShrinks(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	id := s.Do(s.Admin, "POST", "/api/v2/clients", object{"name": "old", "callbacks": uris(3)}).Want(201).Object()["client_id"].(string)
	if _, err := s.Pool.Exec(t.Context(), `UPDATE clients SET document = jsonb_set(document::jsonb, '{redirect_uris}',
		(SELECT jsonb_agg('https://app.example/' || i || repeat('a', 80)) FROM generate_series(1, 2000) i)) WHERE client_id = $1`, id); err != nil {
		t.Fatal(err)
	}
	path := "/api/v2/clients/" + id
	list := s.Do(s.Admin, "GET", path, nil).Want(200).Object()["callbacks"].([]any)
	if len(list) != 2000 {
		t.Fatalf("%d callbacks", len(list))
	}
	s.Do(s.Admin, "PATCH", path, object{"callbacks": list[:1500]}).Want(200) // still too large
	s.Do(s.Admin, "PATCH", path, object{"name": "new"}).Want(200)
	s.Do(s.Admin, "PATCH", path, object{"callbacks": list[:1600]}).Want(400)
	s.Do(s.Admin, "PATCH", path, object{"description": "a larger document"}).Want(400)
	s.Do(s.Admin, "PATCH", path, object{"callbacks": list[:1]}).Want(200)
}
