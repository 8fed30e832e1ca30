package main

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestReadingRecordsEndsWithTheErrorOfTheFile(t *testing.T) {
	t.Parallel()
	broken := errors.New("the disk is broken")
	for name, text := range map[string]string{"lines": "{\"client_id\":\"a\"}\n", "half a line": "{\"client_id\":\"a\"}\n{\"client", "a list": "[{\"client_id\":\"a\"}"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var last error
			n := 0
			for _, err := range readRecords(io.MultiReader(strings.NewReader(text), iotest.ErrReader(broken)), "auth0") {
				if last = err; err == nil {
					n++
				}
			}
			if n > 1 || !errors.Is(last, broken) {
				t.Errorf("%d records, then %v", n, last)
			}
		})
	}
}
