package client

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Event is something that happened, as the audit trail has it. It holds no
// secret.
type Event struct {
	ID         string    `json:"id"`
	OccurredAt time.Time `json:"occurred_at"`
	// Actor is the subject of the token it was done with; system for Roster
	// itself, anonymous for somebody who did not authenticate.
	Actor string `json:"actor"`
	// ActorClient is the client that did it; empty if there is none.
	ActorClient string `json:"actor_client"`
	Action      string `json:"action"` // such as client.updated
	TargetType  string `json:"target_type"`
	Target      string `json:"target"` // "*" for several, which Changes lists as targets
	// Changes tells what changed, or more about what happened, by member.
	Changes   map[string]json.RawMessage `json:"changes"`
	RequestID string                     `json:"request_id"`
	Address   string                     `json:"address"`
}

// EventFilter says which events to show: those that match all of it. The zero
// value, and nil, are for all, newest first.
type EventFilter struct {
	Action, TargetType, Target string
	Actor, ActorClient         string
	Since, Until               time.Time
	OldestFirst                bool
	// PageSize is how many are read at a time, at most and by default 500.
	PageSize int
}

// Events searches the audit trail. To see every event exactly once, use
// [Client.EventFeed].
func (c *Client) Events(ctx context.Context, filter *EventFilter) iter.Seq2[Event, error] {
	f, query := copied(filter), url.Values{}
	setAll(query, "action", f.Action, "target_type", f.TargetType, "target", f.Target, "actor", f.Actor, "actor_client", f.ActorClient)
	if !f.Since.IsZero() {
		query.Set("since", f.Since.UTC().Format(time.RFC3339Nano))
	}
	if !f.Until.IsZero() {
		query.Set("until", f.Until.UTC().Format(time.RFC3339Nano))
	}
	if f.OldestFirst {
		query.Set("order", "oldest")
	}
	return pages(c, ctx, "/api/roster/v1/events", query, "after", "limit", f.PageSize, maxEventPage, func(page struct {
		Events []Event
		Next   string
	}) ([]Event, string) {
		return page.Events, page.Next
	})
}

// EventPart is a part of the feed.
type EventPart struct {
	Events []Event `json:"events"`
	// Next is the FeedOptions.After that continues after this part, in another
	// process too.
	Next string `json:"next"`
	// More reports whether there are further events already.
	More bool `json:"more"`
}

// FeedOptions say where the feed begins. Nil is for the oldest event kept.
type FeedOptions struct {
	// After is the Next of a part, or "latest" for events from now on.
	After string
	// Wait is how long a request waits while there is nothing new, whole seconds
	// up to 20. Default: 20 seconds. Config.Timeout must be longer.
	Wait time.Duration
	// PageSize is how many events a part has at most, at most and by default 500.
	PageSize int
}

// EventFeed follows the audit trail, part by part, and ends with an error only,
// at the latest that of ctx. A part may be empty; when its events are dealt
// with, keep its Next. [Error.StatusCode] 410: what After names is no longer
// kept.
func (c *Client) EventFeed(ctx context.Context, o *FeedOptions) iter.Seq2[EventPart, error] {
	own, query := copied(o), url.Values{}
	setAll(query, "after", own.After)
	wait := 20
	if own.Wait > 0 {
		wait = int((own.Wait + time.Second - 1) / time.Second)
	}
	query.Set("wait", strconv.Itoa(wait))
	return pages(c, ctx, "/api/roster/v1/events/feed", query, "after", "limit", own.PageSize, maxEventPage, func(part EventPart) ([]EventPart, string) {
		return []EventPart{part}, part.Next
	})
}

// ImportOptions say whose records are imported, and how.
type ImportOptions struct {
	// Format is roster, for what Export gives, auth0, boruta or hydra.
	Format string
	// DryRun tells what would become of the records and does nothing.
	DryRun bool
	// Strict fails a record if a part of it cannot be imported, in place of
	// leaving the part out.
	Strict bool
}

// ImportResult is what became of a record.
type ImportResult struct {
	Kind   string `json:"kind"` // client, resource_server, client_grant, …
	Target string `json:"target"`
	// Outcome is created, updated, unchanged, skipped or failed.
	Outcome  string       `json:"outcome"`
	Error    *ImportNote  `json:"error"` // nil unless it failed
	Warnings []ImportNote `json:"warnings"`
}

// ImportNote is what kept a record or a part of it from being imported.
type ImportNote struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Member  string `json:"member"` // empty if it is the record
}

// Import imports up to 100 records, each as its source shows it, and tells what
// became of each, in their order. Running it again is safe.
func (c *Client) Import(ctx context.Context, records []json.RawMessage, o ImportOptions) ([]ImportResult, error) {
	got, err := one[struct{ Results []ImportResult }](c, ctx, Request{Method: http.MethodPost, Path: "/api/roster/v1/import", Body: map[string]any{
		"format": o.Format, "dry_run": o.DryRun, "strict": o.Strict, "records": records,
	}})
	if err != nil {
		return nil, err
	}
	return got.Results, nil
}

// ExportOptions say what an export holds. Nil will do.
type ExportOptions struct {
	// IncludeSecrets exports secrets and private keys too.
	IncludeSecrets bool
	// PageSize is how many records are read at a time, at most and by default 100.
	PageSize int
}

// Export reads the whole registry, record by record, in the order in which
// [Client.Import] must get them back under the format roster. It is no snapshot:
// what is made, changed or deleted meanwhile may or may not show.
func (c *Client) Export(ctx context.Context, o *ExportOptions) iter.Seq2[json.RawMessage, error] {
	own, query := copied(o), url.Values{}
	if own.IncludeSecrets {
		query.Set("include_secrets", "true")
	}
	return pages(c, ctx, "/api/roster/v1/export", query, "cursor", "take", own.PageSize, maxPage, func(page struct {
		Records []json.RawMessage
		Next    string
	}) ([]json.RawMessage, string) {
		return page.Records, page.Next
	})
}
