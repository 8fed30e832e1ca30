package embedpg

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOrdinaryUserRunsTheServer(t *testing.T) {
	t.Parallel()
	as, dir := nobody(t), folder(t)
	uid := os.Geteuid()
	if as != nil {
		uid = int(as.Uid)
		if err := os.Chown(dir, uid, int(as.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	h := runHelper(t, filepath.Join(dir, "data"), as)
	h.await(t)
	if h.User != uid {
		t.Errorf("the helper process runs as %d, want %d", h.User, uid)
	}
	if got := query[int](t, connect(t, h.URL), "SELECT 1"); got != 1 {
		t.Errorf("the server answers %d", got)
	}
	h.stdin.Close()
	if err := h.cmd.Wait(); err != nil {
		t.Error(err)
	}
	if commandLine(h.Pid) != "" {
		t.Error("the server outlives an orderly stop")
	}
	if as == nil {
		return
	}
	// Root serves the same data as its owner, who can take over again later.
	s := start(t, Config{Dir: h.Dir})
	if s.Dir != h.Dir {
		t.Errorf("root uses %s, want %s", s.Dir, h.Dir)
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	h = runHelper(t, h.Dir, as)
	h.await(t)
}

func TestRootGoesToASystemFolderFromAClosedOne(t *testing.T) {
	t.Parallel()
	asRoot(t)
	base := folder(t)
	closed := filepath.Join(base, "home")
	if err := os.MkdirAll(filepath.Join(closed, "checkout"), 0o700); err != nil {
		t.Fatal(err)
	}
	cfg := Config{Dir: filepath.Join(closed, "checkout", ".roster"), SystemDir: filepath.Join(base, "system")}
	s := start(t, cfg)
	if want := systemFolder(cfg, cfg.Dir); s.Dir != want {
		t.Errorf("the database is in %s, want %s", s.Dir, want)
	}
	if exists(cfg.Dir) {
		t.Error("the wanted folder was made and not used")
	}
	if url, ok := Running(cfg); !ok || url != s.URL {
		t.Errorf("Running gives %q, %t; want %q", url, ok, s.URL)
	}
	if text, err := os.ReadFile(filepath.Join(s.Dir, "made-for")); err != nil || string(text) != cfg.Dir+"\n" {
		t.Errorf("made-for says %q, %v", text, err)
	}
	if err := os.Chmod(closed, 0o755); err != nil {
		t.Fatal(err)
	}
	if p, err := choose(cfg); err != nil || p.dir != s.Dir {
		t.Errorf("with the way open the place is %s, %v; want still %s", p.dir, err, s.Dir)
	}
}

func TestRootChoosesAPlace(t *testing.T) {
	t.Parallel()
	asRoot(t)
	type input struct {
		make string // shell commands that prepare the folder
		want string // below the folder; "system" is the hashed one
		fail string
	}
	for name, c := range map[string]input{
		"open folder":                   {make: "true", want: "w"},
		"missing parents":               {make: "true", want: "w/x/y"},
		"existing folder":               {make: "mkdir w; touch w/file", want: "w"},
		"empty private folder":          {make: "mkdir -m 700 w", want: "w"},
		"private folder with files":     {make: "mkdir -m 700 w; touch w/file", want: "system"},
		"empty folder in a private one": {make: "mkdir -m 700 h; mkdir -m 700 h/w", want: "h/w system"},
		"data in a folder closed since": {make: "mkdir -p h/w/data; echo 15 >h/w/data/PG_VERSION; chown -R 65534 h/w; chmod 700 h", want: "h/w", fail: "chmod a+x"},
		"through a symbolic link":       {make: "mkdir real; ln -s real l", want: "l/w real"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			base := folder(t)
			cmd := exec.Command("sh", "-ec", c.make)
			cmd.Dir = base
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			wanted, result, _ := strings.Cut(c.want, " ")
			if wanted == "system" {
				wanted, result = "w", "system"
			}
			cfg := Config{Dir: filepath.Join(base, wanted), SystemDir: filepath.Join(base, "s")}
			p, err := choose(cfg)
			if c.fail != "" {
				wantError(t, err, c.fail, wanted)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want := cfg.Dir
			switch result {
			case "system":
				want = systemFolder(cfg, cfg.Dir)
			case "real":
				want = filepath.Join(base, "real", "w")
			}
			if p.dir != want {
				t.Errorf("place is %s, want %s", p.dir, want)
			}
			if err := p.make(); err != nil {
				t.Fatal(err)
			}
			if at := p.account.blocked(p.run()); at != "" {
				t.Errorf("the account is stopped at %s", at)
			}
			if again, err := choose(cfg); err != nil || again.dir != p.dir {
				t.Errorf("the second time it is %s, %v; want %s", again.dir, err, p.dir)
			}
		})
	}
}

func TestRootDoesNotFollowPlantedLinks(t *testing.T) {
	t.Parallel()
	asRoot(t)
	for _, name := range []string{"run", "lock"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, victim := folder(t), filepath.Join(folder(t), "victim")
			if err := os.WriteFile(victim, []byte("precious"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(victim, filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
			if _, err := Start(t.Context(), Config{Dir: dir}); err == nil {
				t.Error("no error")
			}
			info, err := os.Stat(victim)
			if err != nil {
				t.Fatal(err)
			}
			text, err := os.ReadFile(victim)
			if uid, _ := owner(info); uid != 0 || err != nil || string(text) != "precious" {
				t.Errorf("the file behind the link belongs to %d and says %q, %v", uid, text, err)
			}
		})
	}
}

func TestPathTooLongForASocket(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(folder(t), strings.Repeat("long/", 20))
	_, err := Start(t.Context(), Config{Dir: dir})
	wantError(t, err, "too long for a Unix socket", "ROSTER_DATA_DIR", fmt.Sprintf("%d bytes", len(dir)))
	if exists(filepath.Dir(dir)) {
		t.Error("the start left a folder behind")
	}
}

func TestDataOfAnotherVersionIsRefused(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	data := filepath.Join(dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(data, "PG_VERSION"), []byte("9\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if as := nobody(t); as != nil {
		if out, err := exec.Command("chown", "-R", fmt.Sprint(as.Uid), data).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	_, err := Start(t.Context(), Config{Dir: dir})
	wantError(t, err, "made by PostgreSQL 9", "ROSTER_POSTGRES_BIN")
	if diff := cmp.Diff([]string{"data"}, entries(t, dir)); diff != "" {
		t.Errorf("the refusal changed the folder (-want +got):\n%s", diff)
	}
}
