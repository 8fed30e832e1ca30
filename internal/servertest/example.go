package servertest

import (
	"context"
	"log"
	"testing"
)

// ForExample stands in for the test that an example does not have. Its failure
// ends the program; end does what the end of a test would.
func ForExample() (t testing.TB, end func()) {
	e := &example{}
	return e, e.end
}

type example struct {
	testing.TB // nil: what is not below must not be called
	cleanups   []func()
}

func (*example) Helper()                   {}
func (*example) Context() context.Context  { return context.Background() }
func (*example) Failed() bool              { return false }
func (*example) Fatal(args ...any)         { log.Fatal(args...) }
func (*example) Fatalf(f string, a ...any) { log.Fatalf(f, a...) }
func (*example) Error(args ...any)         { log.Fatal(args...) }
func (*example) Errorf(f string, a ...any) { log.Fatalf(f, a...) }
func (e *example) Cleanup(f func())        { e.cleanups = append(e.cleanups, f) }

func (e *example) end() {
	for len(e.cleanups) > 0 {
		last := len(e.cleanups) - 1
		f := e.cleanups[last]
		e.cleanups = e.cleanups[:last]
		f()
	}
}
