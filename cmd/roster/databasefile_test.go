package main_test

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rosterhq/roster/internal/servertest"
)

// A password is changed as its owner does: in the database, then in the file,
// and open sessions are ended.
func TestChangedDatabaseFileIsFollowed(t *testing.T) {
	t.Parallel()
	hba := filepath.Join(shortDir(t), "pg_hba.conf")
	if err := os.WriteFile(hba, []byte("local all roster trust\nlocal all all scram-sha-256\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	m := newMachine(t, false, map[string]string{"cluster_name": "roster-test", "hba_file": hba})
	sql(t, m.URL, "CREATE ROLE app LOGIN PASSWORD 'one'", "CREATE DATABASE app OWNER app")
	file := filepath.Join(t.TempDir(), "url")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(addressOf(t, "app:one", "app", m) + "\n")
	env, _ := on(t, "")
	env = append(slices.Clone(env[1:]), "DATABASE_URL_FILE="+file)
	s := serve(t, env, "--setup")
	defer s.stop()
	ready := func() bool {
		status, _ := s.call("", "GET", "/readyz", "")
		return status == http.StatusOK
	}
	const end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'"
	if !ready() {
		t.Fatal("it is not ready")
	}
	sql(t, m.URL, "ALTER ROLE app PASSWORD 'two'", end)
	servertest.Eventually(t, "not ready with the password of before", func() bool { return !ready() })
	write(addressOf(t, "app:two", "app", m))
	servertest.Eventually(t, "ready with the new password", ready)

	write("postgres://app:three@db@elsewhere/app")
	sql(t, m.URL, end)
	servertest.Eventually(t, "ready although the file is no use", ready)
	s.stderr.wait(t, s.ended, logged("cannot use the new address of the database; keeping the old one"))
	if text := s.stderr.String(); strings.Contains(text, "three") || strings.Contains(text, "app:") {
		t.Errorf("the log has a password: %s", text)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	sql(t, m.URL, end)
	servertest.Eventually(t, "ready although the file is gone", ready)
}
