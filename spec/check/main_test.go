package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const shop = `
openapi: 3.0.3
info: {title: Shop, version: 1.4.2}
paths:
  /orders:
    get:
      operationId: listOrders
      parameters:
        - {name: state, in: query, schema: {type: string, enum: [open, paid]}}
      responses:
        '200':
          description: The orders.
          content: {application/json: {schema: {type: array, items: {$ref: '#/components/schemas/Order'}}}}
    post:
      operationId: createOrder
      requestBody:
        required: true
        content: {application/json: {schema: {$ref: '#/components/schemas/NewOrder'}}}
      responses:
        '201': {description: Done.}
    delete: {operationId: deleteOrders, deprecated: true, x-sunset: '2020-01-31', responses: {'204': {description: Gone.}}}
components:
  schemas:
    NewOrder:
      type: object
      required: [article]
      properties:
        article: {type: string, maxLength: 40}
        amount: {type: integer}
        payment: {type: string, enum: [card, invoice]}
    Order:
      type: object
      properties:
        id: {type: string}
        total: {type: number}
`

const news = `# Changelog

## [2.0.0] - Unreleased
## [1.10.0] - Unreleased
## [1.5.0] - Unreleased
## [1.4.3] - Unreleased
## [1.4.2] - 2026-01-31
## [1.3.9] - 2026-01-02
`

// TestVersionMustFitTheChange compares a document with the released shop 1.4.2.
func TestVersionMustFitTheChange(t *testing.T) {
	t.Parallel()
	if _, err := compare([]byte(shop), write(t, shop)); err != nil { // builds oasdiff, once for all cases
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		version  string
		old, new string // what the document has instead
		want     string // what the error says; none when empty
	}{
		"nothing changed":                           {"1.4.2", "", "", ""},
		"description without a new version":         {"1.4.2", "The orders.", "All orders.", "raise it"},
		"comment without a new version":             {"1.4.2", "  schemas:", "  schemas: # all", "raise it"},
		"description under an older version":        {"1.3.9", "The orders.", "All orders.", "raise it"},
		"version that the changelog lacks":          {"1.4.4", "The orders.", "All orders.", "no heading"},
		"version that is a prefix of another":       {"1.1.0", "", "", "no heading"},
		"no semantic version":                       {"1.5", "", "", "MAJOR.MINOR.PATCH"},
		"description in a patch":                    {"1.4.3", "The orders.", "All orders.", ""},
		"new member of an answer in a patch":        {"1.4.3", "id: {type: string}", "id: {type: string}\n        note: {type: string}", "need a minor one"},
		"new member of an answer":                   {"1.5.0", "id: {type: string}", "id: {type: string}\n        note: {type: string}", ""},
		"new optional member of a request":          {"1.5.0", "amount: {", "note: {type: string}\n        amount: {", ""},
		"new operation":                             {"1.10.0", "  /orders:\n", "  /health:\n    get: {operationId: health, responses: {'204': {description: Fine.}}}\n  /orders:\n", ""},
		"new choice in a request":                   {"1.5.0", "[card, invoice]", "[card, cash, invoice]", ""},
		"removed operation":                         {"1.5.0", "    get:", "    head:", "need a major one:\n  GET /orders"},
		"removed operation in a major version":      {"2.0.0", "    get:", "    head:", ""},
		"removed operation after its announced end": {"1.5.0", "    delete:", "    x-delete:", "need a major one:\n  DELETE /orders"},
		"renamed operation":                         {"1.5.0", "operationId: listOrders", "operationId: getOrders", "need a major one"},
		"new required member":                       {"1.5.0", "required: [article]", "required: [article, amount]", "need a major one"},
		"new required parameter":                    {"1.5.0", "parameters:\n", "parameters:\n        - {name: shop, in: query, required: true, schema: {type: string}}\n", "need a major one"},
		"other type in a request":                   {"1.5.0", "amount: {type: integer}", "amount: {type: string}", "need a major one"},
		"other type in an answer":                   {"1.5.0", "total: {type: number}", "total: {type: string}", "need a major one"},
		"tighter limit in a request":                {"1.5.0", "maxLength: 40", "maxLength: 20", "need a major one"},
		"removed choice in a request":               {"1.5.0", "[card, invoice]", "[card]", "need a major one"},
		"removed choice of a parameter":             {"1.5.0", "[open, paid]", "[open]", "need a major one"},
		"removed member of a request":               {"1.5.0", "        amount: {type: integer}\n", "", "need a major one"},
		"removed member of an answer":               {"1.5.0", "        total: {type: number}\n", "", "need a major one"},
		"removed status of success":                 {"1.5.0", "'201'", "'202'", "need a major one"},
		"removed member in a major version":         {"2.0.0", "        total: {type: number}\n", "", ""},
		"document that is none":                     {"1.5.0", "/orders:", "/orders: [", "did not find"},
		"document that oasdiff cannot resolve":      {"1.5.0", "schemas/NewOrder", "schemas/Gone", "exit status"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if !strings.Contains(shop, tc.old) {
				t.Fatalf("the shop has no %q", tc.old)
			}
			document := strings.Replace(shop, tc.old, tc.new, 1)
			document = strings.Replace(document, "1.4.2", tc.version, 1)
			verdict, err := check(write(t, document), write(t, shop), write(t, news))
			if tc.want == "" && err != nil {
				t.Errorf("refused: %v", err)
			}
			if tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("error %v (verdict %q), want one that says %q", err, verdict, tc.want)
			}
		})
	}

	t.Run("Roster's own document without an operation", func(t *testing.T) {
		t.Parallel()
		text, err := os.ReadFile("../../openapi.yaml")
		if err != nil {
			t.Fatal(err)
		}
		released := strings.Replace(string(text), "\n  version: ", "\n  version: 0.0.1 # ", 1)
		document := strings.Replace(released, "0.0.1", "0.0.2", 1)
		document = strings.Replace(document, "\n  /oauth/token:\n", "\n  /oauth/tokens:\n", 1)
		_, err = check(write(t, document), write(t, released), write(t, "## [0.0.2]"))
		if err == nil || !strings.Contains(err.Error(), "need a major one:\n  POST /oauth/token:") {
			t.Errorf("error %v, want one about POST /oauth/token", err)
		}
	})
}

func TestFirstReleaseNeedsOnlyAChangelog(t *testing.T) {
	t.Parallel()
	nothing := filepath.Join(t.TempDir(), "none.yaml")
	if _, err := check(write(t, shop), nothing, write(t, news)); err != nil {
		t.Errorf("refused: %v", err)
	}
	if _, err := check(write(t, shop), nothing, write(t, "# Changelog\n")); err == nil {
		t.Error("accepted although the changelog lacks the version")
	}
}

// write puts text into a file and returns its path.
func write(t *testing.T, text string) string {
	t.Helper()
	file, err := os.CreateTemp(t.TempDir(), "*")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteString(text); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Name()
}

func TestClosedObjectsAreSeen(t *testing.T) {
	t.Parallel()
	closed := strings.Replace(strings.Replace(shop, "version: 1.4.2", "version: 1.5.0", 1), "    NewOrder:\n      type: object\n", "    NewOrder:\n      type: object\n      additionalProperties: false\n", 1)
	released, document := write(t, shop), write(t, closed)
	if _, err := check(document, released, write(t, news)); err == nil || !strings.Contains(err.Error(), "the object `NewOrder` takes no members but its own") {
		t.Errorf("unargued: %v", err)
	}
	argued := strings.Replace(news, "## [1.5.0] - Unreleased\n", "## [1.5.0] - Unreleased\n\n### Tightened for security\n\n- `NewOrder` is closed.\n", 1)
	if verdict, err := check(document, released, write(t, argued)); err != nil {
		t.Errorf("argued: %s, %v", verdict, err)
	}
}
