package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/postgres"
	"github.com/rosterhq/roster/internal/registry"
	"github.com/rosterhq/roster/migrations"
)

func (a *app) migrate() *cobra.Command {
	var runtimeRole string
	cmd := &cobra.Command{
		Use: "migrate", GroupID: aServer, Short: "Bring the database schema to the newest version",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.load()
			if err != nil {
				return err
			}
			db, err := openDatabase(cmd.Context(), c, a.logger(c), false, true)
			if err != nil {
				return err
			}
			defer db.close()
			if err := db.up(cmd.Context()); err != nil {
				return err
			}
			version, err := db.schema(cmd.Context())
			if err != nil {
				return err
			}
			if runtimeRole != "" {
				if err := migrations.GrantRuntime(cmd.Context(), db.pool, runtimeRole); err != nil {
					return fmt.Errorf("--runtime-role: %w", err)
				}
			}
			fmt.Fprintf(a.stdout, "The schema is at version %d.\n", version)
			return a.listReserved(cmd.Context(), db)
		},
	}
	cmd.Flags().StringVar(&runtimeRole, "runtime-role", "", "give this role what serving takes, and no more")
	return cmd
}

// maxListed is how many clients listReserved lists.
const maxListed = 100

// listReserved prints clients whose identifiers no new client can have.
func (a *app) listReserved(ctx context.Context, db *database) error {
	names, err := postgres.New(db.pool).ReservedNames(ctx, maxListed+1)
	if err != nil || len(names) == 0 {
		return err
	}
	fmt.Fprintln(a.stdout, "These clients keep identifiers that new ones cannot have. Logs and events may take them for others; give them new ones:")
	for i, name := range names {
		if i == maxListed {
			fmt.Fprintln(a.stdout, "  and more")
			break
		}
		fmt.Fprintf(a.stdout, "  %q\n", name)
	}
	return nil
}

// withRegistry calls fn with a registry over the configured database.
func (a *app) withRegistry(ctx context.Context, create bool, fn func(*registry.Registry) error) error {
	c, err := a.load()
	if err != nil {
		return err
	}
	log := a.logger(c)
	db, err := openDatabase(ctx, c, log, false, false)
	if err != nil {
		return err
	}
	defer db.close()
	reg, err := openRegistry(ctx, c, db, create, log)
	if err != nil {
		return err
	}
	return fn(reg)
}

func (a *app) bootstrap() *cobra.Command {
	var createKeyset, allScopes bool
	cmd := &cobra.Command{
		Use: "bootstrap", GroupID: emergencies, Short: "Create an administrator and print its credentials once",
		Long: "Create a client that may do everything, and print its client_id and secret.\n\n" +
			"With ROSTER_BOOTSTRAP_CLIENT_ID and ROSTER_BOOTSTRAP_CLIENT_SECRET it is created with those, unless it exists.\n" +
			"One that was deleted comes back with the secrets, keys and grants that it had, for 30 days; after that it is created.\n" +
			"With --all-scopes one that exists gets every scope: those too that this release and later ones add.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.load()
			if err != nil {
				return err
			}
			return a.withRegistry(cmd.Context(), createKeyset, func(reg *registry.Registry) error {
				admin := credentials{ID: c.AdminID, Secret: oauth.NewSecret(c.AdminSecret)}
				if admin.ID == "" {
					admin.ID, admin.Secret = oauth.RandomText(oauth.Alphanumeric, 32), oauth.NewSecret(oauth.RandomText(oauth.URLSafe, 64))
				}
				_, did, err := reg.Administrator(cmd.Context(), admin.ID, admin.Secret)
				if err != nil {
					return err
				}
				widened := false
				if allScopes && did != registry.Made {
					if widened, err = reg.AllowEverything(cmd.Context(), admin.ID); err != nil {
						return err
					}
				}
				switch {
				case c.AdminID == "":
					fmt.Fprintf(a.stdout, "client_id      %s\nclient_secret  %s\n", admin.ID, admin.Secret.Reveal())
				case did == registry.Made:
					fmt.Fprintf(a.stdout, "Made the administrator %s.\n", admin.ID)
				case did == registry.Restored:
					fmt.Fprintf(a.stdout, "The administrator %s is back, with the secrets and keys that it had.\n", admin.ID)
					if widened {
						fmt.Fprintln(a.stdout, "It has every scope now.")
					}
				case widened:
					fmt.Fprintf(a.stdout, "The administrator %s has every scope now.\n", admin.ID)
				default:
					fmt.Fprintf(a.stdout, "The administrator %s exists.\n", admin.ID)
				}
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&createKeyset, "create-keyset", false, "make the keyset file if nothing was sealed yet")
	cmd.Flags().BoolVar(&allScopes, "all-scopes", false, "give every scope to the administrator that exists")
	return cmd
}

func (a *app) token() *cobra.Command {
	lifetime := duration(10 * time.Minute)
	cmd := &cobra.Command{
		Use: "token", GroupID: emergencies, Short: "Mint a short-lived token with every scope",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if d := time.Duration(lifetime); d < time.Second || d > time.Hour {
				return misused(cmd, "--lifetime: want 1s to 1h")
			}
			return a.withRegistry(cmd.Context(), false, func(reg *registry.Registry) error {
				t, err := reg.MintManagementToken(cmd.Context(), operator(), time.Duration(lifetime))
				if err == nil {
					fmt.Fprintln(a.stdout, t.AccessToken.Reveal())
				}
				return err
			})
		},
	}
	cmd.Flags().Var(&lifetime, "lifetime", "how long the token is valid, at most 1h")
	return cmd
}

// health asks a running server whether it is ready, for container engines.
func (a *app) health() *cobra.Command {
	var address string
	cmd := &cobra.Command{
		Use: "health", GroupID: aServer, Short: "Exit 0 if a server is ready: the one on this machine, or at --url",
		RunE: func(cmd *cobra.Command, _ []string) error {
			probe := &http.Client{Timeout: 5 * time.Second}
			if address == "" {
				c, err := a.load()
				if err != nil {
					return err
				}
				if address = c.localAddress(); c.TLSCert != "" {
					probe.Transport = localTransport()
				}
			}
			req, err := http.NewRequestWithContext(cmd.Context(), http.MethodGet, strings.TrimSuffix(address, "/")+"/readyz", nil)
			if err != nil {
				return usageError{err}
			}
			resp, err := probe.Do(req)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				return fmt.Errorf("not ready: %s", resp.Status)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&address, "url", "", "`ADDRESS` of the server to ask; default: what the configuration says of this machine")
	return cmd
}

// localAddress is where the server on this machine listens, by its configuration
// or by what the one that runs has left in its folder.
func (c *Config) localAddress() string {
	host, port, err := net.SplitHostPort(c.Addr)
	if err != nil {
		port = "8080"
		if running, err := runningFrom(c.DataDir); err == nil && running != "" && c.PublicURL == "" {
			if u, err := url.Parse(running); err == nil {
				port = u.Port()
			}
		}
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	scheme := "http"
	if c.TLSCert != "" {
		scheme = "https"
	}
	return scheme + "://" + net.JoinHostPort(host, port)
}

// localTransport does not check the certificate's name: it is the server's own
// machine, and nothing secret is sent.
func localTransport() *http.Transport {
	return &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // see above
}
