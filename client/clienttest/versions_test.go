package clienttest_test

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/rosterhq/roster/client"
	"github.com/rosterhq/roster/internal/servertest"
)

func TestChangesAreMadeOnlyToTheVersionThatWasRead(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	api := newClient(t, s.URL, client.Config{Token: s.Admin})
	ctx := t.Context()
	id, _ := create(t, api, client.ClientInput{Name: "billing", Description: strings.Repeat("long ", 25)})
	read, err := api.GetClient(ctx, id, nil)
	if err != nil || read.ETag == "" {
		t.Fatal(read, err)
	}
	change := func(etag client.ETag, to string) (client.ETag, error) {
		got, err := api.UpdateClient(ctx, id, client.ClientInput{Description: to}, &client.ChangeOptions{IfMatch: etag})
		if err != nil {
			return "", err
		}
		return got.ETag, nil
	}
	second, err := change(read.ETag, "second")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := change(read.ETag, "third"); !errors.Is(err, client.ErrPreconditionFailed) {
		t.Errorf("a change of an older version: %v", err)
	}
	third, err := change(second, "third")
	if err != nil {
		t.Errorf("a change of the last answer's version: %v", err)
	}
	if err := api.DeleteClient(ctx, id, &client.ChangeOptions{IfMatch: second}); !errors.Is(err, client.ErrPreconditionFailed) {
		t.Errorf("deleting an older version: %v", err)
	}
	if err := api.DeleteClient(ctx, id, &client.ChangeOptions{IfMatch: third}); err != nil {
		t.Errorf("deleting what was read: %v", err)
	}
}

// TestCallsUnderOneKeyGetOneAnswer also when the first is still under way.
func TestCallsUnderOneKeyGetOneAnswer(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	api := newClient(t, s.URL, client.Config{Token: s.Admin})
	ids := make([]string, 12)
	var calls sync.WaitGroup
	for i := range ids {
		calls.Go(func() {
			got, err := api.CreateClient(t.Context(), client.ClientInput{Name: "billing"}, &client.CreateOptions{IdempotencyKey: "order 7"})
			if err != nil {
				t.Error(err)
				return
			}
			ids[i] = got.ID
		})
	}
	calls.Wait()
	for _, id := range ids {
		if id == "" || id != ids[0] {
			t.Errorf("clients %q and %q", ids[0], id)
		}
	}
	_, err := api.CreateClient(t.Context(), client.ClientInput{Name: "other"}, &client.CreateOptions{IdempotencyKey: "order 7"})
	if !errors.Is(err, client.ErrUnprocessable) {
		t.Errorf("another request under the key: %v", err)
	}
}
