package boruta_test

import "testing"

func TestSmoke(t *testing.T) {
	t.Parallel()
	a := start(t)
	c := a.create(object{"name": "x"})
	t.Log(a.read(id(c)))
	a.send("PATCH", path(c), c, 200)
	d := a.send("POST", "/api/clients", object{"identity_provider": object{"id": a.provider}}, 201)
	t.Log(d)
	a.Do(a.Admin, "POST", path(d)+"/regenerate_did/", nil).Want(200)
	a.Do(a.Admin, "HEAD", path(d), nil).Want(200)
	a.Do(a.Admin, "DELETE", path(d)+"/", nil).Want(204)
	l := a.Do(a.Admin, "GET", "/api/clients/", nil).Want(200)
	t.Log(string(l.Body))
	t.Log(string(a.Do(a.Admin, "GET", "/api/nothing", nil).Body))
}
