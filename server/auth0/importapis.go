package auth0

import (
	"maps"
	"strings"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/registry"
	"github.com/rosterhq/roster/server/dialect"
)

// Scopes needed to import an API or a grant.
var (
	apiRights   = []string{"create:resource_servers", "update:resource_servers"}
	grantRights = []string{"create:client_grants", "update:client_grants"}
)

var apiID, grantID = pattern(`^[0-9a-f]{24}$`), pattern(`^cgr_[0-9A-Za-z]{16}$`)

func (im *importer) api(record jsondoc.Object) registry.Import {
	identifier := jsondoc.String(record["identifier"])
	if string(record["is_system"]) == "true" {
		return registry.Skip(registry.KindResourceServer, identifier, "A system API of Auth0's.")
	}
	one, err := im.readAPI(identifier, record)
	if err != nil {
		return registry.Unfit(registry.KindResourceServer, identifier, err)
	}
	return one
}

func (im *importer) readAPI(identifier string, record jsondoc.Object) (registry.Import, error) {
	secret, err := dialect.ImportedSecret(record, "signing_secret")
	if err != nil {
		return registry.Import{}, err
	}
	// client_id comes with the client that stands for the API, which names it.
	wire, notes := apiFields.Pick(record)
	delete(wire, "signing_secret")
	if wire, notes, err = im.fit("CreateResourceServerRequestContent", wire, notes); err != nil {
		return registry.Import{}, err
	}
	for _, name := range describe(wire) {
		notes = append(notes, registry.Note{
			Code: registry.NoteLeftOut, Member: name, Message: "Roster has no place for some members of " + name + ".", Lost: true,
		})
	}
	said := wire["subject_type_authorization"]
	encryption, key, err := readEncryption(wire[oauth.MemberTokenEncryption])
	if err != nil {
		return registry.Import{}, err
	}
	unshown := encryption != nil && key["pem"] == nil
	if unshown { // as Auth0 answers: the API stays one whose tokens are encrypted
		delete(wire, oauth.MemberTokenEncryption)
		delete(key, "thumbprint_sha256")
		encryption[encryptionKey] = jsondoc.Must(key)
		notes = append(notes, registry.Note{
			Code: registry.NoteNoKey, Member: oauth.MemberTokenEncryption, Message: "The source does not show the key of token_encryption: set it.", Lost: true,
		})
	}
	api := oauth.ResourceServer{Identifier: identifier, Document: maps.Clone(apiDefaults)}
	if err := applyAPI(&api, wire); err != nil {
		return registry.Import{}, err
	}
	if unshown {
		api.Document[oauth.MemberTokenEncryption] = jsondoc.Must(encryption)
	}
	if id := jsondoc.String(record["id"]); apiID(id) == nil {
		api.ID = id
	}
	api.NewSecret = secret
	return im.registry.ImportOfAPI(api, said, apiRights, notes), nil
}

func (im *importer) grant(record jsondoc.Object) registry.Import {
	id := jsondoc.String(record["id"])
	one, err := im.readGrant(record)
	if err != nil {
		return registry.Unfit(registry.KindClientGrant, id, err)
	}
	return one
}

func (im *importer) readGrant(record jsondoc.Object) (registry.Import, error) {
	wire, notes := grantFields.Pick(record)
	wire, notes, err := im.fit("CreateClientGrantRequestContent", wire, notes)
	if err != nil {
		return registry.Import{}, err
	}
	g, err := readGrant(wire)
	if err != nil {
		return registry.Import{}, err
	}
	if id := jsondoc.String(record["id"]); grantID(id) == nil {
		g.ID = id
	}
	var foreign *registry.Note
	if strings.HasSuffix(g.Audience, managementPath) {
		foreign = &registry.Note{
			Code: registry.NoteSkipped, Member: "audience",
			Message: "A grant on the management API of its source. Grant the client " + im.registry.ManagementAudience() + " if it is to manage Roster.",
		}
	}
	return im.registry.ImportOfGrant(g, takesGrants, foreign, grantRights, notes), nil
}
