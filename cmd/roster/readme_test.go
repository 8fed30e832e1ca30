package main

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// variables lists the fields of Config that have a variable.
func variables() []reflect.StructField {
	return slices.DeleteFunc(reflect.VisibleFields(reflect.TypeFor[Config]()), func(f reflect.StructField) bool { return f.Tag.Get("env") == "" })
}

func TestConfigurationTablesEveryVariable(t *testing.T) {
	t.Parallel()
	var want []string
	for _, f := range variables() {
		standard := ""
		if value := f.Tag.Get("envDefault"); value != "" {
			standard = "`" + value + "`"
		}
		want = append(want, fmt.Sprintf("| `%s` | %s | %s |", f.Tag.Get("env"), standard, strings.ReplaceAll(f.Tag.Get("help"), "|", `\|`)))
	}
	text, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	got := regexp.MustCompile("(?m)^\\| `.*$").FindAllString(string(text), -1)
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the tables of docs/configuration.md (-program +document):\n%s", diff)
	}
}

// TestDocumentsNameOnlyVariablesThatExist guards against renaming a variable in
// the program alone.
func TestDocumentsNameOnlyVariablesThatExist(t *testing.T) {
	t.Parallel()
	name := regexp.MustCompile(`\b(ROSTER_[A-Z_]+|[A-Z_]*DATABASE_URL[A-Z_]*)\b`)
	known := append(name.FindAllString(pagesOfReference(t)["connection.md"], -1),
		"TEST_DATABASE_URL", "DATABASE_URL_FILE", "ROSTER_BOOTSTRAP_CLIENT_SECRET_FILE", "ROSTER_UID", "ROSTER_GID")
	for _, f := range variables() {
		known = append(known, f.Tag.Get("env"))
	}
	files := []string{"../../Dockerfile", "../../docker-compose.yml", "../../Makefile", "../../deploy/compose-secrets", "../../examples/quickstart.sh"}
	for _, pattern := range []string{"../../*.md", "../../docs/*.md", "../../docs/*/*.md"} {
		more, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, more...)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range name.FindAllString(string(text), -1) {
			if !slices.Contains(known, found) {
				t.Errorf("%s names %s, which is no variable of the program", file, found)
			}
		}
	}
}
