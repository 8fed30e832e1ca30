package postgres_test

import (
	"strings"
	"testing"

	"github.com/rosterhq/roster/internal/postgres"
)

// malformed are ways to write a password into a URL without encoding or
// quoting it.
var malformed = map[string]func(password string) string{
	"URL":            func(p string) string { return "postgres://roster:" + p + "@db.example:5433/roster?sslmode=disable" },
	"hosts":          func(p string) string { return "postgresql://roster:" + p + "@a.example,b.example:5433/roster" },
	"socket":         func(p string) string { return "postgres://roster:" + p + "@/roster?host=/run/postgresql" },
	"parameter":      func(p string) string { return "postgres://db.example/roster?user=roster&password=" + p },
	"key's password": func(p string) string { return "postgres://roster@db.example/roster?sslpassword=" + p },
	"another scheme": func(p string) string { return "mysql://roster:" + p + "@db.example/roster" },
	"one slash":      func(p string) string { return "postgres:/roster:" + p + "@db.example/roster" },
	"no scheme":      func(p string) string { return "roster:" + p + "@db.example/roster" },
	"keywords":       func(p string) string { return "host=db.example password=" + p + " dbname=roster" },
	"quoted":         func(p string) string { return "host=db.example password='" + p + "' dbname=roster" },
}

func FuzzURLShowsNoPassword(f *testing.F) {
	for _, around := range [][2]string{
		{"", ""}, {"77/", ""}, {"p@", ""}, {"p@ss/", "/x"}, {"", "?x=y"}, {"77?", "=1"}, {"#", "#"}, {"", "%"}, {"%", "zz"}, {"%2", ""}, {"a b ", ""},
		{"[", "]"}, {"[", ""}, {":", ":"}, {",", ",1"}, {"'", ""}, {`\`, `\`}, {"a ", " b"}, {"\x00", ""}, {"é", "\xff"}, {"\n", "\t"}, {"5432/", "?sslmode=x"},
	} {
		f.Add(around[0], around[1])
	}
	const canary = "CANARY"
	f.Fuzz(func(t *testing.T, before, after string) {
		for name, write := range malformed {
			password := before + canary + after
			inList := name == "keywords" || name == "quoted" || name == "parameter" || name == "key's password"
			if inList && strings.Contains(password, "=") {
				continue // which sets something else, the host perhaps
			}
			text := write(password)
			config, err := postgres.ParseURL(text)
			if err != nil && strings.Contains(err.Error(), canary) {
				t.Errorf("%s: the error for %q is %v", name, text, err)
			}
			if shown := postgres.Shown(text); strings.Contains(shown, canary) {
				t.Errorf("%s: %q is shown as %s", name, text, shown)
			}
			if err != nil {
				continue
			}
			if host := config.ConnConfig.Host; strings.Contains(host, canary) { // which would be looked up
				t.Errorf("%s: the host of %q is %s", name, text, host)
			}
		}
	})
}

func TestURLIsShownByHostAndDatabase(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"postgres://me:x@db.example:5433/roster?sslmode=disable":   "postgres://db.example:5433/roster",
		"postgres://me:x@a.example,b.example:5433/roster":          "postgres://a.example:5432,b.example:5433/roster",
		"postgres://me:a%40b%2F@[::1]/roster":                      "postgres://[::1]:5432/roster",
		"postgres://me:a?b#c:d@db.example/roster":                  "postgres://db.example:5432/roster",
		"postgresql://me:x@/roster?host=/run/postgresql&port=5433": "postgres:///roster?host=%2Frun%2Fpostgresql&port=5433",
		"host=db.example password='my \\' x' dbname=roster":        "postgres://db.example:5432/roster",
		"postgres://me:x@db.example/two%20words":                   "postgres://db.example:5432/two%20words",
		"postgres://me:p@ss@db.example/roster":                     "[redacted]",
		"postgres://me:77/x@db.example/roster":                     "[redacted]",
		"postgres://db.example/roster?user=me@corp":                "[redacted]",
	} {
		if shown := postgres.Shown(text); shown != want {
			t.Errorf("%s is shown as %s, want %s", text, shown, want)
		}
	}
}

func TestURLIsRefusedWithAHint(t *testing.T) {
	t.Parallel()
	for text, words := range map[string]string{
		"postgres://me:p@ss@db.example/roster":                            "@ as %40",
		"postgres://me:77/x@db.example/roster":                            "/ as %2F",
		"postgres://me:x/y@db.example/roster":                             "/ as %2F",
		"postgres://me:50%@db.example/roster":                             "% as %25",
		"postgres://me:x@db.example:port/roster":                          "invalid port",
		"postgres://me:x@db.example/roster?sslmode=maybe":                 "sslmode",
		"postgres://me:x@db.example/roster?sslrootcert=/no/ca.pem":        "no such file",
		"postgres://me:x@db.example/roster?target_session_attrs=x":        "target_session_attrs",
		"postgres://me:x@db.example/roster?pool_max_conns=x":              "pool_max_conns",
		"mysql://me:x@db.example/roster":                                  "postgres://",
		"db.example:5432":                                                 "postgres://",
		"host=db.example password=two words":                              "single quotes",
		"host=db.example password='x":                                     "single quotes",
		"postgres://me:x@db.example/roster?default_query_exec_mode=magic": "default_query_exec_mode",
		"postgres://me:x@db.example/roster?a-b=1":                         "a parameter",
	} {
		if _, err := postgres.ParseURL(text); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
