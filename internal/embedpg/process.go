package embedpg

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// process is one run of the server program.
type process struct {
	cmd     *exec.Cmd
	log     *serverLog
	done    chan struct{}
	err     error       // set before done is closed
	stopped atomic.Bool // by us, so its end is not a fault
}

// patience bounds the waits for a server that was killed: to be gone, and for
// its last children to let go of its shared memory.
const patience = 20 * time.Second

// drain bounds how long the log is read on after the server's end.
const drain = 5 * time.Second

// serve starts the server and returns when it accepts connections.
func (p place) serve(ctx context.Context, bin binaries, cfg Config) (*process, error) {
	deadline := time.Now().Add(patience)
	for said := false; ; said = true {
		proc, err := p.launch(bin, cfg)
		if err != nil {
			return nil, err
		}
		_, err = poll(ctx, 0, func() bool {
			select {
			case <-proc.done:
				return true
			default:
			}
			pid, state := p.postmaster()
			return pid == proc.cmd.Process.Pid && state == "ready"
		})
		if err != nil {
			return nil, errors.Join(err, proc.stop(time.Second))
		}
		select {
		case <-proc.done:
		default:
			proc.log.ready.Store(true)
			return proc, nil
		}
		if !leftover(proc.log.tail()) || time.Now().After(deadline) {
			return nil, fmt.Errorf("starting the embedded database in %s: %w", p.dir, proc.err)
		}
		if !said {
			cfg.Log.Info("waiting for the remains of a killed database server", "dir", p.dir)
		}
		if _, err := poll(ctx, 250*time.Millisecond, func() bool { return false }); err != nil {
			return nil, err
		}
	}
}

// leftover recognises the two refusals that pass by themselves. Messages are
// never translated: the cluster's locale is C.
func leftover(log string) bool {
	return strings.Contains(log, "pre-existing shared memory block") ||
		strings.Contains(log, `lock file "postmaster.pid" already exists`)
}

// launch starts the server program and follows it.
func (p place) launch(bin binaries, cfg Config) (*process, error) {
	cmd := exec.Command(filepath.Join(bin.dir, "postgres"), p.settings(cfg)...)
	p.prepare(cmd, bin)
	setDeathSignal(cmd.SysProcAttr, syscall.SIGINT) // the orderly way to end
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = w, w
	proc := &process{cmd: cmd, log: &serverLog{out: cfg.Log}, done: make(chan struct{})}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		defer r.Close()
		proc.log.follow(r)
	}()
	started := make(chan error, 1)
	go func() {
		defer close(proc.done)
		_ = pinned(func() error {
			err := cmd.Start()
			w.Close()
			started <- err
			if err != nil {
				return err
			}
			return cmd.Wait()
		})
		// Children may hold the pipe longer than the server lives.
		_ = r.SetReadDeadline(time.Now().Add(drain))
		<-drained
		if !proc.stopped.Load() {
			proc.err = fmt.Errorf("the database server ended by itself: %v; its last lines:\n%s", cmd.ProcessState, proc.log.tail())
		}
	}()
	if err := <-started; err != nil {
		<-proc.done
		return nil, fmt.Errorf("starting postgres as %s: %w", p.account.name, err)
	}
	return proc, nil
}

// settings is the command line after the program's name.
func (p place) settings(cfg Config) []string {
	args := p.folders()
	set := func(name, value string) { args = append(args, "-c", name+"="+value) }
	set("listen_addresses", "")
	set("port", socketPort)
	set("unix_socket_permissions", "0700")
	set("jit", "off") // costs more than it gives in short queries
	set("wal_level", "minimal")
	set("max_wal_senders", "0")
	set("max_wal_size", "256MB")
	set("log_min_messages", "warning")
	set("log_checkpoints", "off")
	set("log_line_prefix", "%b|") // see serverLog
	if cfg.Durable {
		set("shared_buffers", "128MB")
		set("max_connections", "100")
	} else {
		set("shared_buffers", "64MB")
		set("max_connections", "200")
		// synchronous_commit stays on: without it a killed server loses commits that
		// never left its memory, and it costs little without fsync.
		set("fsync", "off")
		set("full_page_writes", "off")
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.Settings)) {
		set(name, cfg.Settings[name]) // the last one counts
	}
	return args
}

// stop sends one signal after the other, grace apart, until the server is gone.
// After the last, which no process can ignore, it waits for patience.
func (p *process) stop(grace time.Duration) error {
	p.stopped.Store(true)
	signals := shutdown()
	for n, sig := range signals {
		_ = p.cmd.Process.Signal(sig) // fails only when it is gone
		if n == len(signals)-1 {
			grace = patience
		}
		timer := time.NewTimer(grace)
		select {
		case <-p.done:
			timer.Stop()
			return nil
		case <-timer.C:
		}
	}
	return fmt.Errorf("the database server (pid %d) does not stop", p.cmd.Process.Pid)
}

// shutdown ends a server in order, then at once with recovery at the next
// start, then by force.
func shutdown() [3]syscall.Signal {
	return [3]syscall.Signal{syscall.SIGINT, syscall.SIGQUIT, syscall.SIGKILL}
}

// pinned runs f on a thread that lives until f returns. A death signal (prctl
// PR_SET_PDEATHSIG) is sent when the thread that started the child ends, not
// the process; the runtime may end idle threads.
func pinned(f func() error) error {
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		result <- f()
	}()
	return <-result
}
