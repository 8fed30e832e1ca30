package main

import (
	"bytes"
	"log/slog"
	"testing"
	"time"
)

func TestLogsSayWhatTheyCountIn(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 22, 9, 23, 51, 505e6, time.UTC)
	for people, want := range map[bool]string{
		true:  "time=2026-11-22T09:23:51.505Z level=INFO msg=request took=2.6885s\n",
		false: `{"time":"2026-11-22T09:23:51.505Z","level":"INFO","msg":"request","took_ms":2688.5}` + "\n",
	} {
		var out bytes.Buffer
		r := slog.NewRecord(at, slog.LevelInfo, "request", 0)
		r.Add("took", 2688500*time.Microsecond)
		if err := logHandler(&out, slog.LevelInfo, people).Handle(t.Context(), r); err != nil || out.String() != want {
			t.Errorf("for people %v: %q, want %q, %v", people, &out, want, err)
		}
	}
}
