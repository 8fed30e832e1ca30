package spec_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/gin-gonic/gin"

	"github.com/rosterhq/roster"
	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/server/spec"
)

// FuzzRequest: parameters and body of any operation are refused in words, or
// what is left to be read is JSON that everybody reads alike.
func FuzzRequest(f *testing.F) {
	gin.SetMode(gin.TestMode)
	doc, err := openapi3.NewLoader().LoadFromData(roster.OpenAPI)
	if err != nil {
		f.Fatal(err)
	}
	description := spec.Load(doc, nil)
	var operations []*spec.Operation
	paths := doc.Paths.InMatchingOrder()
	slices.Sort(paths)
	for _, path := range paths {
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
			if op := description.Find(method, path); op != nil && op.Tag() != "oauth" { // whose handlers read requests themselves
				operations = append(operations, op)
			}
		}
	}
	const form = "application/x-www-form-urlencoded"
	for i := range operations {
		n := uint8(i)
		f.Add(n, "application/json", "", `{"name":"a","client_metadata":{"a":"b"},"callbacks":["x"],"scope":[],"audience":"a","client_id":"b"}`)
		f.Add(n, form, "page=1&per_page=2&fields=a,b&take=x&from=", "name=a&callbacks[]=x&callbacks[]=y&client_metadata[a]=b&jwt_configuration[lifetime_in_seconds]=1")
		f.Add(n, form, "%zz&a=%00", "a[=b&a[b][c]=d&a[b]=e&a[]=f&sso=true&[]=")
		f.Add(n, "application/json; charset=utf-8", "include_totals=maybe&q=%ff", `{"a":1e400,"b":9007199254740993,"c":1.0}`)
	}
	f.Fuzz(func(t *testing.T, n uint8, mediaType, query, body string) {
		op := operations[int(n)%len(operations)]
		c, _ := gin.CreateTestContext(httptest.NewRecorder())
		c.Request = httptest.NewRequest("POST", "/x", strings.NewReader(body))
		c.Request.URL.RawQuery = query
		c.Request.Header.Set("Content-Type", mediaType)
		c.Params = gin.Params{{Key: "client_id", Value: "a"}, {Key: "id", Value: "b"}, {Key: "credential_id", Value: "c"}, {Key: "secret_id", Value: "d"}, {Key: "part", Value: "e"}}
		for _, check := range []func(*gin.Context) error{op.CheckParameters, op.CheckBody} {
			err := check(c)
			if err == nil {
				continue
			}
			wrong, isBody := errors.AsType[*spec.BodyError](err)
			_, isList := errors.AsType[spec.Mismatches](err)
			if !isList && (!isBody || wrong.Status < 400 || wrong.Status > 499) {
				t.Fatalf("%s: %T %v", op.ID(), err, err)
			}
			if err.Error() == "" || !utf8.ValidString(err.Error()) {
				t.Errorf("%s: the error says %q", op.ID(), err)
			}
			return
		}
		left, err := io.ReadAll(c.Request.Body)
		if err != nil {
			t.Fatal(err)
		}
		if c.Request.Header.Get("Content-Type") == "application/json" && len(left) > 0 && string(left) != body {
			if err := jsondoc.Check(left); err != nil || !json.Valid(left) {
				t.Errorf("%s leaves %q: %v", op.ID(), left, err)
			}
		}
	})
}
