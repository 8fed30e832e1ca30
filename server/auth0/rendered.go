package auth0

import (
	"cmp"
	"io"
	"net/http"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/server/dialect"
	"github.com/rosterhq/roster/server/spec"
)

// Schemas of openapi.yaml whose order answers have.
const (
	clientSchema     = "GetClientResponseContent"
	apiSchema        = "ResourceServer"
	grantSchema      = "ClientGrantResponseContent"
	credentialSchema = "ClientCredential"
	errorSchema      = "Auth0Error"
)

// listSchemas are those of lists, by what they hold.
var listSchemas = map[string]string{
	"clients": "ListClientsResponseContent", "client_grants": "ListClientGrantResponseContent",
	"organizations": "ListClientGrantOrganizationsResponseContent", "resource_servers": "ListResourceServerResponseContent",
}

// rendered is an answer whose body is JSON already, its members in the order of
// the specification. The generated responses would read all of it through once
// more, and sort it in their own way.
type rendered struct {
	status int // 0: 200
	body   []byte
	etag   string // "": none
	shows  []oauth.Disclosure
}

// Shows makes rendered a dialect.Showing.
func (r rendered) Shows() []oauth.Disclosure { return r.shows }

// showing returns r with what it shows that has no event yet.
func (r rendered) showing(shows []oauth.Disclosure) rendered {
	r.shows = shows
	return r
}

// document renders a document in the order of a schema.
func document(status int, schema string, doc jsondoc.Object, etag string) rendered {
	return rendered{status: status, body: spec.OrderOf(schema).Append(nil, doc), etag: etag}
}

// value renders a value in the order of a schema.
func value(status int, schema string, v any) rendered {
	return rendered{status: status, body: spec.OrderOf(schema).AppendValue(nil, jsondoc.Must(v))}
}

func (r rendered) write(w http.ResponseWriter) error {
	w.Header().Set("Content-Type", "application/json")
	if r.etag != "" {
		w.Header().Set("ETag", r.etag)
	}
	w.WriteHeader(cmp.Or(r.status, http.StatusOK))
	if _, err := w.Write(r.body); err != nil { // which others may be sending too: nothing can be appended
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func (r rendered) VisitAuth0CreateClientResponse(w http.ResponseWriter) error { return r.write(w) }
func (r rendered) VisitAuth0GetClientResponse(w http.ResponseWriter) error    { return r.write(w) }
func (r rendered) VisitAuth0ListClientsResponse(w http.ResponseWriter) error  { return r.write(w) }
func (r rendered) VisitAuth0UpdateClientResponse(w http.ResponseWriter) error { return r.write(w) }
func (r rendered) VisitAuth0RotateClientSecretResponse(w http.ResponseWriter) error {
	return r.write(w)
}
func (r rendered) VisitAuth0CreateClientGrantResponse(w http.ResponseWriter) error { return r.write(w) }
func (r rendered) VisitAuth0GetClientGrantResponse(w http.ResponseWriter) error    { return r.write(w) }
func (r rendered) VisitAuth0ListClientGrantsResponse(w http.ResponseWriter) error  { return r.write(w) }
func (r rendered) VisitAuth0UpdateClientGrantResponse(w http.ResponseWriter) error { return r.write(w) }
func (r rendered) VisitAuth0CreateResourceServerResponse(w http.ResponseWriter) error {
	return r.write(w)
}
func (r rendered) VisitAuth0GetResourceServerResponse(w http.ResponseWriter) error { return r.write(w) }
func (r rendered) VisitAuth0UpdateResourceServerResponse(w http.ResponseWriter) error {
	return r.write(w)
}
func (r rendered) VisitAuth0CreateClientCredentialResponse(w http.ResponseWriter) error {
	return r.write(w)
}
func (r rendered) VisitAuth0GetClientCredentialResponse(w http.ResponseWriter) error {
	return r.write(w)
}
func (r rendered) VisitAuth0ListClientCredentialsResponse(w http.ResponseWriter) error {
	return r.write(w)
}
func (r rendered) VisitAuth0UpdateClientCredentialResponse(w http.ResponseWriter) error {
	return r.write(w)
}

// listed is a list of one of listSchemas.
type listed struct{ dialect.List }

func (l listed) VisitAuth0ListClientsResponse(w http.ResponseWriter) error         { return l.Write(w) }
func (l listed) VisitAuth0ListClientGrantsResponse(w http.ResponseWriter) error    { return l.Write(w) }
func (l listed) VisitAuth0ListResourceServersResponse(w http.ResponseWriter) error { return l.Write(w) }
func (l listed) VisitAuth0ListClientGrantOrganizationsResponse(w http.ResponseWriter) error {
	return l.Write(w)
}
