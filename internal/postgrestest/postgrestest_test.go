package postgrestest

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

func TestDatabasesAreMigratedAndSeparate(t *testing.T) {
	t.Parallel()
	one, two := New(t), New(t)
	var version int64
	if err := one.QueryRow(t.Context(), "SELECT max(version) FROM roster_migrations").Scan(&version); err != nil || version < 1 {
		t.Errorf("schema version is %d, %v", version, err)
	}
	if _, err := one.Exec(t.Context(), "CREATE TABLE mine ()"); err != nil {
		t.Fatal(err)
	}
	var there bool
	if err := two.QueryRow(t.Context(), "SELECT to_regclass('mine') IS NOT NULL").Scan(&there); err != nil || there {
		t.Errorf("a table of one database in the other: %t, %v", there, err)
	}
}

// outcome is a test that passes or fails as told.
type outcome struct {
	testing.TB
	failed  bool
	cleanup []func()
	log     string
}

func (o *outcome) Failed() bool                 { return o.failed }
func (o *outcome) Cleanup(f func())             { o.cleanup = append(o.cleanup, f) }
func (o *outcome) Logf(format string, a ...any) { o.log += fmt.Sprintf(format, a...) }
func (o *outcome) end() {
	for i := len(o.cleanup) - 1; i >= 0; i-- {
		o.cleanup[i]()
	}
}

func TestDatabaseGoesWithItsTestUnlessThatFails(t *testing.T) {
	t.Parallel()
	for name, failed := range map[string]bool{"passed": false, "failed": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := &outcome{TB: t, failed: failed}
			own := NewURL(o)
			conn, err := pgx.Connect(t.Context(), own) // left open: it must not be in the way
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close(t.Context())
			o.end()

			again, err := pgx.Connect(t.Context(), own)
			if kept := err == nil; kept != failed {
				t.Errorf("database kept: %t (%v), want %t", kept, err, failed)
			}
			if named := strings.Contains(o.log, own); named != failed {
				t.Errorf("log names the database: %t, want %t: %q", named, failed, o.log)
			}
			if err != nil {
				return
			}
			again.Close(t.Context())
			u, err := url.Parse(own)
			if err != nil {
				t.Fatal(err)
			}
			p, err := prepare()
			if err != nil {
				t.Fatal(err)
			}
			if err := execute(t.Context(), p.server, "DROP DATABASE "+strings.TrimPrefix(u.Path, "/")+" WITH (FORCE)"); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestBinaryWithoutServerBringsItsOwn runs this binary once more, without the
// variable.
func TestBinaryWithoutServerBringsItsOwn(t *testing.T) {
	t.Parallel()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	temp, err := os.MkdirTemp("/tmp", "pgt") // short, for the socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(temp) })
	if err := os.Chmod(temp, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, "-test.run=^TestDatabasesAreMigratedAndSeparate$", "-test.v")
	cmd.Env = append(os.Environ(), Env+"=", "TMPDIR="+temp)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestDatabasesAreMigratedAndSeparate") {
		t.Fatalf("%v\n%s", err, out)
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	late := time.After(longEnough)
	for {
		left, err := os.ReadDir(temp)
		if err != nil {
			t.Fatal(err)
		}
		if len(left) == 0 {
			return
		}
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("left behind: %v", left)
		}
	}
}
