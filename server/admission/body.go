package admission

import (
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/rosterhq/roster/server/spec"
)

// maxBody is the largest body of a request, unless its path has a smaller one.
const maxBody = 1 << 20

// How long a body may take of a caller that is not known, and of one that is.
const (
	strangersBodyTime = 5 * time.Second
	clientsBodyTime   = 30 * time.Second
)

// newBodies shares the bodies that are being read, and newBodyBytes the bytes of
// those and of the ones being worked on: what is made of a body may take many
// times its size. A body that is being read counts whole from its first byte.
func newBodies() *pool { return &pool{most: 1000, strangers: 750, each: 100, client: 100} }
func newBodyBytes() *pool {
	return &pool{most: 16 << 20, strangers: 8 << 20, each: 2 << 20, client: 4 << 20}
}

// BodyRule is what applies to the bodies of some paths.
type BodyRule struct {
	Most  int64 // bytes; 0 for 1 MiB
	Early bool  // they are looked at before a token is
}

// Body reads the request's body, so that no place is held while it comes in. A
// body that a token is needed for is not read without one.
func (g *Gate) Body(c *gin.Context) {
	req := c.Request
	if req.Body == nil || req.Body == http.NoBody {
		return
	}
	var rule BodyRule
	if g.BodyRule != nil {
		rule = g.BodyRule(req.URL.Path)
	}
	if rule.Most == 0 {
		rule.Most = maxBody
	}
	req.Body = http.MaxBytesReader(c.Writer, req.Body, rule.Most)
	o := ownerOf(c)
	if c.FullPath() == "" || o.client == "" && !rule.Early {
		leave(c)
		return
	}
	if req.ContentLength > rule.Most {
		leave(c)
		spec.KeepBody(req, nil, &http.MaxBytesError{Limit: rule.Most})
		return
	}
	size := int(rule.Most)
	if req.ContentLength >= 0 {
		size = int(req.ContentLength)
	}
	if !g.bodies.take(o, 1) {
		leave(c)
		g.busy(c, byBodies)
		return
	}
	if !g.bodyBytes.take(o, size) {
		g.bodies.give(o, 1)
		leave(c)
		g.busy(c, byBodies)
		return
	}
	text, err := readInTime(c, size, o.client != "")
	g.bodies.give(o, 1)
	g.bodyBytes.give(o, size-len(text))
	defer g.bodyBytes.give(o, len(text))
	if err != nil {
		leave(c)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		g.count(byBodies)
	}
	spec.KeepBody(req, text, err)
	c.Next()
}

// leave ends the connection with the answer, which would otherwise wait for the
// rest of the body.
func leave(c *gin.Context) {
	if req := c.Request; req.ProtoMajor == 1 && req.Body != nil && req.Body != http.NoBody {
		c.Header("Connection", "close")
	}
}

// readInTime reads a body of at most size bytes.
func readInTime(c *gin.Context, size int, known bool) ([]byte, error) {
	bound := strangersBodyTime
	if known {
		bound = clientsBodyTime
	}
	connection := http.NewResponseController(c.Writer)
	if err := connection.SetReadDeadline(time.Now().Add(bound)); err == nil {
		defer connection.SetReadDeadline(time.Time{}) // it could be set
	}
	if c.Request.ContentLength < 0 {
		return io.ReadAll(c.Request.Body)
	}
	text := make([]byte, size)
	n, err := io.ReadFull(c.Request.Body, text)
	return text[:n], err
}
