package internal_test

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/rosterhq/roster/"

const (
	gin = "github.com/gin-gonic/"
	pgx = "github.com/jackc/"
	sql = "database/sql"
)

// layers says what each package may not reach, directly or through others:
// prefixes of import paths. Those after a "+" are exceptions.
var layers = map[string][]string{
	"client":            append([]string{"github.com/", "go.opentelemetry.io/"}, importers...), // module is one of github.com/
	"migrations":        {gin, module},
	"internal/jsondoc":  {"github.com/", "net/http", sql, module},
	"internal/uri":      {"github.com/", "net/http", sql, module},
	"internal/rights":   {"github.com/", "net/http", sql, module},
	"internal/oauth":    {"github.com/", "net/http", sql, module, "+github.com/go-jose/", "+github.com/smallstep/pkcs7", "+" + module + "internal/jsondoc", "+" + module + "internal/rights", "+" + module + "internal/uri"},
	"internal/shares":   {gin, pgx, "net/http", sql, module},
	"internal/seal":     {gin, pgx, sql, module},
	"internal/embedpg":  {gin, module},
	"internal/issuers":  {gin, pgx, sql, module, "+" + module + "internal/jsondoc", "+" + module + "internal/oauth", "+" + module + "internal/rights", "+" + module + "internal/uri"},
	"internal/postgres": {gin, module, "+" + module + "internal/jsondoc", "+" + module + "internal/oauth", "+" + module + "internal/rights", "+" + module + "internal/uri"},
	"internal/tokens":   {gin, module, "+" + module + "internal/issuers", "+" + module + "internal/jsondoc", "+" + module + "internal/oauth", "+" + module + "internal/changefeed", "+" + module + "internal/postgres", "+" + module + "internal/rights", "+" + module + "internal/seal", "+" + module + "internal/uri"},
	"internal/registry": {gin, module + "gen/", module + "server", module + "client", module + "internal/embedpg"},

	// What tells the registry of other instances' changes.
	"internal/changefeed": {gin, module, "+" + module + "internal/jsondoc", "+" + module + "internal/oauth", "+" + module + "internal/postgres", "+" + module + "internal/rights", "+" + module + "internal/uri"},

	// What dialects share.
	"server/dialect":   {module + "gen/", module + "client", module + "internal/embedpg"},
	"server/admission": {module + "gen/", module + "client", module + "internal/embedpg"},
	"server/ops":       {pgx, module + "gen/", module + "client", module + "internal/"},
	"server/problem":   {pgx, module + "gen/", module + "client", module + "internal/registry"},
	"server/spec":      {pgx, module + "gen/", module + "client", module + "internal/registry"},

	"":                          {module},
	"server":                    {module + "client", module + "internal/embedpg", module + "internal/postgrestest"},
	"cmd/roster":                {module + "internal/postgrestest", module + "internal/servertest"},
	"internal/abuse":            {module},
	"internal/bench":            {module},
	"internal/faults":           {module},
	"internal/postgrestest":     {gin, module + "server", module + "client"},
	"internal/postgrestest/run": {gin, module + "server", module + "client"},
	"internal/servertest":       {module + "client"},
	"spec/check":                {module},
}

// importers lists all that programs link which import package client: nothing
// gets in unseen.
var importers = []string{
	"+github.com/go-jose/go-jose/v4", "+github.com/cenkalti/backoff/v5",
	"+go.opentelemetry.io/otel/trace", "+go.opentelemetry.io/otel/attribute", "+go.opentelemetry.io/otel/codes",
	"+go.opentelemetry.io/otel/propagation", "+go.opentelemetry.io/otel/semconv/", "+go.opentelemetry.io/otel/baggage",
	"+go.opentelemetry.io/otel/internal/baggage", "+go.opentelemetry.io/otel/internal/errorhandler", "+github.com/cespare/xxhash/",
}

// generated names the code of the dialects that are not called after it.
var generated = map[string]string{"native": "rosterapi"}

// TestDependenciesPointOneWay fails when a package reaches something its layer
// must not know.
func TestDependenciesPointOneWay(t *testing.T) {
	t.Parallel()
	imports := listImports(t, "..")
	for pkg := range imports {
		name, inside := strings.CutPrefix(pkg+"/", module)
		if !inside {
			continue
		}
		name = strings.TrimSuffix(name, "/")
		banned, known := layers[name]
		switch dialect, below := strings.CutPrefix(name, "server/"); {
		case known:
		case strings.HasPrefix(name, "gen/"):
			banned = []string{pgx, module, "+" + module + "internal/jsondoc"}
		case below:
			banned = []string{
				module + "client", module + "gen/", "+" + module + "gen/" + cmp.Or(generated[dialect], dialect+"api"),
				module + "server/", "+" + pkg, "+" + module + "server/admission", "+" + module + "server/dialect", "+" + module + "server/problem", "+" + module + "server/spec",
			}
			for _, direct := range imports[pkg] { // through the registry they come by necessity
				if violates(direct, []string{pgx, sql, module + "internal/embedpg"}) {
					t.Errorf("%s is a dialect and must not import %s", name, direct)
				}
			}
		case name != "gen" && name != "internal" && !strings.HasPrefix(name, "test/"):
			t.Errorf("%s has no line in layers: add one that says what it may not reach", name)
		}
		for _, dep := range reach(imports, pkg) {
			if violates(dep, banned) {
				t.Errorf("%s must not depend on %s", pkg, dep)
			}
			if dep == module+"server" && name != "cmd/roster" && name != "internal/servertest" {
				t.Errorf("%s must not depend on the assembled server", pkg)
			}
		}
	}
	for name := range layers {
		if _, ok := imports[strings.TrimSuffix(module+name, "/")]; !ok {
			t.Errorf("layers has a line for %q, which does not exist", name)
		}
	}
}

// TestImportersLinkTheClientAlone holds for a program of another module what the
// line of client in layers says: neither the server nor what it is made of.
func TestImportersLinkTheClientAlone(t *testing.T) {
	t.Parallel()
	imports := listImports(t, "../examples/inventory")
	deps := reach(imports, "example.com/inventory")
	if !slices.Contains(deps, module+"client") {
		t.Fatalf("examples/inventory does not import the client, but %v", deps)
	}
	for _, dep := range deps {
		if dep != module+"client" && violates(dep, layers["client"]) {
			t.Errorf("examples/inventory links %s", dep)
		}
	}
}

func violates(dep string, banned []string) bool {
	hit := false
	for _, prefix := range banned {
		if exception, ok := strings.CutPrefix(prefix, "+"); !ok {
			hit = hit || strings.HasPrefix(dep, prefix)
		} else if strings.HasPrefix(dep, exception) {
			return false
		}
	}
	return hit
}

// reach returns all that pkg depends on, without itself.
func reach(imports map[string][]string, pkg string) []string {
	seen := map[string]bool{pkg: true}
	todo := []string{pkg}
	var all []string
	for len(todo) > 0 {
		next := todo[0]
		todo = todo[1:]
		for _, dep := range imports[next] {
			if !seen[dep] {
				seen[dep] = true
				all, todo = append(all, dep), append(todo, dep)
			}
		}
	}
	return all
}

// listImports returns the imports of every package of the module in dir and of
// all that they depend on, tests left out.
func listImports(t *testing.T, dir string) map[string][]string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-json=ImportPath,Imports", "./...")
	cmd.Dir = dir
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	imports := map[string][]string{}
	for d := json.NewDecoder(out); ; {
		var pkg struct {
			ImportPath string
			Imports    []string
		}
		if err := d.Decode(&pkg); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		imports[pkg.ImportPath] = pkg.Imports
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	return imports
}
