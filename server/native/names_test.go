package native_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/rosterhq/roster/internal/servertest"
)

// Clients are found by what their names contain or begin with, whatever signs
// that mean something elsewhere are in it.
func TestClientsAreFoundByName(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	long := "x" + strings.Repeat("y", 300)
	for _, name := range []string{"50% off", "50x off", "under_score", "underXscore", `back\slash`, "Billing", "The billing of EUROPE", "Äpfel", "支払い", "off", long} {
		s.Do(s.Admin, "POST", "/api/v2/clients", map[string]any{"name": name}).Want(http.StatusCreated)
	}
	billing := s.Do(s.Admin, "GET", "/api/roster/v1/clients?name_prefix=bill", nil).Want(http.StatusOK).Object()["clients"].([]any)[0].(map[string]any)["client_id"].(string)
	setState(s, s.Admin, billing, "disabled", "").Want(http.StatusOK)
	for query, want := range map[string][]string{
		"name=BILLING":                     {"Billing", "The billing of EUROPE"},
		"name=billing&state=active":        {"The billing of EUROPE"},
		"name=billing&state=disabled":      {"Billing"},
		"name=off":                         {"50% off", "50x off", "off"},
		"name_prefix=o":                    {"off"},
		"name_prefix=OFF":                  {"off"},
		"name_prefix=off%20":               nil,
		"name=0%25+o":                      {"50% off"},
		"name_prefix=50%25":                {"50% off"},
		"name_prefix=%25":                  nil,
		"name=%25%25%25":                   nil,
		"name=der_sc":                      {"under_score"},
		"name_prefix=_":                    nil,
		`name=ck\sl`:                       {`back\slash`},
		`name_prefix=\`:                    nil,
		"name=pfe":                         {"Äpfel"},
		"name_prefix=Ä":                    {"Äpfel"},
		"name_prefix=支払":                   {"支払い"},
		"name_prefix=%01":                  nil,
		"name=eur&name_prefix=the":         {"The billing of EUROPE"},
		"name=eur&name_prefix=billing":     nil,
		"name=xyy":                         {long},
		"name=" + strings.Repeat("y", 199): {long},
		"name=" + strings.Repeat("y", 200): nil, // beyond what is searched
	} {
		var page struct{ Clients []struct{ Name string } }
		s.Do(s.Admin, "GET", "/api/roster/v1/clients?"+query, nil).Want(http.StatusOK).Decode(&page)
		var got []string
		for _, c := range page.Clients {
			got = append(got, c.Name)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s finds %q, want %q", query, got, want)
		}
	}
	var page struct {
		Clients []struct{ Name string }
		Next    string
	}
	s.Do(s.Admin, "GET", "/api/roster/v1/clients?name=off&limit=2", nil).Want(http.StatusOK).Decode(&page)
	s.Do(s.Admin, "GET", "/api/roster/v1/clients?name=off&limit=2&after="+url.QueryEscape(page.Next), nil).Want(http.StatusOK).Decode(&page)
	if len(page.Clients) != 1 || page.Clients[0].Name != "off" {
		t.Errorf("the last page shows %v", page.Clients)
	}
	for _, query := range []string{"name=ab", "name=", "name_prefix=", "name=" + strings.Repeat("a", 201), "name_prefix=" + strings.Repeat("a", 201), "name=abc&name=abd"} {
		s.Do(s.Admin, "GET", "/api/roster/v1/clients?"+query, nil).Want(http.StatusBadRequest)
	}
}
