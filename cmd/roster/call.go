package main

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rosterhq/roster/client"
)

// Where the API keeps its collections.
const (
	clientsPath = "/api/v2/clients"
	grantsPath  = "/api/v2/client-grants"
	apisPath    = "/api/v2/resource-servers"
	rosterPath  = "/api/roster/v1"
)

// fetch reads what is at a path. Objects are decoded as the API shows them, so
// that members this program does not know of are printed too.
func fetch[T any](ctx context.Context, api *client.Client, path string, query url.Values) (T, error) {
	var v T
	_, err := api.Do(ctx, client.Request{Path: path, Query: query}, &v)
	return v, err
}

// send makes a change with a body, nil for none, and returns what it is answered with.
func send[T any](ctx context.Context, api *client.Client, method, path string, body any) (T, error) {
	var v T
	_, err := api.Do(ctx, client.Request{Method: method, Path: path, Body: body}, &v)
	return v, err
}

// remove deletes what is at a path.
func remove(ctx context.Context, api *client.Client, path string) error {
	_, err := api.Do(ctx, client.Request{Method: http.MethodDelete, Path: path}, nil)
	return err
}

// ask puts the value of a flag that was given into a query.
func ask(cmd *cobra.Command, query url.Values, flag, parameter string) {
	if f := cmd.Flag(flag); f.Changed {
		value := f.Value.String()
		if list, err := cmd.Flags().GetStringSlice(flag); err == nil {
			value = strings.Join(list, ",")
		}
		query.Set(parameter, value)
	}
}
