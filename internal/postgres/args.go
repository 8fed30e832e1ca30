package postgres

import (
	"encoding/json"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
)

// sendable returns args with JSON as text: pgx sends maps and raw JSON only
// where the server has told it the type of the parameter, which it does not ask
// for in the modes exec and simple_protocol.
func sendable(args []any) []any {
	for i, arg := range args {
		switch v := arg.(type) {
		case jsondoc.Object:
			if args[i] = nil; v != nil {
				args[i] = string(v.Append(nil))
			}
		case json.RawMessage:
			if args[i] = nil; v != nil {
				args[i] = string(v)
			}
		case map[string]oauth.Change:
			args[i] = string(jsondoc.Must(v))
		}
	}
	return args
}
