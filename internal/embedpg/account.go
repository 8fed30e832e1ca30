package embedpg

import (
	"errors"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// account is who the server runs as. PostgreSQL refuses to run as root.
type account struct {
	name     string
	uid, gid int
}

// credential is nil when the account is this process's own.
func (a account) credential() *syscall.Credential {
	if a.uid == os.Geteuid() {
		return nil
	}
	return &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid), Groups: []uint32{uint32(a.gid)}}
}

// unprivileged picks the account that root hands new data to.
func unprivileged() (account, error) {
	for _, name := range []string{"postgres", "nobody"} {
		if u, err := user.Lookup(name); err == nil {
			return accountOf(u)
		}
	}
	return account{}, errors.New("PostgreSQL refuses to run as root, and there is neither a user postgres nor a user nobody to run it as: create one, run as an ordinary user, or set DATABASE_URL")
}

func accountOf(u *user.User) (account, error) {
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return account{}, err
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return account{}, err
	}
	return account{name: u.Username, uid: uid, gid: gid}, nil
}

// accountByID knows uids without a name too; gid is what those get.
func accountByID(uid, gid int) account {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		if a, err := accountOf(u); err == nil {
			return a
		}
	}
	return account{name: "uid " + strconv.Itoa(uid), uid: uid, gid: gid}
}

// blocked returns the first existing folder on the way up from dir, dir
// included, that the account may not pass through; empty when there is none.
// It judges by the mode bits alone.
func (a account) blocked(dir string) string {
	for ; ; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err == nil {
			uid, gid := owner(info)
			pass := info.Mode().Perm()
			switch {
			case uid == a.uid:
				pass &= 0o100
			case gid == a.gid:
				pass &= 0o010
			default:
				pass &= 0o001
			}
			if pass == 0 {
				return dir
			}
		}
		if dir == filepath.Dir(dir) {
			return ""
		}
	}
}

func owner(info os.FileInfo) (uid, gid int) {
	sys := info.Sys().(*syscall.Stat_t)
	return int(sys.Uid), int(sys.Gid)
}
