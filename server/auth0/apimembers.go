package auth0

import (
	"encoding/json"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/server/dialect"
)

// encryptionKey is where token_encryption holds its key.
const encryptionKey = "encryption_key"

// readEncryption splits token_encryption; both are nil where there is none.
func readEncryption(raw json.RawMessage) (encryption, key jsondoc.Object, err error) {
	if raw == nil || jsondoc.IsNull(raw) {
		return nil, nil, nil
	}
	if err = json.Unmarshal(raw, &encryption); err == nil {
		err = encryption.Read(encryptionKey, &key)
	}
	return encryption, key, err
}

// setTokenEncryption replaces the member. A key without pem, as answers show it,
// is the one that is there.
func setTokenEncryption(doc jsondoc.Object, wire json.RawMessage) error {
	encryption, key, err := readEncryption(wire)
	if err != nil {
		return err
	}
	if encryption == nil {
		delete(doc, oauth.MemberTokenEncryption)
		return nil
	}
	delete(key, "thumbprint_sha256")
	const place = "." + encryptionKey + ".pem"
	if key["pem"] == nil {
		_, had, err := readEncryption(doc[oauth.MemberTokenEncryption])
		if err != nil {
			return err
		}
		if had["pem"] == nil {
			return &dialect.Broken{Below: place, Rule: "required", Detail: "is required"}
		}
		key["pem"] = had["pem"]
	} else if _, err := oauth.EncryptionKeyThumbprint(jsondoc.String(key["pem"])); err != nil {
		return &dialect.Broken{Below: place, Rule: "format", Detail: err.Error()}
	}
	encryption[encryptionKey] = jsondoc.Must(key)
	doc[oauth.MemberTokenEncryption] = jsondoc.Must(encryption)
	return nil
}

// getTokenEncryption shows the thumbprint in the place of the key.
func getTokenEncryption(doc jsondoc.Object) (json.RawMessage, error) {
	encryption, key, err := readEncryption(doc[oauth.MemberTokenEncryption])
	if err != nil || encryption == nil {
		return doc[oauth.MemberTokenEncryption], err
	}
	delete(key, "thumbprint_sha256")
	if thumbprint, err := oauth.EncryptionKeyThumbprint(jsondoc.String(key["pem"])); err == nil { // else an earlier release took it
		key["thumbprint_sha256"] = jsondoc.Must(thumbprint)
	}
	delete(key, "pem")
	encryption[encryptionKey] = jsondoc.Must(key)
	return json.Marshal(encryption)
}

// setAuthorization merges the policies by subject: one that is not named stays.
func setAuthorization(doc jsondoc.Object, wire json.RawMessage) error {
	merged, err := oauth.MergeAuthorization(doc["subject_type_authorization"], wire)
	if err == nil {
		doc["subject_type_authorization"] = merged
	}
	return err
}

// getPolicy shows a policy that has an id; earlier releases took others.
func getPolicy(doc jsondoc.Object) (json.RawMessage, error) {
	var policy struct {
		ID string `json:"policy_id"`
	}
	raw := doc["authorization_policy"]
	if raw == nil || jsondoc.IsNull(raw) {
		return raw, nil
	}
	if err := json.Unmarshal(raw, &policy); err != nil || policy.ID == "" {
		return nil, err
	}
	return raw, nil
}
