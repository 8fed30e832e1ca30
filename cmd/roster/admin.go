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
	fmt.Fprintf(w, "  keyset         %s (back it up with the database: one is useless without the other)\n", cmp.Or(c.KeysetFile, "in ROSTER_KEYSET"))
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
	token := fmt.Sprintf("curl -s %s/oauth/token %s -d audience=%s/api/v2/", c.PublicURL, request, c.PublicURL)
	fmt.Fprintf(w, "\nGet a token:\n\n  %s\n", token)
	fmt.Fprintf(w, "\nCreate a client:\n\n  curl -s %s/api/v2/clients -H \"Authorization: Bearer $(%s | sed 's/.*\"access_token\":\"\\([^\"]*\\)\".*/\\1/')\" -H 'Content-Type: application/json' -d '{\"name\":\"My first client\"}'\n\n", c.PublicURL, token)
}

func shellQuote(s string) string {
	if strings.Trim(s, "/._-"+oauth.Alphanumeric) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
