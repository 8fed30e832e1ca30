package embedpg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// acquire takes the folder for this process. The kernel frees it with the
// process, however that ends. It waits a moment first, since a predecessor that
// has just been killed may not be quite dead.
func (p place) acquire(ctx context.Context) (*os.File, error) {
	name := filepath.Join(p.dir, "lock")
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the lock of the data folder: %w", err)
	}
	taken, err := poll(ctx, time.Second, func() bool {
		return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
	})
	if err == nil && !taken {
		by := ""
		if pid, _, err := p.holder(); err == nil {
			by = fmt.Sprintf(" (pid %d)", pid)
		}
		err = fmt.Errorf("another process%s holds the data folder %s: stop it, or set ROSTER_DATA_DIR to another folder", by, p.dir)
	}
	if err == nil && p.account.credential() != nil {
		err = f.Chown(p.account.uid, p.account.gid) // so that the data's owner can start it too
	}
	if err == nil {
		err = announce(f, "")
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// announce writes who holds the folder, for messages and for Running: the
// process id and, once it accepts connections, the database, a line each.
func announce(lock *os.File, database string) error {
	text := fmt.Sprintf("%d\n%s\n", os.Getpid(), database)
	_, err := lock.WriteAt([]byte(text), 0)
	if err == nil {
		err = lock.Truncate(int64(len(text)))
	}
	if err != nil {
		return fmt.Errorf("writing the lock of the data folder: %w", err)
	}
	return nil
}

// holder reads what announce wrote, whether or not that process still lives.
func (p place) holder() (pid int, database string, err error) {
	text, err := os.ReadFile(filepath.Join(p.dir, "lock"))
	if err != nil {
		return 0, "", err
	}
	lines := strings.Split(string(text), "\n")
	if len(lines) < 2 {
		return 0, "", errors.New("the lock file has no owner yet")
	}
	pid, err = strconv.Atoi(lines[0])
	return pid, lines[1], err
}
