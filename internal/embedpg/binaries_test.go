package embedpg

import (
	"os"
	"path/filepath"
	"testing"
)

// install puts programs that only tell a version into dir.
func install(t *testing.T, version string, dir ...string) string {
	t.Helper()
	bin := filepath.Join(dir...)
	if err := os.MkdirAll(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"initdb", "postgres"} {
		script := "#!/bin/sh\necho '" + name + " (PostgreSQL) " + version + "'\n"
		if err := os.WriteFile(filepath.Join(bin, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return bin
}

// Not parallel, nor are its subtests: they set PATH.
func TestBinariesAreFound(t *testing.T) {
	root := folder(t)
	usual := []string{filepath.Join(root, "usr", "*", "bin")}
	for _, version := range []string{"9.6.24", "15.2", "17.1", "16beta1"} {
		install(t, version, root, "usr", version, "bin")
	}
	old := install(t, "13.9", root, "old")
	linked := install(t, "15.8 (Debian 15.8-0+deb12u1)", root, "linked")
	path := filepath.Join(root, "path")
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(linked, "postgres"), filepath.Join(path, "postgres")); err != nil {
		t.Fatal(err)
	}
	empty := folder(t)

	for name, c := range map[string]struct {
		path, hint string
		data       int
		folders    []string
		want       string
		fail       []string
	}{
		"newest of the usual folders":       {folders: usual, want: "usr/17.1/bin"},
		"PATH before the usual folders":     {path: path, folders: usual, want: "linked"},
		"hint before PATH":                  {path: path, hint: filepath.Join(root, "usr", "16beta1", "bin"), folders: usual, want: "usr/16beta1/bin"},
		"too old in PATH":                   {path: old, folders: usual, want: "usr/17.1/bin"},
		"version of the data":               {path: path, data: 16, folders: usual, want: "usr/16beta1/bin"},
		"data of a version not installed":   {data: 14, folders: usual, fail: []string{"made by PostgreSQL 14", "17.1", "dump"}},
		"hint of another version than data": {hint: linked, data: 17, folders: usual, fail: []string{"made by PostgreSQL 17", "15.8 in " + linked}},
		"hint too old":                      {hint: old, folders: usual, fail: []string{"15 or newer", "13.9"}},
		"hint without binaries":             {hint: empty, folders: usual, fail: []string{"ROSTER_POSTGRES_BIN", empty}},
		"none":                              {fail: []string{"apt-get install postgresql", "ROSTER_POSTGRES_BIN", "DATABASE_URL"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("PATH", c.path+":"+empty)
			got, err := findBinaries(c.hint, c.data, c.folders)
			if c.fail != nil {
				wantError(t, err, c.fail...)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if want := filepath.Join(root, c.want); got.dir != want {
				t.Errorf("found %s, want %s", got.dir, want)
			}
		})
	}
}
