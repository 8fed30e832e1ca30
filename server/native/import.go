package native

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"

	"github.com/rosterhq/roster/gen/rosterapi"
	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/registry"
	"github.com/rosterhq/roster/server/problem"
	"github.com/rosterhq/roster/server/spec"
)

func (h *handler) RosterImportRecords(ctx context.Context, req rosterapi.RosterImportRecordsRequestObject) (rosterapi.RosterImportRecordsResponseObject, error) {
	format := h.formats[string(req.Body.Format)]
	list := make([]registry.Import, len(req.Body.Records))
	for i, raw := range req.Body.Records {
		var record jsondoc.Object
		if json.Unmarshal(raw, &record) != nil || record == nil {
			list[i] = registry.Unfit("", "", &oauth.Error{Kind: oauth.Invalid, Reason: oauth.Malformed, Detail: "The record must be a JSON object."})
			continue
		}
		list[i] = format.Importer(record)
	}
	results, err := h.registry.Import(ctx, list, registry.ImportMode{
		Dry: req.Body.DryRun != nil && *req.Body.DryRun, Strict: req.Body.Strict != nil && *req.Body.Strict,
		Restore: req.Body.Restore != nil && *req.Body.Restore,
	})
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(results, func(r registry.ImportResult) bool { return oauth.KindOf(r.Err) == oauth.Forbidden }) {
		h.registry.Denied(ctx, "POST /api/roster/v1/import") // the answer is 200, so the denial is recorded here
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
