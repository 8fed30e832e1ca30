package oauth

import (
	"bytes"
	"crypto"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/rosterhq/roster/internal/jsondoc"
)

// maxWrapping is how many encodings around a private key are looked through.
const maxWrapping = 4

// HidesPrivateKey reports whether a private key of any kind is in text: told by
// its label or its shape, as PEM, DER or JWK (RFC 7517), in JSON, base64 or hex.
func HidesPrivateKey(text string) bool { return hidesPrivateKey(text, maxWrapping) }

var (
	spelledBreak = strings.NewReplacer(`\r`, "\n", `\n`, "\n")
	pemBody      = regexp.MustCompile(`-----BEGIN [^\n-]*-----([^-]*)`)
	opensshKey   = []byte("openssh-key-v1\x00")
)

func hidesPrivateKey(text string, depth int) bool {
	if depth == 0 || text == "" {
		return false
	}
	if strings.Contains(strings.ToUpper(text), "PRIVATE KEY") || strings.Contains(text, "PuTTY-User-Key-File") {
		return true
	}
	var value any
	if json.Unmarshal([]byte(text), &value) == nil && privateIn(value, depth-1) {
		return true
	}
	plain := spelledBreak.Replace(text)
	for _, block := range pemBody.FindAllStringSubmatch(plain, -1) {
		if encodesPrivateKey(block[1], depth-1) {
			return true
		}
	}
	return encodesPrivateKey(plain, depth-1)
}

// encodesPrivateKey looks at what text is the base64 or hex of.
func encodesPrivateKey(text string, depth int) bool {
	text = strings.TrimRight(strings.Join(strings.Fields(text), ""), "=")
	text = strings.NewReplacer("-", "+", "_", "/").Replace(text)
	for _, decode := range []func(string) ([]byte, error){base64.RawStdEncoding.DecodeString, hex.DecodeString} {
		der, err := decode(text)
		if err != nil || len(der) == 0 {
			continue
		}
		if kindOf(der) == privateKey || bytes.HasPrefix(der, opensshKey) || hidesPrivateKey(string(der), depth) {
			return true
		}
	}
	return false
}

// privateIn looks through a JSON value.
func privateIn(value any, depth int) bool {
	switch value := value.(type) {
	case string:
		return hidesPrivateKey(value, depth)
	case []any:
		return slices.ContainsFunc(value, func(one any) bool { return privateIn(one, depth) })
	case map[string]any:
		if value["kty"] != nil { // RFC 7518 §6: d of all pairs, k of symmetric keys
			for _, secret := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"} {
				if value[secret] != nil {
					return true
				}
			}
		}
		return slices.ContainsFunc(slices.Collect(maps.Values(value)), func(one any) bool { return privateIn(one, depth) })
	}
	return false
}

// PrivateKeyIn returns the path of the first private key below a member that
// takes public ones, ".pub" or "[0]", and whether there is one. Of other members
// it knows nothing.
func PrivateKeyIn(member string, raw json.RawMessage) (path string, found bool) {
	if !slices.Contains(TakesPublicKeys, member) {
		return "", false
	}
	var value any
	if json.Unmarshal(raw, &value) != nil {
		return "", false
	}
	return privatePath(value)
}

func privatePath(value any) (path string, found bool) {
	if !privateIn(value, maxWrapping) {
		return "", false
	}
	switch value := value.(type) {
	case []any:
		for i, one := range value {
			if below, found := privatePath(one); found {
				return "[" + strconv.Itoa(i) + "]" + below, true
			}
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(value)) {
			if below, found := privatePath(value[name]); found {
				return "." + name + below, true
			}
		}
	}
	return "", true
}

// CheckNoPrivateKeys refuses private keys in members of doc that take public
// ones, unless before holds the same: a change must not fail for what is stored.
func CheckNoPrivateKeys(before, doc jsondoc.Object) error {
	for _, member := range TakesPublicKeys {
		raw := doc[member]
		if raw == nil || bytes.Equal(raw, before[member]) {
			continue
		}
		if path, found := PrivateKeyIn(member, raw); found {
			return Invalidate(Violation{Member: member + path, Rule: "format", Detail: errPrivateKey.Error()})
		}
	}
	return nil
}

// DropPrivateKeys takes private keys that are in the place of public ones out of
// doc, and returns the members that held one. What is around a key stays.
func DropPrivateKeys(doc jsondoc.Object) (held []string) {
	for _, member := range TakesPublicKeys {
		if _, found := PrivateKeyIn(member, doc[member]); !found {
			continue
		}
		held = append(held, member)
		var value any
		_ = json.Unmarshal(doc[member], &value) // PrivateKeyIn has read it
		if dropPrivate(&value) {
			delete(doc, member)
		} else {
			doc[member] = jsondoc.Must(value)
		}
	}
	return held
}

// dropPrivate takes the parts of value that are private keys out of it, and
// reports whether that is all of it.
func dropPrivate(value *any) (all bool) {
	switch v := (*value).(type) {
	case string:
		return hidesPrivateKey(v, maxWrapping)
	case []any:
		*value = slices.DeleteFunc(v, func(one any) bool { return dropPrivate(&one) })
	case map[string]any:
		if v["kty"] != nil {
			return privateIn(v, maxWrapping)
		}
		for name, one := range v {
			if dropPrivate(&one) {
				delete(v, name)
			} else {
				v[name] = one
			}
		}
	}
	return false
}

// EncryptionKeyThumbprint returns the RFC 7638 thumbprint, SHA-256, of the public
// key or the certificate in a PEM text that tokens can be encrypted with. An
// error's text is the Detail of a Violation.
func EncryptionKeyThumbprint(text string) (string, error) {
	material, err := parsePEM(text)
	if err != nil {
		return "", err
	}
	if err := checkSigningKey(material.key); err != nil {
		return "", err
	}
	thumbprint, err := (&jose.JSONWebKey{Key: material.key}).Thumbprint(crypto.SHA256)
	return base64.RawURLEncoding.EncodeToString(thumbprint), err
}
