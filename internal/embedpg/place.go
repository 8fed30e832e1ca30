package embedpg

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// socketPort is part of the socket's file name only; nothing listens on it.
const socketPort = "5432"

// place is where the database of a wanted folder lives, and as whom it runs:
//
//	dir/data     the cluster, the account's alone
//	dir/run      the socket, the account's alone
//	dir/lock     locked by the process that runs the server
//	dir/init-*   a cluster being made
type place struct {
	wanted  string // Config.Dir, canonical
	dir     string
	account account
}

func (p place) data() string { return filepath.Join(p.dir, "data") }
func (p place) run() string  { return filepath.Join(p.dir, "run") }

// socket is the file that clients connect to.
func (p place) socket() string { return filepath.Join(p.run(), ".s.PGSQL."+socketPort) }

// choose finds the place of cfg.Dir and changes nothing. An ordinary user gets
// the wanted folder. Root gets the place that holds data already, run as the
// data's owner; failing that the wanted folder if the unprivileged account can
// enter it; else one below cfg.SystemDir. The order makes every later start
// find the same place, however the permissions have changed meanwhile.
func choose(cfg Config) (place, error) {
	wanted, err := canonical(cfg.Dir)
	if err != nil {
		return place{}, err
	}
	root := os.Geteuid() == 0
	for _, dir := range candidates(cfg, wanted) {
		info, err := os.Stat(versionFile(dir))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return place{}, fmt.Errorf("looking for existing data: %w", err)
		}
		p := place{wanted: wanted, dir: dir, account: accountByID(owner(info))}
		if !root && p.account.uid != os.Geteuid() {
			return place{}, fmt.Errorf("the database in %s belongs to %s: run as that user or root, or set ROSTER_DATA_DIR to another folder", dir, p.account.name)
		}
		if at := p.account.blocked(dir); root && at != "" {
			return place{}, fmt.Errorf("the database in %s belongs to %s, who may not pass through %s: allow it (chmod a+x %s), or set ROSTER_DATA_DIR to another folder", dir, p.account.name, at, at)
		}
		return p, p.checkSocket()
	}
	if !root {
		p := place{wanted: wanted, dir: wanted, account: accountByID(os.Geteuid(), os.Getegid())}
		return p, p.checkSocket()
	}
	a, err := unprivileged()
	if err != nil {
		return place{}, err
	}
	p := place{wanted: wanted, dir: wanted, account: a}
	system := systemFolder(cfg, wanted)
	if at := a.blocked(wanted); at != "" && (at != wanted || !untouched(wanted) || a.blocked(filepath.Dir(wanted)) != "") {
		p.dir = system
		if at := a.blocked(system); at != "" {
			return place{}, fmt.Errorf("user %s may not pass through %s and %s: set ROSTER_DATA_DIR to a folder it can enter", a.name, a.blocked(wanted), at)
		}
	}
	return p, p.checkSocket()
}

// candidates are the folders that may hold the data of wanted, in the order in
// which they are looked at.
func candidates(cfg Config, wanted string) []string {
	if os.Geteuid() != 0 {
		return []string{wanted}
	}
	return []string{systemFolder(cfg, wanted), wanted}
}

// versionFile is there when a place's cluster is.
func versionFile(dir string) string { return filepath.Join(dir, "data", "PG_VERSION") }

// untouched reports that dir is an empty folder of mode 0700, as somebody makes
// it for us: only such a folder may be opened to the account.
func untouched(dir string) bool {
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		return false
	}
	entries, err := os.ReadDir(dir)
	return err == nil && len(entries) == 0
}

// systemFolder depends on nothing but the wanted path.
func systemFolder(cfg Config, wanted string) string {
	dir := cfg.SystemDir
	if dir == "" {
		dir = "/var/lib/roster"
	}
	return filepath.Join(dir, fmt.Sprintf("%x", sha256.Sum256([]byte(wanted)))[:16])
}

// canonical makes dir absolute and resolves the symbolic links in that part of
// it which exists.
func canonical(dir string) (string, error) {
	if dir == "" {
		return "", errors.New("no data folder given: set ROSTER_DATA_DIR")
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	rest := ""
	for d := abs; ; d = filepath.Dir(d) {
		real, err := filepath.EvalSymlinks(d)
		if err == nil {
			return filepath.Join(real, rest), nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("resolving data folder %s: %w", dir, err)
		}
		rest = filepath.Join(filepath.Base(d), rest)
	}
}

// checkSocket refuses a folder whose socket would not fit sockaddr_un.sun_path,
// whose last byte is a NUL.
func (p place) checkSocket() error {
	limit := 107
	if runtime.GOOS != "linux" {
		limit = 103
	}
	path := p.socket()
	if len(path) <= limit {
		return nil
	}
	return fmt.Errorf("the data folder %s is too long for a Unix socket: its path has %d bytes, at most %d fit; set ROSTER_DATA_DIR to a shorter one",
		p.dir, len(p.dir), limit-(len(path)-len(p.dir)))
}

// make creates the folder with run in it. What exists keeps its owner and mode,
// save an untouched folder.
func (p place) make() error {
	if p.account.credential() == nil {
		if err := os.MkdirAll(p.dir, 0o700); err != nil {
			return err
		}
		return p.own(p.run())
	}
	fresh := untouched(p.dir)
	if !exists(p.dir) {
		if err := p.makeParents(filepath.Dir(p.dir)); err != nil {
			return err
		}
		if err := os.Mkdir(p.dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		fresh = untouched(p.dir)
	}
	if fresh {
		// The folder stays root's; the account may pass through, not list or write.
		if err := os.Lchown(p.dir, -1, p.account.gid); err != nil {
			return err
		}
		if err := os.Chmod(p.dir, 0o710); err != nil {
			return err
		}
		if p.dir != p.wanted {
			if err := os.WriteFile(filepath.Join(p.dir, "made-for"), []byte(p.wanted+"\n"), 0o600); err != nil {
				return err
			}
		}
	}
	return p.own(p.run())
}

// makeParents is MkdirAll with a mode that lets the account pass, whatever the
// umask says.
func (p place) makeParents(dir string) error {
	if exists(dir) {
		return nil
	}
	if err := p.makeParents(filepath.Dir(dir)); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return os.Chmod(dir, 0o755)
}

// own makes dir a folder of the account alone. A symbolic link is refused: it
// could lead root to change the owner of something else.
func (p place) own(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is not a folder", dir)
	}
	if p.account.credential() != nil {
		if err := os.Lchown(dir, p.account.uid, p.account.gid); err != nil {
			return err
		}
	}
	return os.Chmod(dir, 0o700)
}
