package main

import (
	"context"
	"log/slog"
	"os"
	"time"

	"github.com/rosterhq/roster/internal/registry"
)

// followed are the files that a running server reads again when they change.
type followed struct {
	reg  *registry.Registry
	cert *certificate // nil: no TLS
	log  *slog.Logger

	said string // of the keyset, so that it is said once
}

// follow reads the keyset file every two seconds, and all files at each hangup,
// until ctx ends.
func (f *followed) follow(ctx context.Context, hangups <-chan os.Signal) {
	tick := time.NewTicker(keysetPoll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
			f.said = ""
			if f.cert != nil {
				f.cert.look()
			}
			f.keyset()
			f.log.Info("files were read again", "signal", "SIGHUP")
		case <-tick.C:
			f.keyset()
		}
	}
}

func (f *followed) keyset() {
	changed, err := f.reg.RefreshKeyset()
	switch {
	case err != nil && err.Error() != f.said:
		f.said = err.Error()
		f.log.Error("cannot use the keyset file; keeping the previous keyset", "err", err)
	case err == nil:
		f.said = ""
	}
	if changed {
		f.log.Info("the keyset has changed", "keys", f.reg.Keys())
	}
}
