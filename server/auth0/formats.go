package auth0

import (
	"errors"
	"regexp"

	"github.com/rosterhq/roster/internal/uri"
)

// formats are the string formats that the specification names.
var formats = map[string]func(string) error{
	"callback-url":                                  uri.CallbackURL,
	"url-with-placeholders":                         uri.URLWithPlaceholders,
	"absolute-uri-or-empty":                         uri.AbsoluteURIOrEmpty,
	"absolute-https-uri-or-empty":                   uri.AbsoluteHTTPSURIOrEmpty,
	"absolute-https-uri-with-placeholders-or-empty": uri.AbsoluteHTTPSURIWithPlaceholdersOrEmpty,
	"url":                                uri.URL,
	"url-or-null":                        uri.URL,
	"ec-initiate-login-uri-template-url": uri.LoginTemplateURL,
	"organization-id":                    pattern(`^org_[0-9A-Za-z]{16}$`),
	"credential-id":                      pattern(`^cred_[0-9A-Za-z]{22}$`),
	"client-id":                          pattern(`^[0-9A-Za-z_-]{1,64}$`),
	"connection-profile-id":              pattern(`^cop_[0-9A-Za-z]{22}$`),
	"user-attribute-profile-id":          pattern(`^uap_[0-9A-Za-z]{22}$`),
}

func pattern(expression string) func(string) error {
	re := regexp.MustCompile(expression)
	return func(s string) error {
		if !re.MatchString(s) {
			return errors.New("does not match " + expression)
		}
		return nil
	}
}
