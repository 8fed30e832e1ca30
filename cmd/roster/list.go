package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/rosterhq/roster/internal/jsondoc"
)

const largestPage = 100

func addList(cmd *cobra.Command) {
	addOutput(cmd)
	cmd.Flags().Int("limit", 0, "how many to list; 0: all")
}

// printList prints pages as they come. fetch gets one: from a cursor on ("" for
// the start), of a size; it returns the cursor of the next, "" after the last.
// The whole list is never in memory. Objects are handled as the API shows them,
// so that members this program does not know of are printed too.
func (a *app) printList(cmd *cobra.Command, columns []column, hide func(jsondoc.Object), fetch func(cursor string, size int) ([]jsondoc.Object, string, error)) error {
	left, _ := cmd.Flags().GetInt("limit")
	if left < 0 {
		return usageError{fmt.Errorf("--limit: %d is below 0", left)}
	}
	var empty error
	cmd.Flags().Visit(func(f *pflag.Flag) { // an unset variable must not list what it was to leave out
		if f.Value.Type() == "string" && f.Value.String() == "" {
			empty = usageError{fmt.Errorf("--%s is empty", f.Name)}
		}
	})
	if empty != nil {
		return empty
	}
	all := left == 0
	p := a.newPrinter(cmd, columns, false)
	for cursor := ""; all || left > 0; {
		size := largestPage
		if !all {
			size = min(size, left)
		}
		objects, next, err := fetch(cursor, size)
		if err != nil {
			return err
		}
		for _, object := range objects[:min(size, len(objects))] {
			hide(object)
			if err := p.print(object); err != nil {
				return err
			}
		}
		if left -= len(objects); next == "" {
			break
		}
		if err := p.flush(); err != nil {
			return err
		}
		cursor = next
	}
	return p.close()
}

// answer decodes what a call was answered with; nothing is left to be read.
func answer[T any](resp *http.Response, err error) (T, error) {
	var v T
	if err != nil {
		return v, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil {
		err = json.Unmarshal(text, &v)
	}
	return v, err
}

// printAnswer returns what prints the one object that a call was answered with.
func (a *app) printAnswer(cmd *cobra.Command) func(*http.Response, error) error {
	return func(resp *http.Response, err error) error {
		got, err := answer[jsondoc.Object](resp, err)
		if err != nil {
			return err
		}
		hide, _, _ := hidden(cmd)
		hide(got)
		return a.printOne(cmd, got)
	}
}

// given returns the value of a flag that was set, else nil.
func given[T any](cmd *cobra.Command, name string, get func(string) (T, error)) *T {
	if !cmd.Flags().Changed(name) {
		return nil
	}
	value, err := get(name)
	if err != nil {
		return nil
	}
	return &value
}
