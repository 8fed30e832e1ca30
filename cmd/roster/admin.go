package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/rosterhq/roster/internal/oauth"
)

// credentials are those of an administrator.
type credentials struct {
	ID     string
	Secret oauth.Secret
	File   string // where they are kept; "" for nowhere
	New    bool   // made by this start
}

// adminFile holds a token request, ready for `curl -d @FILE`.
const adminFile = "administrator"

// readCredentials reads a file that keptCredentials has made.
func readCredentials(file string) (credentials, error) {
	c := credentials{File: file}
	text, err := os.ReadFile(file)
	if err != nil {
		return c, err
	}
	form, err := url.ParseQuery(strings.TrimSpace(string(text)))
	c.ID, c.Secret = form.Get("client_id"), oauth.NewSecret(form.Get("client_secret"))
	if err != nil || c.ID == "" || c.Secret.IsZero() {
		return c, fmt.Errorf("%s does not hold an administrator's credentials: remove it to get a new administrator", file)
	}
	return c, nil
}

// keptCredentials reads the credentials kept in dir, or makes them. They are
// on disk before the registry knows them, so a crash between loses nothing.
func keptCredentials(dir string) (credentials, error) {
	c, err := readCredentials(filepath.Join(dir, adminFile))
	if !errors.Is(err, fs.ErrNotExist) {
		return c, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return c, err
	}
	c.ID, c.Secret, c.New = oauth.RandomText(oauth.Alphanumeric, 32), oauth.NewSecret(oauth.RandomText(oauth.URLSafe, 64)), true
	request := "grant_type=client_credentials&client_id=" + c.ID + "&client_secret=" + c.Secret.Reveal()
	if err := writeDurably(c.File, request, os.Link); errors.Is(err, fs.ErrExist) { // another process was faster
		return readCredentials(c.File)
	} else if err != nil {
		return c, err
	}
	return c, nil
}

// writeDurably makes a private file that is whole or absent. publish gives it its
// name: os.Rename replaces what is there, os.Link fails.
func writeDurably(path, text string, publish func(from, to string) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone already when renamed
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return publish(f.Name(), path)
}

// banner tells whoever started Roster at a terminal how to use it.
func (a *app) banner(c Config, db *database, admin credentials, taken bool) {
	w := a.stdout
	fmt.Fprintf(w, "\nRoster is running at %s\n", c.PublicURL)
	if taken {
		fmt.Fprintln(w, "  (port 8080 is taken by another program, this is the next free one)")
	}
	if db.embedded != nil {
		fmt.Fprintf(w, "  database       embedded PostgreSQL in %s\n", db.embedded.Dir)
	}
	fmt.Fprintf(w, "  keyset         %s\n                 back it up too, apart from the database\n", cmp.Or(c.KeysetFile, "in ROSTER_KEYSET"))
	fmt.Fprintf(w, "  administrator  client_id %s\n", admin.ID)
	request := "-d grant_type=client_credentials -d client_id=" + admin.ID + " -d client_secret=…"
	switch {
	case admin.New:
		fmt.Fprintf(w, "                 client_secret %s\n                 shown this once, kept in %s\n", admin.Secret.Reveal(), admin.File)
	case admin.File != "":
		fmt.Fprintf(w, "                 client_secret in %s\n", admin.File)
	}
	if admin.File != "" {
		request = "-d @" + shellQuote(admin.File)
	}
	fmt.Fprintf(w, "  reference      %s/docs\n", c.PublicURL)
	fmt.Fprintf(w, "\nGet a token:\n\n  curl -s %s/oauth/token \\\n    %s \\\n    -d audience=%s/api/v2/\n", c.PublicURL, request, c.PublicURL)
	fmt.Fprintf(w, "\nCreate a client:\n\n%s\n", c.firstClient(db.embedded != nil && admin.File == filepath.Join(c.DataDir, adminFile)))
}

// firstClient is a command that creates a client: by this program, where it finds
// out by itself who may, or else with the token.
func (c *Config) firstClient(ours bool) string {
	if !ours {
		return "  curl -s " + c.PublicURL + "/api/v2/clients \\\n    -H \"Authorization: Bearer $TOKEN\" \\\n" +
			"    -H 'Content-Type: application/json' \\\n    -d '{\"name\":\"My first client\"}'\n"
	}
	where := ""
	if usual, err := filepath.Abs(".roster"); err != nil || usual != c.DataDir {
		where = "ROSTER_DATA_DIR=" + shellQuote(c.DataDir) + " \\\n    "
	}
	return "  " + where + shellQuote(os.Args[0]) + " clients create --name 'My first client' \\\n    --show-secrets -o json\n"
}

func shellQuote(s string) string {
	if strings.Trim(s, "/._-"+oauth.Alphanumeric) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
