package main

import (
	"fmt"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/rosterhq/roster/internal/jsondoc"
)

const largestPage = 100

func addList(cmd *cobra.Command) {
	addOutput(cmd)
	cmd.Flags().Int("limit", 0, "how many to list; 0: all")
}

// printList prints pages of what there is as they come. fetch gets one: from a cursor on ("" for
// the start), of a size; it returns the cursor of the next, "" after the last.
// The whole list is never in memory.
func (a *app) printList(cmd *cobra.Command, what string, columns []column, hide func(jsondoc.Object), fetch func(cursor string, size int) ([]jsondoc.Object, string, error)) error {
	left, _ := cmd.Flags().GetInt("limit")
	if left < 0 {
		return misused(cmd, "--limit: %d is below 0", left)
	}
	var empty error
	cmd.Flags().Visit(func(f *pflag.Flag) { // an unset variable must not list what it was to leave out
		if f.Value.Type() == "string" && f.Value.String() == "" {
			empty = misused(cmd, "--%s is empty", f.Name)
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
	if p.count == 0 && p.format == "table" {
		fmt.Fprintf(a.stderr, "No %s found.\n", what)
		return nil
	}
	return p.close()
}

// from adds to a query which page to show.
func from(query url.Values, cursor string, size int) url.Values {
	query.Set("take", strconv.Itoa(size))
	if cursor != "" {
		query.Set("from", cursor)
	}
	return query
}

// printAnswer returns what prints the one object that a call was answered with.
func (a *app) printAnswer(cmd *cobra.Command) func(jsondoc.Object, error) error {
	return func(got jsondoc.Object, err error) error {
		if err != nil {
			return err
		}
		hide, _ := hidden(cmd)
		hide(got)
		return a.printOne(cmd, got)
	}
}
