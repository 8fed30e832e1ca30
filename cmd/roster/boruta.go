package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"

	"github.com/rosterhq/roster/server/boruta"
)

// borutaConfig reads what the Boruta dialect is configured by; the error names
// every mistake.
func (c *Config) borutaConfig() (boruta.Config, error) {
	config := boruta.Config{Master: c.BorutaProfile == "master", ProtectedClient: c.BorutaProtected, DefaultIdentityProvider: c.BorutaProvider}
	var mistakes []error
	if c.BorutaProfile != "release" && c.BorutaProfile != "master" {
		mistakes = append(mistakes, fmt.Errorf("ROSTER_BORUTA_PROFILE: %q is not release or master", c.BorutaProfile))
	}
	for name, id := range map[string]string{"ROSTER_BORUTA_PROTECTED_CLIENT": c.BorutaProtected, "ROSTER_BORUTA_IDENTITY_PROVIDER": c.BorutaProvider} {
		if _, err := uuid.Parse(id); id != "" && err != nil {
			mistakes = append(mistakes, fmt.Errorf("%s: %q is not a uuid", name, id))
		}
	}
	lifetimes := map[string]*int64{
		"access_token_ttl": &config.Lifetimes.AccessToken, "agent_token_ttl": &config.Lifetimes.AgentToken,
		"authorization_code_ttl": &config.Lifetimes.AuthorizationCode, "authorization_request_ttl": &config.Lifetimes.AuthorizationRequest,
		"refresh_token_ttl": &config.Lifetimes.RefreshToken, "id_token_ttl": &config.Lifetimes.IDToken,
	}
	for _, name := range slices.Sorted(maps.Keys(c.BorutaMaxTTL)) {
		lifetime, err := parseDuration(c.BorutaMaxTTL[name])
		seconds, uneven := wholeSeconds(lifetime)
		switch {
		case lifetimes[name] == nil:
			mistakes = append(mistakes, fmt.Errorf("ROSTER_BORUTA_MAX_TTL: %q is not one of %v", name, slices.Sorted(maps.Keys(lifetimes))))
		case err != nil || uneven != nil || seconds < 1 || seconds > 1<<31-1:
			mistakes = append(mistakes, fmt.Errorf("ROSTER_BORUTA_MAX_TTL: %s: %q is not a duration such as 1h or 30d, in whole seconds", name, c.BorutaMaxTTL[name]))
		default:
			*lifetimes[name] = seconds
		}
	}
	return config, errors.Join(mistakes...)
}
