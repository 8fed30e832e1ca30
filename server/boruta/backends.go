package boruta

import (
	"context"

	"github.com/rosterhq/roster/gen/borutaapi"
	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/server/spec"
)

// BackendID names the backend that every identity provider has.
const BackendID = "1c1f2a34-8b7e-4f50-a7d5-3c5d0b6a9e01"

// backend is the backend that Boruta starts with, with the members that its
// admin panel knows. The panel breaks on any other member and on a list that is
// null; without a backend it can make no identity provider, and so no client.
var backend = jsondoc.Object{
	"id":   jsondoc.Must(BackendID),
	"name": jsondoc.Must("Default"),
	"type": jsondoc.Must("Elixir.BorutaIdentity.Accounts.Internal"),
	"features": jsondoc.Must([]string{ // the switches of an identity provider that the panel offers
		"authenticable", "totpable", "webauthnable", "registrable", "user_editable", "confirmable",
		"reset_password", "consentable", "destroyable",
	}),
	"is_default":                  yes,
	"create_default_organization": no,

	"roles": empty, "metadata_fields": empty, "federated_servers": empty,
	"verifiable_credentials": empty, "verifiable_presentations": empty,

	"password_hashing_alg":  jsondoc.Must("argon2"),
	"password_hashing_opts": jsondoc.Must(jsondoc.Object{}),

	"ldap_pool_size": jsondoc.Must(5),
	"ldap_host":      null, "ldap_user_rdn_attribute": null, "ldap_base_dn": null, "ldap_ou": null,
	"ldap_master_dn": null, "ldap_master_password": null,

	"smtp_from": null, "smtp_relay": null, "smtp_username": null, "smtp_password": null,
	"smtp_ssl": null, "smtp_tls": null, "smtp_port": null,
}

func (h *handler) BorutaListBackends(
	context.Context, borutaapi.BorutaListBackendsRequestObject,
) (borutaapi.BorutaListBackendsResponseObject, error) {
	return borutaapi.BorutaListBackends200JSONResponse(data(spec.OrderOf("BorutaBackend").List(), []jsondoc.Object{backend})), nil
}

func (h *handler) BorutaGetBackend(
	_ context.Context, req borutaapi.BorutaGetBackendRequestObject,
) (borutaapi.BorutaGetBackendResponseObject, error) {
	id, err := parseID(req.ID)
	if err == nil && id != BackendID {
		err = oauth.Missing("backend")
	}
	return borutaapi.BorutaGetBackend200JSONResponse(data(spec.OrderOf("BorutaBackend"), backend)), err
}
