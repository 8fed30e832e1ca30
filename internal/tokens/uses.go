package tokens

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"
)

// Flush stores what was only noted so far: when secrets were used, and how many
// requests for tokens and for changes were refused.
func (r *Tokens) Flush(ctx context.Context) error {
	return errors.Join(r.flushSecretUses(ctx), r.flushRefusals(ctx, &r.refused), r.flushRefusals(ctx, &r.denied))
}

// maxNotedUses bounds the memory of secretUses.
const maxNotedUses = 1 << 16

// secretUses remembers when secrets were last used until that is stored, so
// that using a secret writes nothing.
type secretUses struct {
	mu   sync.Mutex
	last map[string]time.Time // by id of the secret
}

// note remembers that a secret was used. Of more secrets than it has room for,
// some uses are not noted until the next flush.
func (u *secretUses) note(id string, at time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.last == nil {
		u.last = map[string]time.Time{}
	}
	if old, known := u.last[id]; known && old.Before(at) || !known && len(u.last) < maxNotedUses {
		u.last[id] = at
	}
}

func (u *secretUses) at(id string) (time.Time, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	at, ok := u.last[id]
	return at, ok
}

// LastUse returns when a secret was last used, as far as that is not stored yet.
func (r *Tokens) LastUse(secret string) (time.Time, bool) { return r.used.at(secret) }

func (u *secretUses) take() map[string]time.Time {
	u.mu.Lock()
	defer u.mu.Unlock()
	taken := u.last
	u.last = nil
	return taken
}

// flushSecretUses stores when secrets were last used, in one statement.
func (r *Tokens) flushSecretUses(ctx context.Context) error {
	taken := r.used.take()
	if len(taken) == 0 {
		return nil
	}
	ids := slices.Collect(maps.Keys(taken))
	times := make([]time.Time, len(ids))
	for i, id := range ids {
		times[i] = taken[id]
	}
	missed, err := r.store.NoteSecretUse(ctx, ids, times)
	if err != nil {
		missed = ids
	}
	for _, id := range missed {
		r.used.note(id, taken[id])
	}
	return err
}
