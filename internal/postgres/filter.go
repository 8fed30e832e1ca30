package postgres

import (
	"strconv"
	"strings"
)

// filter is what a list selects by: conditions, and the arguments of the whole
// statement.
type filter struct {
	terms   []string
	indexed []string // further terms, which follow from these and which an index serves
	args    []any
}

// arg adds an argument and returns its placeholder.
func (f *filter) arg(value any) string {
	f.args = append(f.args, value)
	return "$" + strconv.Itoa(len(f.args))
}

// and adds a condition.
func (f *filter) and(term string) { f.terms = append(f.terms, term) }

// where returns the clause, "" where all is selected.
func (f *filter) where() string {
	if len(f.terms) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(f.terms, " AND ")
}

// page returns LIMIT and, where there is one, OFFSET.
func (f *filter) page(limit, offset int) string {
	sql := " LIMIT " + f.arg(limit)
	if offset > 0 {
		sql += " OFFSET " + f.arg(offset)
	}
	return sql
}
