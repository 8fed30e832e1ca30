// Command upstream lists the members, values and parameters that Auth0's SDKs
// have and openapi.yaml has not: unknown members are refused, so that a release
// of theirs may need one of ours. Arguments: the folder of an unpacked npm
// package auth0, openapi.yaml, and the list of differences that are meant.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/auth0/go-auth0/management"
)

// same pairs a type of the npm package with the schema of openapi.yaml for the
// same thing. One that starts with GET holds the parameters of that operation.
var same = map[string]string{
	"CreateClientRequestContent":                    "CreateClientRequestContent",
	"UpdateClientRequestContent":                    "UpdateClientRequestContent",
	"GetClientResponseContent":                      "GetClientResponseContent",
	"PostClientCredentialRequestContent":            "PostClientCredentialRequestContent",
	"PatchClientCredentialRequestContent":           "PatchClientCredentialRequestContent",
	"GetClientCredentialResponseContent":            "GetClientCredentialResponseContent",
	"CreateClientGrantRequestContent":               "CreateClientGrantRequestContent",
	"UpdateClientGrantRequestContent":               "UpdateClientGrantRequestContent",
	"GetClientGrantResponseContent":                 "GetClientGrantResponseContent",
	"CreateResourceServerRequestContent":            "CreateResourceServerRequestContent",
	"UpdateResourceServerRequestContent":            "UpdateResourceServerRequestContent",
	"GetResourceServerResponseContent":              "GetResourceServerResponseContent",
	"ListClientsRequestParameters":                  "GET /api/v2/clients",
	"GetClientRequestParameters":                    "GET /api/v2/clients/{client_id}",
	"ListClientGrantsRequestParameters":             "GET /api/v2/client-grants",
	"ListResourceServerRequestParameters":           "GET /api/v2/resource-servers",
	"ConnectionsGetRequest":                         "GET /api/v2/clients/{client_id}/connections",
	"ListClientGrantOrganizationsRequestParameters": "GET /api/v2/client-grants/{id}/organizations",
}

// goTypes pairs types of go-auth0 with schemas of which one must have each of
// their members.
var goTypes = map[string]struct {
	value   any
	schemas []string
}{
	"Client":         {management.Client{}, []string{"GetClientResponseContent", "CreateClientRequestContent"}},
	"Credential":     {management.Credential{}, []string{"ClientCredential", "PostClientCredentialRequestContent"}},
	"ClientGrant":    {management.ClientGrant{}, []string{"ClientGrantResponseContent", "CreateClientGrantRequestContent"}},
	"ResourceServer": {management.ResourceServer{}, []string{"ResourceServer", "CreateResourceServerRequestContent"}},
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "upstream:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 3 {
		return errors.New("takes the folder of the npm package auth0, openapi.yaml and the list of known differences")
	}
	ours, err := readSpecification(args[1])
	if err != nil {
		return err
	}
	theirs, err := readPackage(args[0])
	if err != nil {
		return err
	}
	known, err := readKnown(args[2])
	if err != nil {
		return err
	}
	found := map[string]bool{}
	for name, schema := range same {
		declared, ok := theirs.interfaces[name]
		if !ok {
			return fmt.Errorf("the npm package has no type %s: it has another name now", name)
		}
		properties, err := ours.named(schema)
		if err != nil {
			return err
		}
		c := comparison{theirs, ours, found}
		c.members(schema, declared, properties)
	}
	for name, t := range goTypes {
		var schemas []node
		for _, schema := range t.schemas {
			one, err := ours.named(schema)
			if err != nil {
				return err
			}
			schemas = append(schemas, one)
		}
		compareGo(found, "go-auth0 "+name, reflect.TypeOf(t.value), schemas, ours)
	}
	return report(found, known)
}

// report prints what is new, and fails if anything is, or if what is known is
// not there any more.
func report(found, known map[string]bool) error {
	var lines []string
	for _, one := range slices.Sorted(maps.Keys(found)) {
		if !known[one] {
			lines = append(lines, "new: "+one)
		}
	}
	for _, one := range slices.Sorted(maps.Keys(known)) {
		if !found[one] {
			lines = append(lines, "gone: "+one)
		}
	}
	if len(lines) > 0 {
		return fmt.Errorf("the SDKs and openapi.yaml differ:\n%s", strings.Join(lines, "\n"))
	}
	fmt.Printf("openapi.yaml has all that the SDKs have, but for %d known differences\n", len(known))
	return nil
}

// readKnown reads the differences that are meant, one a line before a colon and
// the reason.
func readKnown(path string) (map[string]bool, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	known := map[string]bool{}
	for lines := bufio.NewScanner(file); ; {
		if !lines.Scan() {
			return known, lines.Err()
		}
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		what, reason, ok := strings.Cut(line, ": ")
		if !ok || reason == "" {
			return nil, fmt.Errorf("%s: no reason in %q", filepath.Base(path), line)
		}
		known[what] = true
	}
}

// compareGo notes members of a Go type that none of schemas has.
func compareGo(found map[string]bool, path string, t reflect.Type, schemas []node, ours *specification) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		if t.Kind() == reflect.Slice {
			schemas = ours.each(schemas, (*specification).items)
		}
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t.PkgPath() != reflect.TypeFor[management.Client]().PkgPath() {
		return
	}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" || name == "-" || !f.IsExported() {
			continue
		}
		under := ours.each(schemas, func(s *specification, n node) node { return s.property(n, name) })
		if len(under) == 0 {
			found[path+"."+name] = true
			continue
		}
		compareGo(found, path+"."+name, f.Type, under, ours)
	}
}
