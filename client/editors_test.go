package client_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/rosterhq/roster/client"
	"github.com/rosterhq/roster/internal/servertest"
)

func TestIfUnchanged(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	api := newClient(t, s.URL, client.Config{Token: s.Admin})
	ctx := t.Context()
	created, err := api.Auth0CreateClientWithResponse(ctx, client.CreateClientRequestContent{Name: "billing", Description: new(strings.Repeat("long ", 25))})
	if err != nil {
		t.Fatal(err)
	}
	id := *created.JSON201.ClientID
	changes := 0
	change := func(answer *http.Response) (*http.Response, error) {
		changes++
		update := client.UpdateClientRequestContent{Description: new(fmt.Sprint("change ", changes))}
		got, err := api.Auth0UpdateClientWithResponse(ctx, id, nil, update, client.IfUnchanged(answer))
		if err != nil {
			return nil, err
		}
		return got.HTTPResponse, nil
	}
	changed, err := change(created.HTTPResponse)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := change(created.HTTPResponse); !errors.Is(err, client.ErrPreconditionFailed) {
		t.Errorf("a change of an older version: %v", err)
	}
	if _, err := change(changed); err != nil {
		t.Errorf("a change of the last answer's version: %v", err)
	}
	read, err := api.Auth0GetClientWithResponse(ctx, id, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := api.Auth0DeleteClientWithResponse(ctx, id, nil, client.IfUnchanged(changed)); !errors.Is(err, client.ErrPreconditionFailed) {
		t.Errorf("deleting an older version: %v", err)
	}
	list, err := api.Auth0ListClientsWithResponse(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, answer := range []*http.Response{nil, list.HTTPResponse} {
		if _, err := change(answer); err == nil || !strings.Contains(err.Error(), "ETag") {
			t.Errorf("a change without a version is sent: %v", err)
		}
	}
	params := &client.Auth0DeleteClientParams{IfMatch: read.Headers200.ETag} // the long way
	if _, err := api.Auth0DeleteClientWithResponse(ctx, id, params); err != nil {
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
			got, err := api.Auth0CreateClientWithResponse(t.Context(), client.CreateClientRequestContent{Name: "billing"}, client.WithIdempotencyKey("order 7"))
			if err != nil {
				t.Error(err)
				return
			}
			ids[i] = *got.JSON201.ClientID
		})
	}
	calls.Wait()
	for _, id := range ids {
		if id == "" || id != ids[0] {
			t.Errorf("clients %q and %q", ids[0], id)
		}
	}
	_, err := api.Auth0CreateClientWithResponse(t.Context(), client.CreateClientRequestContent{Name: "other"}, client.WithIdempotencyKey("order 7"))
	if !errors.Is(err, client.ErrUnprocessable) {
		t.Errorf("another request under the key: %v", err)
	}
}
