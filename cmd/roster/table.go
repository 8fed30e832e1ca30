package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode"

	"github.com/rivo/uniseg"
	"golang.org/x/term"

	"github.com/rosterhq/roster/internal/jsondoc"
)

// column is one of a table: what stands above it, and the member it shows.
type column struct {
	head, member string
	show         func(json.RawMessage) string // nil: cell

	// What gives way where the terminal is too narrow, in this order: flexible
	// columns are cut, the last spare ones are left out, names are cut.
	flexible, spare, name bool
}

const (
	gap      = 2  // blanks between columns
	narrow   = 12 // what a flexible column keeps at least
	tableRow = 100
)

// table aligns rows a screenful at a time, so that a long list appears as it
// comes. Columns get wider with what comes later, never narrower.
type table struct {
	w       io.Writer
	columns []column
	widths  []int
	rows    [][]string
	headed  bool
	limit   int // characters a line; 0: no limit
}

// shown is what stands in the column for a member.
func (c column) shown(member json.RawMessage) string {
	if c.show != nil {
		return c.show(member)
	}
	return cell(member)
}

func newTable(w io.Writer, columns []column) *table {
	t := &table{w: w, columns: columns, widths: make([]int, len(columns))}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil {
			t.limit = width
		}
	}
	return t
}

func (t *table) add(object jsondoc.Object) error {
	row := make([]string, len(t.columns))
	for i, c := range t.columns {
		row[i] = c.shown(object[c.member])
	}
	if t.rows = append(t.rows, row); len(t.rows) >= tableRow {
		return t.flush()
	}
	return nil
}

// flush writes the rows that are kept, below a heading if there is none yet.
func (t *table) flush() error {
	rows := t.rows
	if !t.headed {
		head := make([]string, len(t.columns))
		for i, c := range t.columns {
			head[i] = c.head
		}
		rows = append([][]string{head}, rows...)
	}
	t.headed, t.rows = true, nil
	for _, row := range rows {
		for i, text := range row {
			t.widths[i] = max(t.widths[i], uniseg.StringWidth(text))
		}
	}
	widths := t.fit()
	var out strings.Builder
	for _, row := range rows {
		var line strings.Builder
		for i, text := range row {
			if widths[i] > 0 {
				text = shorten(text, widths[i])
				line.WriteString(text + strings.Repeat(" ", widths[i]-uniseg.StringWidth(text)+gap))
			}
		}
		out.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	_, err := io.WriteString(t.w, out.String())
	return err
}

// fit returns widths with which a line fits the terminal, if there are any: 0
// leaves a column out.
func (t *table) fit() []int {
	widths := append([]int(nil), t.widths...)
	over := func() int {
		total := -gap
		for _, w := range widths {
			if w > 0 {
				total += w + gap
			}
		}
		return total - t.limit
	}
	if t.limit == 0 {
		return widths
	}
	t.narrow(widths, over, func(c column) bool { return c.flexible })
	for i := len(widths) - 1; i >= 0 && over() > 0; i-- {
		if t.columns[i].spare {
			widths[i] = 0
		}
	}
	t.narrow(widths, over, func(c column) bool { return c.name })
	return widths
}

// narrow takes from the widest of some columns until a line fits or all of them
// are narrow.
func (t *table) narrow(widths []int, over func() int, some func(column) bool) {
	for over() > 0 {
		widest := -1
		for i, c := range t.columns {
			if some(c) && widths[i] > narrow && (widest < 0 || widths[i] > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			return
		}
		widths[widest]--
	}
}

// shorten cuts text to a width, and shows that it did.
func shorten(text string, width int) string {
	if uniseg.StringWidth(text) <= width {
		return text
	}
	var b strings.Builder
	for rest, used := text, 0; rest != ""; {
		var cluster string
		var w int
		cluster, rest, w, _ = uniseg.FirstGraphemeClusterInString(rest, -1)
		if used += w; used > width-1 {
			break
		}
		b.WriteString(cluster)
	}
	return b.String() + "…"
}

// cell shows a member in a line: texts as they are, lists with commas between,
// nothing for what is absent.
func cell(member json.RawMessage) string {
	var value any
	dec := json.NewDecoder(bytes.NewReader(member))
	dec.UseNumber()
	if dec.Decode(&value) != nil {
		return ""
	}
	return visible(plain(value))
}

func plain(value any) string {
	switch value := value.(type) {
	case nil:
		return ""
	case string:
		return value
	case []any:
		texts := make([]string, len(value))
		for i, element := range value {
			texts[i] = plain(element)
		}
		return strings.Join(texts, ",")
	case map[string]any:
		text, _ := json.Marshal(value)
		return string(text)
	}
	return fmt.Sprint(value)
}

// toTheMinute is how people are shown times, in UTC. --expires takes it too.
const toTheMinute = "2006-01-02T15:04Z07:00"

// moment shows a time of the API's; nothing for none.
func moment(member json.RawMessage) string {
	at, err := time.Parse(time.RFC3339, jsondoc.String(member))
	if err != nil {
		return cell(member)
	}
	return at.UTC().Format(toTheMinute)
}

// momentOrNever is moment for times that may be missing, because nothing has happened yet or ever will.
func momentOrNever(member json.RawMessage) string {
	return cmp.Or(moment(member), "never")
}

// printable reports whether a terminal shows r and does nothing else with it:
// no control characters, no marks that turn the writing direction.
func printable(r rune) bool { return unicode.IsPrint(r) }

// visible writes what is not printable as an escape, such as \x1b or \u202e,
// and the backslash twice.
func visible(text string) string {
	text = strings.ReplaceAll(text, `\`, `\\`)
	return escape(strings.ReplaceAll(text, "\n", `\n`), func(r rune) string {
		if r < 0x80 {
			return fmt.Sprintf(`\x%02x`, r)
		}
		if r > 0xffff {
			return fmt.Sprintf(`\U%08x`, r)
		}
		return fmt.Sprintf(`\u%04x`, r)
	})
}
