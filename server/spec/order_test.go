package spec_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/server/spec"
)

// A client as anybody may have sent it, and as every answer shows it.
func TestMembersComeInTheOrderOfTheSpecification(t *testing.T) {
	t.Parallel()
	const sent = `{"zzz":1, "client_metadata":{"b":"2","a":"1"}, "name":"n", "client_id":"c", "yyy":{"b":1,"a":[{"d":1,"c":"\"}"}]},
		"addons":{"samlp":{"zz":1,"logout":{"slo_enabled":true,"callback":"c"},"aa":2,"audience":"x"},"slack":{"team":"t"}},
		"jwt_configuration":{"scopes":{"b":1,"a":2},"secret_encoded":false,"lifetime_in_seconds":1,"alg":"RS256"},
		"signed_request_object":{"credentials":[{"name":"k","id":"cred_1"},{"kid":"x","id":"cred_2"}],"required":true}, "tenant":"t"}`
	const want = `{"client_id":"c","tenant":"t","name":"n",` +
		`"signed_request_object":{"required":true,"credentials":[{"id":"cred_1","name":"k"},{"id":"cred_2","kid":"x"}]},` +
		`"jwt_configuration":{"alg":"RS256","lifetime_in_seconds":1,"secret_encoded":false,"scopes":{"a":2,"b":1}},` +
		`"client_metadata":{"a":"1","b":"2"},` +
		`"addons":{"slack":{"team":"t"},"samlp":{"audience":"x","logout":{"callback":"c","slo_enabled":true},"aa":2,"zz":1}},` +
		`"yyy":{"a":[{"c":"\"}","d":1}],"b":1},"zzz":1}`
	o := spec.OrderOf("GetClientResponseContent")
	if diff := cmp.Diff(want, string(o.AppendValue(nil, []byte(sent)))); diff != "" {
		t.Errorf("as text (-want +got):\n%s", diff)
	}
	var doc jsondoc.Object
	if err := json.Unmarshal([]byte(sent), &doc); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("x"+want, string(o.Append([]byte("x"), doc))); diff != "" {
		t.Errorf("as a document (-want +got):\n%s", diff)
	}
	if got := string(spec.OrderOf("ListClientsResponseContent").AppendOrdered(nil, jsondoc.Object{"clients": json.RawMessage(`[{"b":1,"a":2}]`), "total": json.RawMessage(`1`)})); got != `{"total":1,"clients":[{"b":1,"a":2}]}` {
		t.Errorf("with values in order: %s", got)
	}
	if got := string(spec.OrderOf("ListClientsResponseContent").Items().AppendValue(nil, []byte(`{"name":"n","client_id":"c"}`))); got != `{"client_id":"c","name":"n"}` {
		t.Errorf("an item of a list: %s", got)
	}
}

// spell writes a value as JSON with members in a random order and random spaces.
func spell(t *rapid.T, b *bytes.Buffer, v any) {
	blank := func() {
		b.WriteString(rapid.SampledFrom([]string{"", "", " ", "\n\t", "\r\n  "}).Draw(t, "blank"))
	}
	blank()
	switch v := v.(type) {
	case map[string]any:
		b.WriteByte('{')
		for i, name := range rapid.Permutation(slices.Sorted(maps.Keys(v))).Draw(t, "members") {
			if i > 0 {
				b.WriteByte(',')
			}
			blank()
			b.Write(jsondoc.Must(name))
			blank()
			b.WriteByte(':')
			spell(t, b, v[name])
		}
		blank()
		b.WriteByte('}')
	case []any:
		b.WriteByte('[')
		for i, one := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			spell(t, b, one)
		}
		blank()
		b.WriteByte(']')
	default:
		b.Write(jsondoc.Must(v))
	}
	blank()
}

func drawValue(t *rapid.T, depth int) any {
	text := rapid.OneOf(rapid.SampledFrom([]string{"name", "client_id", "addons", "samlp", "jwt_configuration", "alg", "scopes", `"`, `\`, `a\"}`, "[{", ""}), rapid.String())
	kind := rapid.IntRange(0, 4)
	if depth == 0 {
		kind = rapid.IntRange(0, 2)
	}
	switch kind.Draw(t, "kind") {
	case 0:
		return text.Draw(t, "text")
	case 1:
		return rapid.Float64Range(-1e9, 1e9).Draw(t, "number")
	case 2:
		return rapid.SampledFrom([]any{true, false, nil}).Draw(t, "literal")
	case 3:
		list := make([]any, rapid.IntRange(0, 4).Draw(t, "length"))
		for i := range list {
			list[i] = drawValue(t, depth-1)
		}
		return list
	}
	object := map[string]any{}
	for range rapid.IntRange(0, 20).Draw(t, "size") {
		object[text.Draw(t, "member")] = drawValue(t, depth-1)
	}
	return object
}

func TestClosedObjectsLoseStrangers(t *testing.T) {
	t.Parallel()
	o := spec.OrderOf("ResourceServer")
	for sent, want := range map[string]string{
		`{"scopes":[{"zzz":1,"value":"a"},{"value":"b","zzz":{"x":[]}},{"zzz":1},{}]}`:                        `{"scopes":[{"value":"a"},{"value":"b"},{},{}]}`,
		`{"proof_of_possession":{"zzz":1, "required":true, "yyy":[1], "mechanism":"mtls", "xxx":"}"}}`:        `{"proof_of_possession":{"mechanism":"mtls","required":true}}`,
		`{"token_encryption":{"encryption_key":{"pem":"p","alg":"RSA-OAEP-256"},"zzz":1,"format":"compact"}}`: `{"token_encryption":{"format":"compact","encryption_key":{"alg":"RSA-OAEP-256"}}}`,
	} {
		if got := string(o.AppendValue(nil, []byte(sent))); got != want {
			t.Errorf("%s becomes %s", sent, got)
		}
	}
}

func TestTheSameMembersGiveTheSameBytes(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]*spec.Order{"unknown": nil, "client": spec.OrderOf("GetClientResponseContent"), "list": spec.OrderOf("ListClientsResponseContent")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				v := drawValue(t, 3)
				var one, other bytes.Buffer
				spell(t, &one, v)
				spell(t, &other, v)
				got := o.AppendValue(nil, one.Bytes())
				if again := o.AppendValue(nil, other.Bytes()); !bytes.Equal(got, again) {
					t.Fatalf("two spellings give\n%s\n%s", got, again)
				}
				if again := o.AppendValue(nil, got); !bytes.Equal(got, again) {
					t.Fatalf("ordered once and twice:\n%s\n%s", got, again)
				}
				var back, want any
				if err := json.Unmarshal(got, &back); err != nil {
					t.Fatalf("%v: %s", err, got)
				}
				if err := json.Unmarshal(jsondoc.Must(v), &want); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, back); o == nil && diff != "" { // a closed object loses strangers
					t.Fatalf("the value changed (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// A page of clients costs a copy of it, not much more.
func BenchmarkOrder(b *testing.B) {
	cert := strings.Repeat("MIIB", 400)
	doc := jsondoc.Object{}
	for i, name := range []string{"client_id", "tenant", "name", "callbacks", "grant_types", "is_first_party", "oidc_conformant", "sso_disabled", "client_secret", "global"} {
		doc[name] = jsondoc.Must(fmt.Sprint(name, i))
	}
	doc["signing_keys"] = json.RawMessage(`[{"cert":"` + cert + `","pkcs7":"` + cert + `","subject":"deprecated"}]`)
	doc["jwt_configuration"] = json.RawMessage(`{"lifetime_in_seconds":36000,"secret_encoded":false}`)
	doc["refresh_token"] = json.RawMessage(`{"expiration_type":"non-expiring","idle_token_lifetime":1296000,"infinite_idle_token_lifetime":true,"infinite_token_lifetime":true,"leeway":0,"rotation_type":"non-rotating","token_lifetime":2592000}`)
	o, text := spec.OrderOf("GetClientResponseContent"), make([]byte, 0, 8<<10)
	b.ReportAllocs()
	for b.Loop() {
		text = o.Append(text[:0], doc)
	}
	b.SetBytes(int64(len(text)))
}
