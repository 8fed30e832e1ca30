package embedpg

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestServerLinesGetALevel(t *testing.T) {
	t.Parallel()
	const lines = `postmaster|LOG:  starting PostgreSQL
checkpointer|WARNING:  slow
autovacuum worker|ERROR:  invalid page in block 7
autovacuum worker|CONTEXT:  while scanning
	a second line
client backend|ERROR:  duplicate key value violates unique constraint "x"
client backend|DETAIL:  Key (secret)=(hunter2) already exists.
client backend|STATEMENT:  INSERT
	INTO secrets
client backend|FATAL:  terminating connection due to administrator command
client backend|PANIC:  broken
postgres: could not find library
`
	for name, c := range map[string]struct {
		ready bool
		want  []string
	}{
		"serving": {true, []string{
			"DEBUG LOG:  starting PostgreSQL",
			"WARN WARNING:  slow",
			"ERROR ERROR:  invalid page in block 7",
			"ERROR CONTEXT:  while scanning",
			"ERROR a second line",
			`DEBUG ERROR:  duplicate key value violates unique constraint "x"`,
			"DEBUG FATAL:  terminating connection due to administrator command",
			"ERROR PANIC:  broken",
		}},
		"starting": {false, []string{
			"DEBUG LOG:  starting PostgreSQL",
			"WARN WARNING:  slow",
			"DEBUG ERROR:  invalid page in block 7",
			"DEBUG CONTEXT:  while scanning",
			"DEBUG a second line",
			`DEBUG ERROR:  duplicate key value violates unique constraint "x"`,
			"DEBUG FATAL:  terminating connection due to administrator command",
			"DEBUG PANIC:  broken",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := &records{}
			l := &serverLog{out: slog.New(out)}
			l.ready.Store(c.ready)
			l.follow(strings.NewReader(lines))
			var got []string
			for _, r := range out.list() {
				r.Attrs(func(a slog.Attr) bool {
					if a.Key == "line" {
						got = append(got, r.Level.String()+" "+a.Value.String())
					}
					return true
				})
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("records (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLogKeepsTheLastLines(t *testing.T) {
	t.Parallel()
	l := &serverLog{out: slog.New(slog.DiscardHandler)}
	l.follow(strings.NewReader(strings.Repeat("postmaster|LOG:  old\n", 50) + "postmaster|FATAL:  the end"))
	tail := strings.Split(l.tail(), "\n")
	if len(tail) != 12 || tail[11] != "FATAL:  the end" {
		t.Errorf("tail is %q", tail)
	}
}
