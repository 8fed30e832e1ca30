package registry

import (
	"context"
	"time"

	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/postgres"
	"github.com/rosterhq/roster/internal/seal"
)

const (
	resealBatch = 200
	resealPause = 200 * time.Millisecond // before coming back to rows that were locked
	resealTries = 25
)

// RefreshKeyset loads the keyset file if it has changed, and reports
// whether the keyset is another one now. On an error it stays as it is.
func (r *Registry) RefreshKeyset() (changed bool, err error) { return r.keys.Refresh() }

// Keys describes the keys of the moment.
func (r *Registry) Keys() []seal.KeyInfo { return r.keys.Current().Keys() }

// Stale counts the values that are not under the primary keys.
type Stale struct {
	Sealed int // secrets and private keys, those included that are not sealed yet
	MACs   int // of secrets that are good still
}

// CountStale counts what Reseal has to renew.
func (r *Registry) CountStale(ctx context.Context) (Stale, error) {
	var s Stale
	keys := r.keys.Current()
	for _, c := range postgres.SealedColumns {
		n, err := r.store.CountValuesNotUnder(ctx, c, prefix(keys, c))
		if err != nil {
			return s, err
		}
		if c.Source == "" {
			s.Sealed += n
		} else {
			s.MACs += n
		}
	}
	unsealed, err := r.countUnsealed(ctx)
	if err != nil {
		return s, err
	}
	s.Sealed += unsealed
	providers, err := r.store.IdentityProviders(ctx)
	if err != nil {
		return s, err
	}
	for _, p := range providers {
		if p.Document[oauth.MemberBackend] != nil {
			s.Sealed++
		}
	}
	check, err := r.store.KeysetCheck(ctx)
	if err == nil && keys.Stale(check) {
		s.Sealed++
	}
	return s, err
}

func prefix(keys *seal.Keyset, c postgres.SealedColumn) []byte {
	if c.Source != "" {
		return keys.Prefix(seal.PurposeMAC)
	}
	return keys.Prefix(seal.PurposeAEAD)
}

// Reseal seals what an older release has left unsealed, and renews everything
// that is not under the primary keys, in small batches while others read
// and write. What changes in the meantime is left to whoever changes it. A MAC
// whose secret is not kept cannot be renewed here; it is when the secret is
// presented.
//
// Values that cannot be opened are left as they are: failed is told of each.
// progress is told how many values of a column have been renewed so far.
func (r *Registry) Reseal(ctx context.Context, progress func(column string, renewed int), failed func(error)) error {
	keys := r.keys.Current()
	total, err := r.sealKept(ctx, func(n int) { progress("clients.document", n) }, failed)
	if err != nil {
		return err
	}
	backends, err := r.sealBackends(ctx)
	if err != nil {
		return err
	}
	if total += backends; backends > 0 {
		progress("identity_providers.document", backends)
	}
	for _, c := range postgres.SealedColumns {
		column := column{r: r, keys: keys, SealedColumn: c, failed: failed}
		if err := column.reseal(ctx, func(n int) { progress(c.Table+"."+c.Column, n) }); err != nil {
			return err
		}
		total += column.renewed
	}
	check, err := r.store.KeysetCheck(ctx)
	if err != nil {
		return err
	}
	if keys.Stale(check) {
		if err := keys.VerifyCheck(check); err != nil {
			return err
		}
		if err := r.store.ReplaceKeysetCheck(ctx, check, keys.CheckValue()); err != nil {
			return err
		}
		total++
	}
	if total == 0 {
		return nil
	}
	return r.RecordKeyset(ctx, "resealed")
}

// RecordKeyset stores that an operator has done something to the keyset, or is
// about to.
func (r *Registry) RecordKeyset(ctx context.Context, what string) error {
	return r.store.Write(ctx, func(tx *postgres.Tx) error {
		r.record(ctx, tx, "keyset."+what, "keyset", "keyset", nil, nil)
		return nil
	})
}

// column is one column in the course of being resealed.
type column struct {
	postgres.SealedColumn
	r       *Registry
	keys    *seal.Keyset
	failed  func(error)
	renewed int
}

func (c *column) reseal(ctx context.Context, progress func(int)) error {
	for range resealTries {
		busy, err := c.pass(ctx, progress)
		if err != nil || busy == 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(resealPause):
		}
	}
	return nil // what is still locked is counted by CountStale
}

// pass goes over the column once and returns how many values were changed or
// held by others.
func (c *column) pass(ctx context.Context, progress func(int)) (busy int, err error) {
	after := ""
	for {
		values, err := c.r.store.ValuesNotUnder(ctx, c.SealedColumn, prefix(c.keys, c.SealedColumn), after, resealBatch)
		if err != nil || len(values) == 0 {
			return busy, err
		}
		after = values[len(values)-1].Key
		var old, renewed []postgres.SealedValue
		for _, v := range values {
			value, err := c.renew(v)
			if err != nil {
				c.failed(err)
			} else if value != nil {
				old, renewed = append(old, v), append(renewed, postgres.SealedValue{Key: v.Key, Value: value})
			}
		}
		if len(old) == 0 {
			continue
		}
		n, err := c.r.store.ReplaceValues(ctx, c.SealedColumn, old, renewed)
		if err != nil {
			return busy, err
		}
		busy += len(old) - n
		c.renewed += n
		progress(c.renewed)
	}
}

// renew returns v under the primary key, nil when it need not be.
func (c *column) renew(v postgres.SealedValue) ([]byte, error) {
	home := c.Place()
	place := seal.Location{Table: home.Table, Row: v.Row, Column: home.Column}
	if c.Source == "" {
		if !c.keys.Stale(v.Value) {
			return nil, nil
		}
		text, err := c.keys.Open(v.Value, place)
		if err != nil {
			return nil, err
		}
		return c.keys.Seal(text, place)
	}
	if !c.keys.StaleMAC(v.Value) {
		return nil, nil
	}
	secret, err := c.keys.Open(v.Source, seal.Location{Table: home.Table, Row: v.Row, Column: c.Source})
	if err != nil {
		return nil, err
	}
	return c.keys.MAC(secret, place), nil
}
