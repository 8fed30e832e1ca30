package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/rosterhq/roster/client"
	"github.com/rosterhq/roster/internal/jsondoc"
)

var eventColumns = []column{
	{head: "WHEN", member: "occurred_at", show: moment}, {head: "ACTION", member: "action", name: true},
	{head: "TARGET", member: "target", name: true}, {head: "ACTOR", member: "actor", flexible: true, spare: true},
}

func (a *app) events() *cobra.Command {
	var since duration
	cmd := &cobra.Command{
		Use: "events", GroupID: overAPI, Aliases: []string{"event"}, Short: "Show what happened, or follow what happens",
		Long: "Show the events of the audit trail that match every given condition, newest first. --follow shows events " +
			"as they happen, until it is interrupted.",
		Example: "  roster events --target GTUY20MntRjWQMHIKMeFXEUQ6BSuyhBr --limit 20\n  roster events --action client.deleted --since 7d\n  roster events --follow -o json",
	}
	addList(cmd)
	flags := cmd.Flags()
	flags.BoolP("follow", "F", false, "show events as they happen")
	flags.String("action", "", "only events of this `ACTION`, such as client.updated")
	flags.String("target", "", "only events about this `ID`")
	flags.String("actor", "", "only what this `SUBJECT` of tokens did")
	flags.Var(&since, "since", "only events of the last so long, such as 24h or 7d")
	completeBy(cmd, "target", a.offerClients())
	return a.online(cmd, func(ctx context.Context, api *client.Client, _ []string) error {
		query := url.Values{}
		for _, name := range []string{"action", "target", "actor"} {
			ask(cmd, query, name, name)
		}
		if follow, _ := flags.GetBool("follow"); follow {
			if flags.Changed("since") || flags.Changed("limit") {
				return misused(cmd, "--follow begins now and has no end: leave out --since and --limit")
			}
			return a.followEvents(ctx, cmd, api, query)
		}
		if flags.Changed("since") {
			query.Set("since", time.Now().Add(-time.Duration(since)).UTC().Format(time.RFC3339))
		}
		return a.printList(cmd, "events", eventColumns, hideSecrets, func(cursor string, size int) ([]jsondoc.Object, string, error) {
			query.Set("limit", strconv.Itoa(size))
			if cursor != "" {
				query.Set("after", cursor)
			}
			page, err := fetch[struct {
				Events []jsondoc.Object
				Next   string
			}](ctx, api, rosterPath+"/events", query)
			return page.Events, page.Next, err
		})
	})
}

// followEvents prints the events that match query as they happen: JSON and YAML
// as one document each.
func (a *app) followEvents(ctx context.Context, cmd *cobra.Command, api *client.Client, query url.Values) error {
	p := a.newPrinter(cmd, eventColumns, true)
	for part, err := range api.EventFeed(ctx, &client.FeedOptions{After: "latest"}) {
		if errors.Is(err, context.Canceled) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, e := range part.Events {
			if !matches(query.Get("action"), e.Action) || !matches(query.Get("target"), e.Target) || !matches(query.Get("actor"), e.Actor) {
				continue
			}
			text, err := json.Marshal(e)
			if err != nil {
				return err
			}
			var object jsondoc.Object
			if err := json.Unmarshal(text, &object); err != nil {
				return err
			}
			if err := p.print(object); err != nil {
				return err
			}
		}
		if err := p.flush(); err != nil {
			return err
		}
	}
	return nil
}

func matches(want, got string) bool { return want == "" || want == got }
