package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/cenkalti/backoff/v5"
)

const maxBackoff = 20 * time.Second

// policy says how often something is tried, and the first wait.
type policy struct {
	attempts int
	backoff  time.Duration
}

// repeat calls try, with the number of the try, until it succeeds, again says no
// to its error, or attempts or time run out. It returns what the last one did.
func repeat[T any](ctx context.Context, p policy, again func(error) bool, try func(n int) (T, error)) (result T, tries int, err error) {
	waits := backoff.ExponentialBackOff{InitialInterval: p.backoff, Multiplier: 2, RandomizationFactor: 0.5, MaxInterval: maxBackoff}
	for {
		tries++
		result, err = try(tries)
		if e, ok := err.(*Error); ok {
			e.Tries = tries
		}
		if err == nil || tries >= p.attempts || ctx.Err() != nil || !again(err) {
			return result, tries, err
		}
		wait := waits.NextBackOff()
		if e, ok := errors.AsType[*Error](err); ok {
			wait += e.RetryAfter // and not at the same moment as everybody else
		}
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < wait {
			return result, tries, err
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return result, tries, fmt.Errorf("%w while waiting to try again after: %w", context.Cause(ctx), err)
		}
	}
}

// passing reports whether what failed may succeed later.
func passing(err error) bool {
	if e, ok := errors.AsType[*Error](err); ok {
		switch e.StatusCode {
		case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return true
		}
		return false
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return false
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok || errors.Is(err, http.ErrSchemeMismatch) { // that is not a TLS server
		return false
	}
	_, ok := errors.AsType[*url.Error](err) // of http.Client.Do
	return ok
}

// untouched reports whether the service has certainly done nothing of what
// failed with err.
func untouched(err error) bool {
	if errors.Is(err, ErrTooManyRequests) {
		return true
	}
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

// underWay reports whether the first try under the same Idempotency-Key is still
// at work. Other conflicts are of no passing kind, and have no Retry-After.
func underWay(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.StatusCode == http.StatusConflict && e.RetryAfter > 0
}

// tried tells in err how often it was tried; an Error tells by itself.
func tried(err error, tries int) error {
	if _, ok := errors.AsType[*Error](err); ok || err == nil || tries == 1 {
		return err
	}
	return fmt.Errorf("%w (tried %d times)", err, tries)
}
