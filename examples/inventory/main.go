// Command inventory lists the keys and certificates of a Roster's clients that
// have expired or soon will, one a line: when, the client's identifier and name,
// the credential's id and name.
//
//	export ROSTER_URL=https://roster.example ROSTER_CLIENT_ID=… ROSTER_CLIENT_SECRET=…
//	inventory -days 30
//
// The client it runs as needs the scopes read:clients and
// read:client_credentials.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/rosterhq/roster/client"
)

func main() {
	days := flag.Int("days", 30, "list what expires within so many `days`")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *days); err != nil {
		fmt.Fprintln(os.Stderr, "inventory:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, days int) error {
	api, err := client.New(os.Getenv("ROSTER_URL"), client.Config{
		ClientID:     os.Getenv("ROSTER_CLIENT_ID"),
		ClientSecret: os.Getenv("ROSTER_CLIENT_SECRET"),
		Scopes:       []string{"read:clients", "read:client_credentials"},
		UserAgent:    "inventory",
	})
	if err != nil {
		return err
	}
	return list(ctx, api, time.Now().AddDate(0, 0, days), os.Stdout)
}

// list writes the credentials that expire before limit, in the order in which
// their clients were made.
func list(ctx context.Context, api *client.Client, limit time.Time, out io.Writer) error {
	clients := api.Clients(ctx, &client.ClientFilter{Global: new(false)})
	for c, err := range clients {
		if err != nil {
			return fmt.Errorf("listing clients: %w", err)
		}
		for credential, err := range api.Credentials(ctx, c.ID) {
			if errors.Is(err, client.ErrNotFound) {
				break // the client was deleted meanwhile
			}
			if err != nil {
				return fmt.Errorf("listing the credentials of %s: %w", c.ID, err)
			}
			at := credential.ExpiresAt
			if at.IsZero() || at.After(limit) {
				continue
			}
			if _, err := fmt.Fprintf(out, "%s  %s %q  %s %q\n", at.Format(time.DateOnly), c.ID, c.Name, credential.ID, credential.Name); err != nil {
				return err
			}
		}
	}
	return nil
}
