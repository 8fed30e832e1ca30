package server

import (
	"crypto/sha256"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"

	"github.com/rosterhq/roster/server/problem"
)

// Limit bounds how many requests one caller makes: PerSecond on average, Burst
// at once. A caller is a token; requests without one, or with one that is
// refused, count for the address they come from. The zero Limit bounds nothing.
type Limit struct {
	PerSecond float64
	Burst     int
}

// maxBuckets bounds the memory of a limiter; the callers seen longest ago are
// forgotten first.
const maxBuckets = 100_000

var errTooMany = &problem.Error{Status: http.StatusTooManyRequests, Text: "Too many requests: wait as long as Retry-After says."}

// limiter answers 429 to callers over their limit, and tells every caller where
// it stands.
func limiter(limit Limit, now func() time.Time, fail failure) (gin.HandlerFunc, error) {
	buckets, err := lru.New[string, *rate.Limiter](maxBuckets)
	if err != nil {
		return nil, err
	}
	bucket := func(key string) *rate.Limiter {
		b := rate.NewLimiter(rate.Limit(limit.PerSecond), limit.Burst)
		if old, ok, _ := buckets.PeekOrAdd(key, b); ok {
			buckets.Get(key) // now the newest
			return old
		}
		return b
	}
	return func(c *gin.Context) {
		address := bucket("address " + c.ClientIP())
		own := address
		if token := c.GetHeader("Authorization"); token != "" {
			sum := sha256.Sum256([]byte(token))
			own = bucket("token " + string(sum[:]))
		}
		at := now()
		if address.TokensAt(at) < 1 || !own.AllowN(at, 1) {
			wait := int(math.Ceil((1 - min(own.TokensAt(at), address.TokensAt(at))) / limit.PerSecond))
			report(c, own, limit, at)
			c.Header("Retry-After", strconv.Itoa(max(1, wait)))
			fail(c, errTooMany)
			return
		}
		report(c, own, limit, at)
		c.Next()
		if own != address && c.Writer.Status() == http.StatusUnauthorized {
			address.AllowN(at, 1) // guessing tokens is not a way around the limit
		}
	}, nil
}

// report sets the headers that tell how much is left, and when (UTC, seconds of
// the epoch) all of it will be there again.
func report(c *gin.Context, b *rate.Limiter, limit Limit, at time.Time) {
	left := max(0, b.TokensAt(at))
	full := at.Add(time.Duration((float64(limit.Burst) - left) / limit.PerSecond * float64(time.Second)))
	c.Header("X-RateLimit-Limit", strconv.Itoa(limit.Burst))
	c.Header("X-RateLimit-Remaining", strconv.Itoa(int(left)))
	c.Header("X-RateLimit-Reset", strconv.FormatInt(int64(math.Ceil(float64(full.UnixMilli())/1000)), 10))
}
