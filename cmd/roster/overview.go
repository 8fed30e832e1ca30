package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/rosterhq/roster/client"
	"github.com/rosterhq/roster/internal/jsondoc"
)

// asked are the members of a client that people ask for first, before what
// belongs to it; dull are those that say little, in the order of the alphabet
// like the rest. The other formats have them all.
var (
	asked = []string{"client_id", "name", "description", "app_type", "token_endpoint_auth_method", "grant_types", "callbacks", "client_metadata"}
	dull  = []string{
		"callback_url_template", "client_authentication_methods", "custom_login_page_on", "jwt_configuration", "refresh_token", "signing_keys", "tenant",
	}
)

// printOverview prints a client with its state, secrets, credentials and grants,
// as far as the caller may see them.
func (a *app) printOverview(ctx context.Context, api *client.Client, shown jsondoc.Object) error {
	id := jsondoc.String(shown["client_id"])
	state, err := seen(fetch[jsondoc.Object](ctx, api, client.Path(rosterPath, "clients", id, "state"), nil))
	if err != nil {
		return err
	}
	secrets, err := seen(secretsOf(ctx, api, id))
	if err != nil {
		return err
	}
	credentials, err := seen(fetch[[]jsondoc.Object](ctx, api, client.Path(clientsPath, id, "credentials"), nil))
	if err != nil {
		return err
	}
	grants, err := seen(fetch[struct {
		List []jsondoc.Object `json:"client_grants"`
	}](ctx, api, grantsPath, url.Values{"client_id": {id}, "take": {"20"}}))
	if err != nil {
		return err
	}
	return a.printLines(func(yield func(name, value string) bool) {
		lines := slices.Concat(
			members(shown, asked), stateLine(state), described("secret", secrets, secretLine),
			described("credential", credentials, credentialLine), described("grant", grants.List, grantLine),
			members(shown, slices.DeleteFunc(slices.Sorted(maps.Keys(shown)), func(name string) bool {
				return slices.Contains(asked, name) || slices.Contains(dull, name) || string(shown[name]) == "false" && name != "is_first_party"
			})),
		)
		for _, l := range lines {
			if !yield(l[0], l[1]) {
				return
			}
		}
	})
}

// seen leaves out what the caller may not see, or an older Roster does not have.
func seen[T any](v T, err error) (T, error) {
	if errors.Is(err, client.ErrForbidden) || errors.Is(err, client.ErrNotFound) {
		err = nil
	}
	return v, err
}

func members(of jsondoc.Object, names []string) (lines [][2]string) {
	for _, name := range names {
		if value := cell(of[name]); value != "" {
			lines = append(lines, [2]string{name, value})
		}
	}
	return lines
}

func stateLine(state jsondoc.Object) [][2]string {
	text := cell(state["state"])
	if text == "" {
		return nil
	}
	if at := moment(state["changed_at"]); at != "" {
		text += " since " + at
	}
	if reason := cell(state["reason"]); reason != "" {
		text += ": " + reason
	}
	return [][2]string{{"state", text}}
}

// described makes a line of each of several things.
func described(name string, list []jsondoc.Object, describe func(jsondoc.Object) string) (lines [][2]string) {
	for _, one := range list {
		lines = append(lines, [2]string{name, describe(one)})
	}
	return lines
}

func secretLine(s jsondoc.Object) string {
	return fmt.Sprintf("%s, created %s, last used %s", cell(s["status"])+expiry(s), moment(s["created_at"]), momentOrNever(s["last_used_at"]))
}

func credentialLine(c jsondoc.Object) string {
	return strings.Join(slices.DeleteFunc([]string{cell(c["id"]), cell(c["credential_type"]), cell(c["name"])}, func(s string) bool { return s == "" }), " ") + expiry(c)
}

// expiry tells when something expires, if it does.
func expiry(of jsondoc.Object) string {
	if at := moment(of["expires_at"]); at != "" {
		return " until " + at
	}
	return ""
}

func grantLine(g jsondoc.Object) string {
	var scopes []json.RawMessage
	_ = json.Unmarshal(g["scope"], &scopes)
	count := fmt.Sprintf("%d scopes", len(scopes))
	switch {
	case string(g["allow_all_scopes"]) == "true":
		count = "all scopes"
	case len(scopes) == 1:
		count = "1 scope"
	}
	return cell(g["audience"]) + ", " + count
}
