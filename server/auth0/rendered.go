package auth0

import "net/http"

// rendered is an answer whose body is JSON already. The generated responses
// would read all of it through once more.
type rendered struct {
	body []byte
	etag string // "": none
}

func (r rendered) write(w http.ResponseWriter) error {
	w.Header().Set("Content-Type", "application/json")
	if r.etag != "" {
		w.Header().Set("ETag", r.etag)
	}
	_, err := w.Write(append(r.body, '\n'))
	return err
}

func (r rendered) VisitAuth0GetClientResponse(w http.ResponseWriter) error        { return r.write(w) }
func (r rendered) VisitAuth0ListClientsResponse(w http.ResponseWriter) error      { return r.write(w) }
func (r rendered) VisitAuth0ListClientGrantsResponse(w http.ResponseWriter) error { return r.write(w) }
func (r rendered) VisitAuth0ListResourceServersResponse(w http.ResponseWriter) error {
	return r.write(w)
}
func (r rendered) VisitAuth0ListClientGrantOrganizationsResponse(w http.ResponseWriter) error {
	return r.write(w)
}
