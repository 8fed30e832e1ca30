// Package roster holds the published specification of Roster's HTTP API.
package roster

import _ "embed"

// OpenAPI is openapi.yaml, the OpenAPI 3.0.3 document of every dialect.
//
//go:embed openapi.yaml
var OpenAPI []byte
