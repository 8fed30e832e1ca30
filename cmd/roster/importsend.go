package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"

	"github.com/schollz/progressbar/v3"

	"github.com/rosterhq/roster/client"
	"github.com/rosterhq/roster/internal/jsondoc"
)

const (
	batchRecords  = 100
	batchBytes    = 900 << 10
	batchesUnder  = 4 // way at once
	maxNotesKinds = 1000
)

// importing is an import under way.
type importing struct {
	importOptions
	app   *app
	api   *client.Client
	found map[string]int // records of each kind, once the file was read to its end
	bar   bar

	mu      sync.Mutex
	sum     summary
	places  int         // that were given to records so far, those skipped included
	ended   map[int]int // batches that are done: their first place, and how many
	through int         // places before which all is done
}

func newImport(a *app, api *client.Client, o importOptions) *importing {
	return &importing{importOptions: o, app: a, api: api, ended: map[int]int{}, sum: summary{map[string]int{}, map[string]int{}}}
}

// batch are records that are sent together.
type batch struct {
	place   int // of the first one
	records []record
	bytes   int
}

// pass imports the records of one kind, "" for all.
func (im *importing) pass(ctx context.Context, r io.Reader, only string) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var workers, pending sync.WaitGroup
	batches := make(chan batch)
	for range batchesUnder {
		workers.Go(func() {
			for b := range batches {
				if err := im.send(ctx, b); err != nil {
					cancel(err)
				}
				pending.Done()
			}
		})
	}
	err := im.fill(ctx, r, only, func(b batch, last bool) error {
		if len(b.records) > 0 {
			pending.Add(1)
			select {
			case batches <- b:
			case <-ctx.Done():
				pending.Done()
				return context.Cause(ctx)
			}
		}
		if last { // what comes next may refer to what was sent
			pending.Wait()
		}
		return context.Cause(ctx)
	})
	close(batches)
	workers.Wait()
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// fill reads records and hands them on in batches of one kind; last says that
// the next batch is of another.
func (im *importing) fill(ctx context.Context, r io.Reader, only string, hand func(b batch, last bool) error) error {
	found := map[string]int{}
	steps := -1
	if im.found != nil {
		steps = im.found[only]
	}
	im.startBar(steps, only)
	var b batch
	kind := ""
	for one, err := range readRecords(r, im.format) {
		if err != nil {
			return errors.Join(err, hand(b, true))
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if one.exported && im.format != "roster" {
			return fmt.Errorf("%s is a record that `roster export` writes: use `roster import roster`", one.where)
		}
		one.kind = cmp.Or(one.kind, "client")
		found[one.kind]++
		if only != "" && one.kind != only {
			continue
		}
		place := im.places
		im.places++
		if place < im.skip {
			im.end(place, 1)
			continue
		}
		if im.strict && one.problem == "" && len(one.lost) > 0 {
			one.problem = one.lost[0].Message
		}
		if one.problem != "" {
			im.tell(one, outcome{Outcome: "failed", Error: &remark{Message: one.problem}})
			im.end(place, 1)
			continue
		}
		another := one.kind != kind
		if another || len(b.records) == batchRecords || b.bytes+len(one.raw) > batchBytes || len(b.records) > 0 && place != b.place+len(b.records) {
			if err := hand(b, another); err != nil {
				return err
			}
			b = batch{place: place}
		}
		kind = one.kind
		b.records, b.bytes = append(b.records, one), b.bytes+len(one.raw)+1
	}
	im.found = found
	return hand(b, true)
}

// outcome is what the server reports about a record.
type outcome struct {
	Target, Outcome string
	Error           *remark
	Warnings        []remark
}

type remark struct{ Code, Message, Member string }

// send imports one batch. What keeps a batch from being read is found by
// sending its records one by one.
func (im *importing) send(ctx context.Context, b batch) error {
	results, err := im.call(ctx, b.records)
	if e, ok := errors.AsType[*client.Error](err); ok && (e.StatusCode == http.StatusBadRequest || e.StatusCode == http.StatusRequestEntityTooLarge) {
		for i := range b.records {
			results, err := im.call(ctx, b.records[i:i+1])
			if e, ok := errors.AsType[*client.Error](err); ok && (e.StatusCode == http.StatusBadRequest || e.StatusCode == http.StatusRequestEntityTooLarge) {
				results, err = []outcome{{Outcome: "failed", Error: &remark{Message: e.Message}}}, nil
			}
			if err != nil {
				return err
			}
			im.tell(b.records[i], results[0])
			im.end(b.place+i, 1)
		}
		return nil
	}
	if err != nil {
		return err
	}
	for i, r := range results {
		im.tell(b.records[i], r)
	}
	im.end(b.place, len(results))
	return nil
}

func (im *importing) call(ctx context.Context, records []record) ([]outcome, error) {
	var body bytes.Buffer
	fmt.Fprintf(&body, `{"format":%s,"dry_run":%t,`, jsondoc.Must(im.format), im.dry)
	if im.strict { // which older servers do not know
		body.WriteString(`"strict":true,`)
	}
	if im.restore {
		body.WriteString(`"restore":true,`)
	}
	body.WriteString(`"records":[`)
	for i, r := range records {
		if i > 0 {
			body.WriteByte(',')
		}
		body.Write(r.raw)
	}
	body.WriteString("]}")
	got, err := send[struct{ Results []outcome }](ctx, im.api, http.MethodPost, rosterPath+"/import", body.Bytes())
	if err == nil && len(got.Results) != len(records) {
		err = errors.New("the answer does not tell of every record")
	}
	return got.Results, err
}

// tell counts what became of a record, and says what was wrong with it.
func (im *importing) tell(r record, o outcome) {
	im.mu.Lock()
	defer im.mu.Unlock()
	im.sum.outcomes[o.Outcome]++
	im.bar.add(1)
	name := r.where
	if id := cmp.Or(o.Target, r.id); id != "" {
		name += " (" + visible(id) + ")"
	}
	if o.Error != nil {
		im.bar.clear()
		fmt.Fprintf(im.app.stderr, "%s: %s\n", name, visible(o.Error.Message))
	}
	warnings := o.Warnings
	if o.Outcome != "failed" {
		warnings = slices.Concat(r.lost, warnings)
	}
	for _, w := range warnings {
		im.sum.note(w)
		if im.warnings || w.Code == "dropped" {
			im.bar.clear()
			fmt.Fprintf(im.app.stderr, "%s: %s\n", name, visible(w.Message))
		}
	}
}

// end notes that so many records from a place on are done.
func (im *importing) end(place, count int) {
	im.mu.Lock()
	defer im.mu.Unlock()
	im.ended[place] = count
	for n := im.ended[im.through]; n > 0; n = im.ended[im.through] {
		delete(im.ended, im.through)
		im.through += n
	}
}

// upTo is how many records, from the first on, are done.
func (im *importing) upTo() int {
	im.mu.Lock()
	defer im.mu.Unlock()
	return im.through
}

// summary counts what became of records.
type summary struct{ outcomes, notes map[string]int }

func (s *summary) total() (n int) {
	for _, count := range s.outcomes {
		n += count
	}
	return n
}

func (s *summary) note(w remark) {
	text := visible(w.Message)
	if _, known := s.notes[text]; !known && len(s.notes) >= maxNotesKinds {
		text = "other warnings, see --warnings"
	}
	s.notes[text]++
}

// sorted lists the notes, the most frequent first.
func (s *summary) sorted() []string {
	var list []string
	for text := range s.notes {
		list = append(list, text)
	}
	slices.SortFunc(list, func(a, b string) int { return cmp.Or(s.notes[b]-s.notes[a], cmp.Compare(a, b)) })
	return list
}

// bar is a progress bar that may not be there yet.
type bar struct{ *progressbar.ProgressBar }

func (im *importing) startBar(steps int, kind string) {
	im.bar.finish()
	im.bar.ProgressBar = im.app.progress(steps, "importing "+cmp.Or(kind, "record")+"s")
}

func (b bar) add(n int) {
	if b.ProgressBar != nil {
		_ = b.Add(n)
	}
}

func (b bar) clear() {
	if b.ProgressBar != nil {
		_ = b.Clear()
	}
}

func (b bar) finish() {
	if b.ProgressBar != nil {
		_ = b.Finish()
	}
}
