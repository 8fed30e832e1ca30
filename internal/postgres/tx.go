package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rosterhq/roster/internal/oauth"
)

// Tx is one transaction. Its writes are collected. They are sent along with the
// next question, or with the COMMIT: each is one round trip, and a transaction
// that asks nothing is a single one.
type Tx struct {
	reader
	pool   *pgxpool.Pool
	conn   *pgxpool.Conn // nil until something is asked
	writes []statement   // not sent yet
	parts  []part        // under way, the outermost first
	broken error         // why nothing more can be done in the transaction
	atEnd  []func()
}

type statement struct {
	sql  string
	args []any
}

// part is what can be undone while the transaction goes on.
type part struct {
	at    int  // its first statement in writes
	saved bool // its savepoint is in writes, or was sent
	sent  bool
}

// rollbackTime bounds a rollback, which the end of the request does not stop.
const rollbackTime = 5 * time.Second

// durably makes the transaction that it stands in survive a crash, also where
// the server, the database or the role has synchronous_commit off: each of them
// can change under an open session, and a pooler changes the session.
const durably = "SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'"

func (s *Store) begin() *Tx {
	t := &Tx{pool: s.pool}
	t.reader = reader{t}
	return t
}

// Write runs fn in a transaction. All of fn's writes happen, or none.
func (s *Store) Write(ctx context.Context, fn func(*Tx) error) error {
	if t := spanning(ctx); t != nil {
		return t.Part(ctx, func() error {
			t.save(true) // whatever fails in fn, the span can go on
			if err := fn(t); err != nil {
				return translate(err)
			}
			return t.send(ctx)
		})
	}
	t := s.begin()
	defer t.end(ctx) // also when fn panics, else its connection is lost
	if err := fn(t); err != nil {
		return translate(err)
	}
	return t.commit(ctx)
}

// Try runs fn as Write does and then undoes it: the error is what Write's would
// be.
func (s *Store) Try(ctx context.Context, fn func(*Tx) error) error {
	undo := errors.New("undone")
	err := s.Write(ctx, func(t *Tx) error {
		err := fn(t)
		if err == nil {
			err = t.send(ctx)
		}
		if err == nil {
			err = &oauth.Error{Kind: oauth.Invalid, Reason: oauth.BrokenRule, Err: undo} // which Write passes unchanged
		}
		return err
	})
	if errors.Is(err, undo) {
		return nil
	}
	return err
}

// write adds a statement to those that are sent next.
func (t *Tx) write(sql string, args ...any) {
	t.writes = append(t.writes, statement{sql, sendable(args)})
}

// ask reads inside the transaction, after what was written before.
func (t *Tx) ask(ctx context.Context, questions ...question) error {
	return t.send(ctx, questions...)
}

// send sends what was collected, then questions, in one round trip.
func (t *Tx) send(ctx context.Context, questions ...question) error {
	if t.broken != nil {
		return t.broken
	}
	if len(t.writes)+len(questions) == 0 {
		return nil
	}
	var b pgx.Batch
	if t.conn == nil {
		conn, err := t.pool.Acquire(ctx)
		if err != nil {
			return translate(err)
		}
		t.conn = conn
		b.Queue("begin")
		b.Queue(durably)
	}
	t.save(false)
	t.drain(&b)
	for i := range t.parts {
		t.parts[i].at, t.parts[i].sent = 0, t.parts[i].saved
	}
	for _, q := range questions {
		b.Queue(q.sql, q.args...).Query(q.read)
	}
	t.broken = translate(t.conn.SendBatch(ctx, &b).Close())
	return t.broken
}

// exec runs one statement as a transaction, in one round trip, and returns how
// many rows it has changed.
func (s *Store) exec(ctx context.Context, sql string, args ...any) (rows int, err error) {
	var b pgx.Batch
	b.Queue(durably)
	b.Queue(sql, sendable(args)...).Exec(func(tag pgconn.CommandTag) error {
		rows = int(tag.RowsAffected())
		return nil
	})
	return rows, translate(s.pool.SendBatch(ctx, &b).Close())
}

// drain moves what was collected to b.
func (t *Tx) drain(b *pgx.Batch) {
	for _, w := range t.writes {
		b.Queue(w.sql, w.args...)
	}
	t.writes = nil
}

func (t *Tx) commit(ctx context.Context) error {
	if t.broken != nil {
		return t.broken
	}
	var b pgx.Batch
	if t.conn == nil {
		if len(t.writes) == 0 {
			return nil
		}
		b.Queue(durably)
		t.drain(&b)
		return translate(t.pool.SendBatch(ctx, &b).Close()) // without BEGIN a batch is one implicit transaction
	}
	t.drain(&b)
	b.Queue("commit").Exec(func(tag pgconn.CommandTag) error {
		if tag.String() == "ROLLBACK" {
			return pgx.ErrTxCommitRollback
		}
		return nil
	})
	err := t.conn.SendBatch(ctx, &b).Close()
	if err == nil {
		t.release()
	}
	return translate(err)
}

// AtEnd has fn called when the transaction has ended, committed or not.
func (t *Tx) AtEnd(fn func()) { t.atEnd = append(t.atEnd, fn) }

// end rolls back what was not committed.
func (t *Tx) end(ctx context.Context) {
	t.rollback(ctx)
	for _, fn := range t.atEnd {
		fn()
	}
}

func (t *Tx) rollback(ctx context.Context) {
	if t.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTime)
	defer cancel()
	if t.conn.Conn().PgConn().TxStatus() != 'I' {
		_, _ = t.conn.Exec(ctx, "rollback") // if it fails, release throws the connection away
	}
	t.release()
}

func (t *Tx) release() {
	t.conn.Release()
	t.conn = nil
}

// Part runs fn. If it fails, what it wrote is undone, and the transaction goes
// on.
func (t *Tx) Part(ctx context.Context, fn func() error) error {
	n := len(t.parts)
	t.parts = append(t.parts, part{at: len(t.writes)})
	err := fn()
	p := t.parts[n]
	t.parts = t.parts[:n]
	switch {
	case err == nil && p.saved:
		t.write("release " + savepoint(n))
	case err != nil && !p.sent:
		t.writes = t.writes[:p.at]
	case err != nil:
		t.writes = nil
		if _, undone := t.conn.Exec(ctx, "rollback to "+savepoint(n)); undone != nil {
			t.broken = translate(undone)
		} else {
			t.broken = nil
			t.write("release " + savepoint(n))
		}
	}
	return err
}

func savepoint(n int) string { return fmt.Sprintf("savepoint part_%d", n) }

// save sets the savepoints of the parts that have something to undo or, if all,
// of every part.
func (t *Tx) save(all bool) {
	for n := len(t.parts) - 1; n >= 0; n-- {
		p := &t.parts[n]
		if !p.saved && (all || p.at < len(t.writes)) {
			t.writes = slices.Insert(t.writes, p.at, statement{sql: savepoint(n)})
			p.saved = true
		}
	}
}

// Refused reports whether the database refused something, so that nothing more
// can be done in its transaction.
func Refused(err error) bool {
	_, refused := errors.AsType[*pgconn.PgError](err)
	return refused
}

type spanKey struct{}

// spanning returns the transaction that Span put into ctx, nil for none.
func spanning(ctx context.Context) *Tx {
	t, _ := ctx.Value(spanKey{}).(*Tx)
	return t
}

// Span makes everything that fn does with the store through its context one
// transaction, the one that it gets, which is committed when fn says so. fn must
// not use the context in several goroutines.
func (s *Store) Span(ctx context.Context, fn func(context.Context, *Tx) (commit bool, err error)) error {
	t := s.begin()
	defer t.end(ctx)
	commit, err := fn(context.WithValue(ctx, spanKey{}, t), t)
	if err == nil && commit {
		err = t.commit(ctx)
	}
	return translate(err)
}

// Exclusive makes transactions that call it run one after another.
func (t *Tx) Exclusive(ctx context.Context) error {
	_, err := all(ctx, t, pgx.RowTo[string], `SELECT pg_advisory_xact_lock(7274495)::text`)
	return err
}
