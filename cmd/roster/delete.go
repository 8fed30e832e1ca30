package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rosterhq/roster/client"
)

func addYes(cmd *cobra.Command) {
	cmd.Flags().BoolP("yes", "y", false, "do not ask")
}

// deleteAll deletes the named things after asking, and says which it could not.
// What is not there counts as deleted where the API says so.
func (a *app) deleteAll(ctx context.Context, cmd *cobra.Command, what string, ids []string, remove func(ctx context.Context, id string) (*http.Response, error)) error {
	question := fmt.Sprintf("Delete the %s %s?", what, visible(ids[0]))
	if len(ids) > 1 {
		question = fmt.Sprintf("Delete %d %ss: %s?", len(ids), what, visible(strings.Join(ids, ", ")))
	}
	if err := a.confirm(cmd, question); err != nil {
		return err
	}
	bar := a.progress(len(ids), "deleting")
	for i, id := range ids {
		resp, err := remove(ctx, id)
		if err != nil {
			_ = bar.Clear()
			if ctx.Err() != nil {
				return fmt.Errorf("interrupted: %d of %d are certainly deleted", i, len(ids))
			}
			if len(ids) == 1 {
				return err
			}
			return fmt.Errorf("%d of %d are deleted, then %s: %w", i, len(ids), id, err)
		}
		resp.Body.Close()
		_ = bar.Add(1)
	}
	return bar.Finish()
}

func (a *app) deleteClients() *cobra.Command {
	cmd := &cobra.Command{
		Use: "delete CLIENT_ID...", Aliases: []string{"rm"}, Short: "Delete clients with their credentials, secrets and grants", Args: cobra.MinimumNArgs(1),
		ValidArgsFunction: inOrder(true, a.offerClients()),
		Long:              "Delete clients with their credentials, secrets and grants. One that does not exist counts as deleted.",
		Example:           "  roster clients delete GTUY20MntRjWQMHIKMeFXEUQ6BSuyhBr\n  roster clients delete --yes $(roster clients list -o json | jq -r '.[] | select(.name | startswith(\"test-\")).client_id')",
	}
	addYes(cmd)
	return a.online(cmd, func(ctx context.Context, api *client.Client, ids []string) error {
		return a.deleteAll(ctx, cmd, "client", ids, func(ctx context.Context, id string) (*http.Response, error) {
			return api.Auth0DeleteClient(ctx, id, nil)
		})
	})
}
