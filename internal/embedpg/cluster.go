package embedpg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// dataVersion is the major version that made the data; 0 when there is none.
func (p place) dataVersion() int {
	text, err := os.ReadFile(versionFile(p.dir))
	if err != nil {
		return 0
	}
	return leadingNumber(string(text))
}

// initialise makes the cluster unless there is one. It grows in a folder of its
// own and gets its name when it is whole.
func (p place) initialise(ctx context.Context, bin binaries, cfg Config) error {
	halves, err := filepath.Glob(filepath.Join(p.dir, "init-*"))
	if err != nil {
		return err
	}
	for _, half := range halves {
		if err := os.RemoveAll(half); err != nil {
			cfg.Log.Warn("cannot remove an unfinished database", "dir", half, "error", err)
		}
	}
	if p.dataVersion() != 0 {
		return nil
	}
	cfg.Log.Info("making a new database", "dir", p.dir, "version", bin.version)
	half, err := os.MkdirTemp(p.dir, "init-")
	if err != nil {
		return fmt.Errorf("making a new database: %w", err)
	}
	err = p.initdb(ctx, bin, half, cfg.Durable)
	if err == nil {
		err = os.Rename(half, p.data())
	}
	if err == nil && cfg.Durable {
		err = syncDir(p.dir)
	}
	if err != nil {
		os.RemoveAll(half)
		return fmt.Errorf("making a new database: %w", err)
	}
	return nil
}

func (p place) initdb(ctx context.Context, bin binaries, into string, durable bool) error {
	if err := p.own(into); err != nil {
		return err
	}
	args := []string{"-D", into, "-U", role, "--encoding=UTF8", "--locale=C", "--auth-local=trust", "--auth-host=reject", "--data-checksums", "--no-instructions"}
	if !durable {
		args = append(args, "--no-sync")
	}
	cmd := exec.CommandContext(ctx, filepath.Join(bin.dir, "initdb"), args...)
	p.prepare(cmd, bin)
	setDeathSignal(cmd.SysProcAttr, syscall.SIGKILL)                                     // initdb survives SIGINT
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) } // with the servers it runs
	cmd.WaitDelay = 5 * time.Second
	var out []byte
	err := pinned(func() error {
		var err error
		out, err = cmd.CombinedOutput()
		return err
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("initdb as %s: %w\n%s", p.account.name, err, out)
	}
	return nil
}

// prepare sets what initdb and postgres share: account, a process group that a
// terminal's interrupt does not reach, and an environment without surprises.
func (p place) prepare(cmd *exec.Cmd, bin binaries) {
	cmd.Env = []string{"PATH=" + bin.dir + ":/usr/bin:/bin", "LC_ALL=C", "TZ=UTC", "HOME=" + p.dir}
	cmd.Dir = p.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.account.credential(), Setpgid: true}
}

// postmaster reads the server's own lock file: its process id, 0 if there is no
// such file, and its state, "ready" when it accepts connections.
func (p place) postmaster() (pid int, state string) {
	text, err := os.ReadFile(filepath.Join(p.data(), "postmaster.pid"))
	if err != nil {
		return 0, ""
	}
	lines := strings.Split(string(text), "\n")
	pid, _ = strconv.Atoi(strings.TrimSpace(lines[0]))
	if len(lines) >= 8 {
		state = strings.TrimSpace(lines[7])
	}
	return pid, state
}

// What a process id in postmaster.pid turns out to be.
const (
	nobodys = iota // no process, or some other program that got the same id
	ours           // a server that this package started in this folder
	another        // some other PostgreSQL process
)

func (p place) whose(pid int) int {
	if pid <= 0 {
		return nobodys
	}
	line := commandLine(pid)
	name, _, _ := strings.Cut(line, " ")
	switch {
	case strings.Contains(line, " "+strings.Join(p.folders(), " ")+" "):
		return ours
	case strings.HasPrefix(filepath.Base(name), "postgres"):
		return another
	default:
		return nobodys
	}
}

// folders is how the arguments of every server of this place begin.
func (p place) folders() []string { return []string{"-D", p.data(), "-k", p.run()} }

// reclaim clears what an earlier server left; the caller holds the folder. A
// server that outlived its supervisor is ended. Lock files are removed when
// their process id names some other program by now, as happens in containers,
// or a zombie: the server would look at the id only and refuse.
func (p place) reclaim(ctx context.Context, log *slog.Logger) error {
	pid, _ := p.postmaster()
	switch p.whose(pid) {
	case nobodys:
		err := os.Remove(p.socket() + ".lock")
		// With a dead id the server makes better use of its file than we can:
		// it names the shared memory to look after.
		if alive(pid) {
			err = os.Remove(filepath.Join(p.data(), "postmaster.pid"))
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing the lock file of a dead database server: %w", err)
		}
		return nil
	case another:
		return nil // the server can judge that
	}
	log.Info("waiting for the previous database server to stop", "dir", p.dir, "pid", pid)
	for _, sig := range shutdown() {
		_ = syscall.Kill(pid, sig)
		gone, err := poll(ctx, 10*time.Second, func() bool { return p.whose(pid) != ours })
		if err != nil {
			return err
		}
		if gone {
			return p.reclaim(ctx, log) // it may be a zombie
		}
	}
	return fmt.Errorf("a database server (pid %d) left over in %s does not stop", pid, p.dir)
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
