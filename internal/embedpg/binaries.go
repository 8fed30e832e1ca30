package embedpg

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// oldest is the first major version whose features the schema may use.
const oldest = 15

// usualFolders are where Debian, Red Hat, a source build, Homebrew and
// Postgres.app put the server binaries.
var usualFolders = []string{
	"/usr/lib/postgresql/*/bin",
	"/usr/pgsql-*/bin",
	"/usr/local/pgsql/bin",
	"/opt/homebrew/opt/postgresql@*/bin",
	"/usr/local/opt/postgresql@*/bin",
	"/Applications/Postgres.app/Contents/Versions/*/bin",
}

// binaries are the programs of one installed version.
type binaries struct {
	dir     string
	version string // as printed, such as 15.18
	major   int
}

// findBinaries looks in hint alone if that is set, else where PATH leads and
// then in folders (glob patterns), newest first. data is the major version that
// made the existing data; 0 is none yet, and any version will do.
func findBinaries(hint string, data int, folders []string) (binaries, error) {
	var found []binaries
	if hint != "" {
		b, err := inspect(hint)
		if err != nil {
			return binaries{}, fmt.Errorf("ROSTER_POSTGRES_BIN: %w", err)
		}
		found = append(found, b)
	} else {
		if p, err := exec.LookPath("postgres"); err == nil {
			// The server finds its other files relative to its real folder.
			if p, err = filepath.EvalSymlinks(p); err == nil {
				if b, err := inspect(filepath.Dir(p)); err == nil {
					found = append(found, b)
				}
			}
		}
		found = append(found, installed(folders)...)
	}
	if len(found) == 0 {
		return binaries{}, errors.New("no PostgreSQL server binaries (initdb, postgres) in PATH or the usual folders: " +
			"install them (Debian: apt-get install postgresql), set ROSTER_POSTGRES_BIN to their folder, or set DATABASE_URL to use a running server")
	}
	var have []string
	for _, b := range found {
		if data == b.major || data == 0 && b.major >= oldest {
			return b, nil
		}
		have = append(have, b.version+" in "+b.dir)
	}
	if data == 0 {
		return binaries{}, fmt.Errorf("PostgreSQL %d or newer is needed, there is only %s: "+
			"install a newer one, set ROSTER_POSTGRES_BIN to its folder, or set DATABASE_URL to use a running server", oldest, strings.Join(have, ", "))
	}
	return binaries{}, fmt.Errorf("the data was made by PostgreSQL %d and no other version can open it, but there is only %s: "+
		"install version %d, set ROSTER_POSTGRES_BIN to its folder, or dump the data with %d and restore it into a new data folder",
		data, strings.Join(have, ", "), data, data)
}

// Programs returns the folder of PostgreSQL's programs that Start takes for a new
// database. hint is Config.BinDir.
func Programs(hint string) (dir string, err error) {
	b, err := findBinaries(hint, 0, usualFolders)
	return b.dir, err
}

func installed(folders []string) []binaries {
	var found []binaries
	for _, pattern := range folders {
		dirs, err := filepath.Glob(pattern)
		if err != nil {
			panic(err) // a malformed pattern of ours
		}
		for _, dir := range dirs {
			if b, err := inspect(dir); err == nil {
				found = append(found, b)
			}
		}
	}
	slices.SortStableFunc(found, func(a, b binaries) int { return b.major - a.major })
	return found
}

// inspect fails unless dir holds both programs and postgres tells its version.
func inspect(dir string) (binaries, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return binaries{}, err
	}
	for _, name := range []string{"initdb", "postgres"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			return binaries{}, err
		}
		if !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
			return binaries{}, fmt.Errorf("%s in %s is not a program", name, dir)
		}
	}
	out, err := exec.Command(filepath.Join(dir, "postgres"), "--version").Output()
	if err != nil {
		return binaries{}, fmt.Errorf("asking %s/postgres for its version: %w", dir, err)
	}
	// postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)
	words := strings.Fields(string(out))
	if len(words) < 3 {
		return binaries{}, fmt.Errorf("%s/postgres calls itself %q", dir, out)
	}
	major := leadingNumber(words[2])
	if major == 0 {
		return binaries{}, fmt.Errorf("%s/postgres calls itself %q", dir, out)
	}
	return binaries{dir: dir, version: words[2], major: major}, nil
}

// leadingNumber reads 18 from 18beta1, and 0 from what does not start so.
func leadingNumber(s string) int {
	n, _ := strconv.Atoi(s[:len(s)-len(strings.TrimLeft(s, "0123456789"))])
	return n
}
