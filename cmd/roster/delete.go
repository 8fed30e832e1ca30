package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rosterhq/roster/client"
	"github.com/rosterhq/roster/internal/jsondoc"
)

func addDelete(cmd *cobra.Command) {
	cmd.Flags().BoolP("yes", "y", false, "do not ask")
	cmd.Flags().BoolP("quiet", "q", false, "do not say what was deleted")
	cmd.Flags().Bool("ignore-not-found", false, "succeed also for what does not exist")
}

// deleteAll deletes what is found under ids in a collection, after asking, and
// says which it did. The API counts what is not there as deleted; a person who
// mistypes an id wants to know. So all are looked up first, and nothing is
// deleted where one of them is missing.
func (a *app) deleteAll(ctx context.Context, cmd *cobra.Command, api *client.Client, what, collection string, ids []string) error {
	found, err := a.lookUp(ctx, cmd, api, what, collection, ids)
	if err != nil || len(found) == 0 {
		return err
	}
	question := fmt.Sprintf("Delete the %s %s?", what, found[0])
	if len(found) > 1 {
		names := make([]string, len(found))
		for i, f := range found {
			names[i] = f.String()
		}
		question = fmt.Sprintf("Delete %d %ss: %s?", len(found), what, strings.Join(names, ", "))
	}
	if err := a.confirm(cmd, question); err != nil {
		return err
	}
	quiet, _ := cmd.Flags().GetBool("quiet")
	bar := a.progress(len(found), "deleting")
	for i, f := range found {
		if err := remove(ctx, api, client.Path(collection, f.id)); err != nil {
			_ = bar.Clear()
			switch {
			case ctx.Err() != nil:
				return fmt.Errorf("interrupted: %d of %d were deleted for certain", i, len(found))
			case len(found) == 1:
				return err
			}
			return fmt.Errorf("%d of %d were deleted, then %s: %w", i, len(found), f.id, err)
		}
		_ = bar.Add(1)
		if !quiet {
			_ = bar.Clear()
			fmt.Fprintf(a.stdout, "%s %s deleted\n", what, f)
		}
	}
	return bar.Finish()
}

// named is what an id stands for, as people know it.
type named struct{ id, name string }

func (n named) String() string {
	if n.name == "" || n.name == n.id {
		return visible(n.id)
	}
	return fmt.Sprintf("%s (%s)", visible(n.id), visible(n.name))
}

// lookUp returns what is there under ids. What is not is an error, unless it is
// to be ignored. Callers that may not read are believed.
func (a *app) lookUp(ctx context.Context, cmd *cobra.Command, api *client.Client, what, collection string, ids []string) ([]named, error) {
	ignore, _ := cmd.Flags().GetBool("ignore-not-found")
	var found []named
	var missing []string
	for _, id := range ids {
		query := map[string][]string{"fields": {"name"}}
		if collection != clientsPath && collection != apisPath {
			query = nil
		}
		object, err := fetch[jsondoc.Object](ctx, api, client.Path(collection, id), query)
		switch {
		case err == nil || errors.Is(err, client.ErrForbidden):
			found = append(found, named{id, cmp.Or(jsondoc.String(object["name"]), jsondoc.String(object["audience"]))})
		case errors.Is(err, client.ErrNotFound):
			missing = append(missing, visible(id))
		default:
			return nil, err
		}
	}
	if len(missing) > 0 && !ignore {
		text := fmt.Sprintf("%s %s not found", what, strings.Join(missing, ", "))
		if len(ids) > 1 {
			text += "; nothing was deleted"
		}
		return nil, errors.New(text)
	}
	return found, nil
}

func (a *app) deleteClients() *cobra.Command {
	cmd := &cobra.Command{
		Use: "delete CLIENT_ID...", Aliases: []string{"rm"}, Short: "Delete clients with their credentials, secrets and grants",
		ValidArgsFunction: inOrder(true, a.offerClients()),
		Long: "Delete clients with their credentials, secrets and grants. If one of them does not exist, " +
			"nothing is deleted, unless --ignore-not-found is given. `roster clients restore` brings them back within 30 days.",
		Example: "  roster clients delete GTUY20MntRjWQMHIKMeFXEUQ6BSuyhBr\n" +
			"  roster clients delete --yes $(roster clients list --name test- -q)",
	}
	addDelete(cmd)
	return a.online(cmd, func(ctx context.Context, api *client.Client, ids []string) error {
		return a.deleteAll(ctx, cmd, api, "client", clientsPath, ids)
	})
}
