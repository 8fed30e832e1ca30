// Package ops serves what supervisors and load balancers ask: whether the
// process lives and whether it can do its work.
package ops

import (
	"context"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
)

// Check reports why the service cannot do its work, in words that may be shown
// to anybody; nil when it can.
type Check func(context.Context) error

// Mount registers /healthz and /readyz on r.
func Mount(r gin.IRouter, ready Check) {
	r.GET("/healthz", func(c *gin.Context) { c.JSON(http.StatusOK, gin.H{"status": "ok"}) })
	r.GET("/readyz", func(c *gin.Context) {
		ctx, cancel := context.WithTimeout(c, 2*time.Second)
		defer cancel()
		if err := ready(ctx); err != nil {
			c.JSON(http.StatusServiceUnavailable, gin.H{"status": "unavailable", "detail": err.Error()})
			return
		}
		c.JSON(http.StatusOK, gin.H{"status": "ok"})
	})
}
