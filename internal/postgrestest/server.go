package postgrestest

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"syscall"

	"github.com/rosterhq/roster/internal/embedpg"
)

// Start runs a server for tests, not durable, in a temporary folder of its own.
// Both are gone soon after this process, however it ends; Stop only hurries
// that. What it has to say, from warnings on, is written to log.
// ROSTER_POSTGRES_BIN is honoured.
func Start(ctx context.Context, log io.Writer) (*embedpg.Server, error) {
	dir, err := os.MkdirTemp(tempDir(), "roster-test-")
	if err != nil {
		return nil, err
	}
	s, err := embedpg.Start(ctx, embedpg.Config{
		Dir:    dir,
		BinDir: os.Getenv("ROSTER_POSTGRES_BIN"),
		// Roster refuses a server without fsync that does not bear this name.
		Settings: map[string]string{"cluster_name": "roster-test"},
		Log:      slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	if err := removeAfterUse(s, dir, s.Dir); err != nil {
		s.Stop()
		os.RemoveAll(dir)
		os.RemoveAll(s.Dir)
		return nil, fmt.Errorf("starting the process that cleans up: %w", err)
	}
	return s, nil
}

// tempDir returns the parent of the server's folder: a file system in memory if
// there is one with room, else "", the default of os.MkdirTemp. Each test makes
// and drops a database of some 300 files, which costs several times more on a
// disk. A TMPDIR that is set is obeyed.
func tempDir() string {
	const memory, room = "/dev/shm", 4 << 30
	var fs syscall.Statfs_t
	if os.Getenv("TMPDIR") != "" || syscall.Statfs(memory, &fs) != nil || fs.Bavail*uint64(fs.Bsize) < room {
		return ""
	}
	return memory
}

// removeAfterUse starts a shell that removes the folders, the last of which is
// the server's, once the server or this process has ended. A test binary
// without TestMain has no end of its own to clean up at, and a killed one has
// none at all.
func removeAfterUse(s *embedpg.Server, dirs ...string) error {
	// The interrupt is for systems where a server does not notice the death of
	// its parent.
	const script = `pid=$1; shift
for dir; do :; done
cat
if ps -ww -o args= -p "$pid" 2>/dev/null | grep -qF -- "-D $dir/data "; then kill -INT "$pid"; fi
n=0
while kill -0 "$pid" 2>/dev/null && [ $n -lt 100 ]; do sleep 0.1; n=$((n+1)); done
rm -rf "$@"`
	cmd := exec.Command("/bin/sh", append([]string{"-c", script, "sh", strconv.Itoa(s.Pid())}, dirs...)...)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // an interrupt at the terminal is not for it
	stdin, err := cmd.StdinPipe()                         // ends with this process at the latest
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() {
		<-s.Done()
		stdin.Close()
		_ = cmd.Wait()
	}()
	return nil
}

func startForThisProcess() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), longEnough)
	defer cancel()
	s, err := Start(ctx, os.Stderr)
	if err != nil {
		return "", err
	}
	return s.URL, nil
}
