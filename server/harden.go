package server

import (
	"strings"

	"github.com/gin-gonic/gin"
)

// harden tells browsers to do nothing with what they are answered, in headers
// that a handler may replace. There are no Access-Control headers but on the
// specification: pages of other origins cannot read answers.
func harden(publicURL string) gin.HandlerFunc {
	secure := strings.HasPrefix(publicURL, "https://")
	return func(c *gin.Context) {
		h := c.Writer.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY") // for browsers that know no frame-ancestors
		if secure {
			h.Set("Strict-Transport-Security", "max-age=31536000") // RFC 6797 §6.1
		}
	}
}

// trustProxies makes the client's address the last one in X-Forwarded-For that
// is not of a proxy in the given networks (CIDR). Without any, and in requests
// that come from elsewhere, the header is ignored.
func trustProxies(engine *gin.Engine, networks []string) error {
	engine.RemoteIPHeaders = []string{"X-Forwarded-For"} // X-Real-IP is passed on unchecked by proxies that do not set it
	return engine.SetTrustedProxies(networks)
}
