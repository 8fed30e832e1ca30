// Package shares divides what can be done at a time among those who ask for it,
// so that one who asks for much waits for itself.
package shares

import (
	"context"
	"sync"

	"golang.org/x/sync/semaphore"
)

// Pool is an amount of which everybody has at most a share.
type Pool struct {
	all  *semaphore.Weighted
	each int64

	mu sync.Mutex
	of map[string]*share
}

// share is what one has of a Pool.
type share struct {
	own   *semaphore.Weighted
	users int // who have, or wait for, something of it
}

// New returns a Pool of that much in all, and for each.
func New(all, each int64) *Pool {
	return &Pool{all: semaphore.NewWeighted(all), each: each, of: map[string]*share{}}
}

// Take waits until there are n of the pool and of who's share, in the order in
// which they were asked for, or until ctx ends. give gives them back.
func (p *Pool) Take(ctx context.Context, who string, n int64) (give func(), err error) {
	s := p.join(who)
	if err := s.own.Acquire(ctx, n); err != nil {
		p.leave(who)
		return nil, err
	}
	if err := p.all.Acquire(ctx, n); err != nil {
		s.own.Release(n)
		p.leave(who)
		return nil, err
	}
	return func() {
		p.all.Release(n)
		s.own.Release(n)
		p.leave(who)
	}, nil
}

func (p *Pool) join(who string) *share {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.of[who]
	if s == nil {
		s = &share{own: semaphore.NewWeighted(p.each)}
		p.of[who] = s
	}
	s.users++
	return s
}

func (p *Pool) leave(who string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.of[who]
	if s.users--; s.users == 0 {
		delete(p.of, who)
	}
}
