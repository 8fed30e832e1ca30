package boruta

import (
	"encoding/json"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/server/problem"
)

// maxScopes is how many scopes a client can be authorized for.
const maxScopes = 1000

// parseID reads an identifier of a path or of key_pair_id. It is compared and
// stored in lower case.
func parseID(text string) (string, error) {
	id, ok := readID(text)
	if !ok {
		return "", &problem.Error{Status: http.StatusBadRequest, Text: "The identifier is not a uuid."}
	}
	return id, nil
}

// readID takes the canonical form of a uuid alone, in any case.
func readID(text string) (string, bool) {
	id, err := uuid.Parse(text)
	if err != nil || len(text) != 36 {
		return "", false
	}
	return id.String(), true
}

// chosenScopes reads authorized_scopes. Leaving it out chooses none. Items that
// name nothing are dropped; an item that is not an object fails the whole request.
func chosenScopes(raw json.RawMessage, broken *refusal) ([]oauth.ScopeChoice, error) {
	choices := []oauth.ScopeChoice{}
	var list []json.RawMessage
	if json.Unmarshal(orNull(raw), &list) != nil {
		if json.Unmarshal(raw, new(jsondoc.Object)) != nil { // an object is taken for an empty list
			broken.add("authorized_scopes", tokenInvalid)
		}
		return choices, nil
	}
	if len(list) > maxScopes {
		broken.add("authorized_scopes", tokenInvalid)
		return choices, nil
	}
	for _, item := range list {
		var members jsondoc.Object
		if json.Unmarshal(item, &members) != nil || members == nil {
			return nil, &problem.Error{Status: http.StatusBadRequest, Text: "The items of authorized_scopes must be objects."}
		}
		if id := members["id"]; id != nil && !jsondoc.IsNull(id) {
			if id, ok := readID(jsondoc.String(id)); ok {
				choices = append(choices, oauth.ScopeChoice{ID: id})
			}
			continue
		}
		name := jsondoc.String(members["name"])
		switch {
		case name == "" || strings.ContainsFunc(name, unicode.IsSpace):
		case utf8.RuneCountInString(name) > maxText:
			broken.add("authorized_scopes", tokenInvalid)
		default:
			choices = append(choices, oauth.ScopeChoice{Name: name})
		}
	}
	return choices, nil
}

// chosenKeyPair reads key_pair_id; "" is none.
func chosenKeyPair(raw json.RawMessage) (string, error) {
	if raw == nil || jsondoc.IsNull(raw) {
		return "", nil
	}
	return parseID(jsondoc.String(raw))
}

// chosenProvider reads identity_provider: the id in it, "" if the request does not mention
// it. current is the client's own, "" for none.
func chosenProvider(raw json.RawMessage, creating bool, current, otherwise string) (string, error) {
	refused := func(token string) (string, error) { return "", refuse("identity_provider_id", token) }
	var members jsondoc.Object
	if raw != nil && json.Unmarshal(raw, &members) != nil && creating {
		return refused(tokenInvalid)
	}
	id, sent := members["id"]
	if !sent {
		if creating && otherwise == "" {
			return refused(tokenBlank)
		}
		if creating {
			return otherwise, nil
		}
		return "", nil
	}
	var text *string
	if json.Unmarshal(id, &text) != nil {
		return refused(tokenInvalid)
	}
	if text == nil || strings.TrimSpace(*text) == "" {
		if !creating && current == "" && text == nil {
			return "", nil // as it was read
		}
		return refused(tokenBlank)
	}
	provider, ok := readID(*text)
	if !ok {
		return refused(tokenNoFormat)
	}
	return provider, nil
}
