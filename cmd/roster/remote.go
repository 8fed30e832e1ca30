package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/caarlos0/env/v11"
	"github.com/spf13/cobra"

	"github.com/rosterhq/roster/client"
)

// connectionHelp is shown by `roster help connection`.
const connectionHelp = `Commands such as clients, grants and events talk to a running Roster over its
API. None of them creates or opens a database.

Where Roster is, the first of these that is set:

  --url, ROSTER_URL   such as https://roster.example
  ROSTER_PUBLIC_URL   what the server itself is configured with
  ROSTER_DATA_DIR     the server that runs from this folder, as make run
                      starts it; default .roster
  neither             http://localhost:8080

Who is calling, one of these:

  ROSTER_TOKEN            an access token
  ROSTER_CLIENT_ID        a client with a grant on the management API, with
    ROSTER_CLIENT_SECRET    its secret, or
    ROSTER_CLIENT_KEY_FILE  its private key in a PEM file;
                            ROSTER_CLIENT_KEY_ALG is how it signs:
                            RS256 (default), RS384 or PS256
  neither                 the administrator that make run has created in
                          ROSTER_DATA_DIR; its secret is sent to this
                          machine only

ROSTER_TOKEN_FILE and ROSTER_CLIENT_SECRET_FILE name files that hold the values. No flag takes a secret:
everybody who is logged in to a machine sees the arguments of its processes.

ROSTER_AUDIENCE is the audience of the tokens. Set it if you reach Roster by another address than its
public one: ROSTER_PUBLIC_URL followed by /api/v2/. Default: the address followed by /api/v2/.

Proxies are those of HTTPS_PROXY and HTTP_PROXY; SSL_CERT_FILE names a file of certificate authorities to trust.

Exit codes: 0 done, 1 failed, 2 the command line is wrong and nothing was done.`

// urlFile is where a Roster that makes its own administrator says, next to
// adminFile, where it can be reached while it runs.
const urlFile = "url"

// online makes cmd a command that talks to a running Roster: fn gets a client
// of the one that flags and environment name.
func (a *app) online(cmd *cobra.Command, fn func(ctx context.Context, api *client.Client, args []string) error) *cobra.Command {
	cmd.Flags().String("url", "", "`ADDRESS` of Roster (see roster help connection)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := a.connection(cmd)
		if err != nil {
			return err
		}
		api, err := client.New(c.url, c.config)
		if err != nil {
			return fmt.Errorf("%s: %w", visible(withoutUser(c.url)), err)
		}
		return c.explain(possible(cmd, fn(cmd.Context(), api, args)))
	}
	return cmd
}

// connection is where a Roster is, and who calls it.
type connection struct {
	url    string
	config client.Config
}

// withoutUser returns an address without the user and password that somebody
// may have put into it.
func withoutUser(address string) string {
	if i := strings.LastIndex(address, "@"); i >= 0 {
		return "…" + address[i:]
	}
	return address
}

// connection reads it from flags and environment.
func (a *app) connection(cmd *cobra.Command) (connection, error) {
	environ, err := expand(a.environ, "ROSTER_CLIENT_SECRET", "ROSTER_TOKEN")
	vars := env.ToMap(environ)
	flag, _ := cmd.Flags().GetString("url")
	dir := cmp.Or(vars["ROSTER_DATA_DIR"], defaultDataDir)
	c := connection{url: strings.TrimRight(cmp.Or(flag, vars["ROSTER_URL"], vars["ROSTER_PUBLIC_URL"]), "/"), config: client.Config{
		ClientID: vars["ROSTER_CLIENT_ID"], ClientSecret: vars["ROSTER_CLIENT_SECRET"], Token: vars["ROSTER_TOKEN"],
		KeyFile: vars["ROSTER_CLIENT_KEY_FILE"], Algorithm: vars["ROSTER_CLIENT_KEY_ALG"], Attempts: 4,
		Audience: vars["ROSTER_AUDIENCE"], UserAgent: "roster/" + programVersion(),
	}}
	secret, key := c.config.ClientSecret != "", c.config.KeyFile != ""
	switch {
	case err != nil:
		return c, err
	case secret && key:
		return c, errors.New("ROSTER_CLIENT_SECRET and ROSTER_CLIENT_KEY_FILE: set one of them")
	case (c.config.ClientID != "") != (secret || key):
		return c, errors.New("ROSTER_CLIENT_ID and ROSTER_CLIENT_SECRET (or ROSTER_CLIENT_KEY_FILE): set both or neither")
	case c.config.Token != "" && c.config.ClientID != "":
		return c, errors.New("ROSTER_TOKEN and ROSTER_CLIENT_ID: set one of them")
	}
	running, err := runningFrom(dir)
	if err != nil {
		return c, err
	}
	c.url = cmp.Or(c.url, running)
	if c.config.ClientID == "" && c.config.Token == "" {
		if err := c.useAdministrator(dir, running, vars["ROSTER_PUBLIC_URL"]); err != nil {
			return c, err
		}
	}
	c.url = cmp.Or(c.url, "http://localhost:8080")
	return c, nil
}

// runningFrom returns the address of the Roster that runs from dir, "" if none
// does.
func runningFrom(dir string) (string, error) {
	text, err := os.ReadFile(filepath.Join(dir, urlFile))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return strings.TrimSpace(string(text)), err
}

// useAdministrator takes the credentials that are kept in dir. They are those
// of this machine's Roster and are given to no other.
func (c *connection) useAdministrator(dir, running, public string) error {
	const hint = "set ROSTER_CLIENT_ID and ROSTER_CLIENT_SECRET, or ROSTER_TOKEN; see `roster help connection`"
	admin, err := readCredentials(filepath.Join(dir, adminFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errors.New("no credentials: " + hint)
	case err != nil:
		return err
	case c.url == "":
		return fmt.Errorf("no Roster runs from %s: start it, or say with --url where one is", dir)
	}
	if u, err := url.Parse(c.url); err != nil || c.url != running && c.url != strings.TrimRight(public, "/") && !loopback(u.Hostname()) {
		return fmt.Errorf("no credentials for %s: %s", visible(withoutUser(c.url)), hint)
	}
	c.config.ClientID, c.config.ClientSecret = admin.ID, admin.Secret.Reveal()
	if c.config.Audience == "" && running != "" {
		c.config.Audience = running + "/api/v2/"
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// explain says of a failed call, in one line, what went wrong and what to do.
func (c connection) explain(err error) error {
	if _, wrong := errors.AsType[usageError](err); wrong || err == nil {
		return err
	}
	caller := "the token"
	if c.config.ClientID != "" {
		caller = "the client " + c.config.ClientID
	}
	unreachable, failed := errors.AsType[*url.Error](err)
	e, answered := errors.AsType[*client.Error](err)
	if answered {
		before, _, _ := strings.Cut(err.Error(), e.Error())
		err = errors.New(before + cmp.Or(e.Message, http.StatusText(e.StatusCode)))
		if e.RequestID != "" && e.StatusCode/100 == 5 {
			err = fmt.Errorf("%w (request %s)", err, e.RequestID)
		}
	}
	switch {
	case errors.Is(err, context.Canceled):
		return errors.New("interrupted")
	case answered && strings.HasPrefix(e.Message, "Service not found"):
		err = fmt.Errorf("the Roster at %s has another public address: set ROSTER_AUDIENCE to that address followed by /api/v2/", c.url)
	case answered && (e.StatusCode == http.StatusUnauthorized || e.Code == "Bearer"):
		err = fmt.Errorf("%s refuses %s: %w", c.url, caller, err)
	case answered && e.StatusCode == http.StatusForbidden:
		err = fmt.Errorf("%s may not do this: %w", caller, err)
	case errors.Is(err, context.DeadlineExceeded):
		err = fmt.Errorf("%s has not answered in time; a change may be made all the same", c.url)
	case failed:
		err = fmt.Errorf("%s cannot be reached: %w; --url or ROSTER_URL say where Roster runs", c.url, unreachable.Err)
	}
	return errors.New(visible(err.Error()))
}
