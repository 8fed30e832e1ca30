package embedpg

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
)

// serverLog passes the server's lines on, one record each, and keeps the last
// ones. A line begins with the kind of process (log_line_prefix %b|) and the
// severity, or goes with the line before:
//
//	client backend|ERROR:  duplicate key value violates unique constraint "x"
//	client backend|DETAIL:  Key (a)=(b) already exists.
//
// What failed for a client is a debug record, for the client has got the same
// error; its details are dropped, for they contain rows and statements. Until
// the server is ready no record is an error: Start returns what went wrong.
type serverLog struct {
	out   *slog.Logger
	ready atomic.Bool

	level slog.Level // of the last line that had its own
	drop  bool       // the details of that line
	mu    sync.Mutex
	last  []string
}

func (l *serverLog) follow(r io.Reader) {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadString('\n')
		if line = strings.TrimRight(line, "\r\n"); line != "" {
			l.pass(line)
		}
		if err != nil {
			return
		}
	}
}

func (l *serverLog) pass(line string) {
	kind, text, prefixed := strings.Cut(line, "|")
	severity, _, labelled := strings.Cut(text, ":  ")
	own := false
	if prefixed && labelled {
		own = l.enter(kind, severity)
	}
	if !own && l.drop {
		return
	}
	if !prefixed {
		kind, text = "", line
	}
	l.keep(text)
	l.out.Log(context.Background(), l.level, "postgres", "process", kind, "line", strings.TrimSpace(text))
}

// enter sets level and drop for a line with a severity of its own; the rest
// (DETAIL, HINT, STATEMENT…) it leaves alone and returns false.
func (l *serverLog) enter(kind, severity string) bool {
	client := kind == "client backend"
	switch severity {
	case "WARNING":
		l.level = slog.LevelWarn
	case "PANIC":
		l.level = slog.LevelError
	case "ERROR", "FATAL":
		l.level = slog.LevelError
		if client {
			l.level = slog.LevelDebug
		}
	case "LOG", "INFO", "NOTICE", "DEBUG":
		l.level = slog.LevelDebug
	default:
		return false
	}
	if l.level == slog.LevelError && !l.ready.Load() {
		l.level = slog.LevelDebug
	}
	l.drop = client
	return true
}

func (l *serverLog) keep(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.last) == 12 {
		l.last = l.last[1:]
	}
	l.last = append(l.last, line)
}

func (l *serverLog) tail() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.last, "\n")
}
