package main_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/rosterhq/roster/internal/servertest"
)

// terminal runs a command at a terminal of its own, so many characters wide. It
// types each of answers when the program has asked. It returns what the terminal
// shows.
func (c *cli) terminal(width uint16, answers []string, args ...string) (shown string, code int) {
	c.t.Helper()
	user, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		c.t.Fatal(err)
	}
	defer user.Close()
	number, err := unix.IoctlGetInt(int(user.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(user.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(int(user.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: width})
	}
	if err != nil {
		c.t.Fatal(err)
	}
	program, err := os.OpenFile(fmt.Sprint("/dev/pts/", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		c.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(c.t.Context(), servertest.Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true} // Ctrl-C works
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = environment(c.env...), program, program, program
	err = cmd.Start()
	program.Close()
	if err != nil {
		c.t.Fatal(err)
	}
	var all bytes.Buffer
	for chunk := make([]byte, 4096); ; {
		n, err := user.Read(chunk)
		all.Write(chunk[:n])
		if len(answers) > 0 && bytes.HasSuffix(all.Bytes(), []byte("[y/N] ")) {
			if _, err := io.WriteString(user, answers[0]); err != nil {
				c.t.Fatal(err)
			}
			answers = answers[1:]
		}
		if err != nil { // EIO: the program has closed it
			break
		}
	}
	_ = cmd.Wait()
	return all.String(), cmd.ProcessState.ExitCode()
}

func TestDeletingAsksAtATerminal(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	var ids []string
	for i := range 3 {
		ids = append(ids, c.create(map[string]any{"name": fmt.Sprint("client ", i)})["client_id"].(string))
	}
	for _, no := range []string{"\n", "n\n", "yesterday\n", "\x04", "\x03"} {
		shown, code := c.terminal(80, []string{no}, "clients", "delete", ids[0])
		if code != 1 || !strings.Contains(shown, "Delete the client "+ids[0]+" (client 0)? [y/N]") || !strings.Contains(shown, "nothing was done") {
			t.Errorf("%q: exit code %d: %s", no, code, shown)
		}
	}
	if left := c.list("clients", "list", "--global=false"); len(left) != 3 {
		t.Fatalf("left are %v", column(left, "name"))
	}
	shown, code := c.terminal(120, []string{"Y\n"}, "clients", "delete", ids[0], ids[1])
	if code != 0 || !strings.Contains(shown, "Delete 2 clients: "+ids[0]+" (client 0), "+ids[1]+" (client 1)?") || !strings.Contains(shown, "deleting  50%") || !strings.Contains(shown, "(1/2") {
		t.Errorf("exit code %d: %q", code, shown)
	}
	if left := c.list("clients", "list", "--global=false"); len(left) != 1 {
		t.Errorf("left are %v", column(left, "name"))
	}
}

func TestInterruptEndsWaitingForInput(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"clients", "update", "x", "--file", "-"}, {"import", "auth0", "-"}} {
		t.Run(args[0], func(t *testing.T) { t.Parallel(); interruptWaiting(t, args) })
	}
}

// interruptWaiting interrupts a command that waits for the rest of its input.
func interruptWaiting(t *testing.T, args []string) {
	input, typing, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer typing.Close()
	defer input.Close()
	ctx, cancel := context.WithTimeout(t.Context(), servertest.Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	var stderr bytes.Buffer
	cmd.Env, cmd.Stdin, cmd.Stderr = environment("ROSTER_TOKEN=x", "ROSTER_URL=http://127.0.0.1:1"), input, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(typing, "name: "); err != nil {
		t.Fatal(err)
	}
	servertest.Eventually(t, "the program reads", func() bool {
		left, err := unix.IoctlGetInt(int(input.Fd()), unix.TIOCINQ)
		if err != nil {
			t.Fatal(err)
		}
		return left == 0
	})
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if _ = cmd.Wait(); ctx.Err() != nil || !strings.Contains(stderr.String(), "interrupted") {
		t.Errorf("it ends with %v: %s", cmd.ProcessState, &stderr)
	}
}

func TestTablesFitTheTerminal(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	id := c.create(map[string]any{"name": "帳單 " + strings.Repeat("é", 100), "app_type": "spa"})["client_id"].(string)
	c.create(map[string]any{"name": "short", "app_type": "native"})
	for _, width := range []uint16{60, 80, 110} {
		shown, _ := c.terminal(width, nil, "clients", "list")
		line := regexp.MustCompile(`(?m)^` + id + `  (帳單 é+…)\r$`).FindString(shown) // the name has what other columns would take
		if utf8.RuneCountInString(line) != int(width)-2+len("\r") {
			t.Fatalf("at %d characters:\n%s", width, shown)
		}
		for l := range strings.Lines(shown) {
			l = strings.TrimRight(l, "\r\n")
			if cells := utf8.RuneCountInString(l) + 2*strings.Count(l, "帳單"); cells > int(width) {
				t.Errorf("a line of %d characters at %d:\n%s", cells, width, l)
			}
		}
	}
	if piped := c.ok("clients", "list"); !strings.Contains(piped, strings.Repeat("é", 100)) || strings.Contains(piped, "…") {
		t.Errorf("what is piped is cut:\n%s", piped)
	}
	if narrow, _ := c.terminal(20, nil, "clients", "list"); !strings.Contains(narrow, id) {
		t.Errorf("an id is cut:\n%s", narrow)
	}
}
