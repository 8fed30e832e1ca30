package native

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"

	"github.com/rosterhq/roster/gen/rosterapi"
	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/registry"
	"github.com/rosterhq/roster/server/dialect"
	"github.com/rosterhq/roster/server/problem"
	"github.com/rosterhq/roster/server/spec"
)

// clientRights are the scopes for any change of clients outside Boruta's dialect.
var clientRights = []string{"create:clients", "update:clients"}

func (h *handler) RosterImportRecords(ctx context.Context, req rosterapi.RosterImportRecordsRequestObject) (rosterapi.RosterImportRecordsResponseObject, error) {
	format := h.formats[string(req.Body.Format)]
	list, denied := make([]registry.Import, len(req.Body.Records)), false
	for i, raw := range req.Body.Records {
		var record jsondoc.Object
		if json.Unmarshal(raw, &record) != nil || record == nil {
			list[i] = registry.Unfit("", "", &oauth.Error{Kind: oauth.Invalid, Reason: oauth.Malformed, Detail: "The record must be a JSON object."})
			continue
		}
		list[i] = format.Importer(record)
		if list[i].Err == nil {
			list[i].Err = mayImport(dialect.Caller(ctx), list[i], format.Name)
			denied = denied || list[i].Err != nil
		}
	}
	if denied { // of which the answer's status does not tell
		h.registry.Denied(ctx, "POST /api/roster/v1/import")
	}
	results, err := h.registry.Import(ctx, list, registry.ImportMode{
		Dry: req.Body.DryRun != nil && *req.Body.DryRun, Strict: req.Body.Strict != nil && *req.Body.Strict,
	})
	if err != nil {
		return nil, err
	}
	body := rosterapi.RosterImportResults{Results: make([]rosterapi.RosterImportResult, len(results))}
	for i, r := range results {
		one := rosterapi.RosterImportResult{Kind: list[i].Kind, Target: list[i].Target, Outcome: rosterapi.RosterImportResultOutcome(r.Outcome)}
		if r.Err != nil {
			one.Error = new(failure(ctx, r.Err, format.WireName))
		}
		for _, n := range r.Warnings {
			one.Warnings = append(one.Warnings, note(n.Code, n.Message, n.Member))
		}
		body.Results[i] = one
	}
	return rosterapi.RosterImportRecords200JSONResponse{Body: body}, nil
}

// mayImport asks for the scopes that taking over a record takes.
func mayImport(caller *oauth.Caller, one registry.Import, format string) error {
	rights := one.Rights
	if one.Kind == registry.KindClient && format != "boruta" {
		rights = append(rights, clientRights...)
	}
	var lacking []string
	for _, scope := range rights {
		if !caller.Has(scope) {
			lacking = append(lacking, scope)
		}
	}
	if lacking == nil {
		return nil
	}
	return &oauth.Error{Kind: oauth.Forbidden, Reason: oauth.LacksScope, Detail: "The record takes a token with " + strings.Join(lacking, ", ") + "."}
}

func note(code, message, member string) rosterapi.RosterImportNote {
	n := rosterapi.RosterImportNote{Code: code, Message: message}
	if member != "" {
		n.Member = &member
	}
	return n
}

var failureCodes = map[oauth.Kind]string{
	oauth.Invalid: "invalid", oauth.NotFound: "not_found", oauth.Conflict: "conflict", oauth.Forbidden: "forbidden",
}

// failure tells why a record could not be imported. wire returns the name that
// the record has for a member.
func failure(ctx context.Context, err error, wire func(member string) string) rosterapi.RosterImportNote {
	if misshapen, ok := errors.AsType[spec.Mismatches](err); ok {
		err = misshapen.Invalid()
	}
	code := failureCodes[oauth.KindOf(err)]
	if code == "" {
		if text := problem.Text(err, wire); problem.Status(err) < 500 {
			return note("invalid", text, "")
		}
		slog.ErrorContext(ctx, "import failed", "err", err, "request_id", oauth.OriginOf(ctx).RequestID)
		return note("internal", "An internal error occurred.", "")
	}
	e, _ := errors.AsType[*oauth.Error](err)
	if len(e.Violations) == 0 {
		return note(code, e.Detail, "")
	}
	var all []string
	for _, v := range e.Violations {
		all = append(all, v.Sentence(wire(v.Member)))
	}
	return note(code, strings.Join(all, "; "), wire(e.Violations[0].Member))
}
