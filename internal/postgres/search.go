package postgres

import "strings"

// SearchedName is how many characters of a name are searched, from its beginning.
const SearchedName = 200

// maxSorted is how many clients with a name are put in order, at most. Where
// there are more, a page is found sooner by reading on in the list's order.
const maxSorted = 5000

// The index is on trigramsOfName, which holds those of its beginning too: they
// start with nameStart.
const (
	nameStart      = `E'\x01\x01'`
	searchedName   = `lower(left(c.name, 200))`
	trigramsOfName = `roster_trigrams(` + nameStart + ` || ` + searchedName + `)`
)

// NameQuery selects clients by their names, in upper or lower case. The zero
// value selects all.
type NameQuery struct {
	Contains   string
	StartsWith string
}

// literally takes their meaning from the characters that have one in LIKE.
var literally = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

// like returns the conditions on the name, and those on its trigrams by which the
// index finds it.
func (q NameQuery) like(f *filter) (conditions, indexed []string) {
	add := func(text, before, start string) {
		if text != "" {
			conditions = append(conditions, searchedName+" LIKE lower("+f.arg(before+literally.Replace(text)+"%")+")")
			indexed = append(indexed, trigramsOfName+" @> roster_trigrams("+start+"lower("+f.arg(text)+"))")
		}
	}
	add(q.Contains, "%", "")
	add(q.StartsWith, "", nameStart+" || ")
	return conditions, indexed
}

// places returns the query for the places of the clients of a page, in order.
// page is its LIMIT and, unless names are searched, its OFFSET.
func (q ClientQuery) places(f *filter, page string) string {
	const order = " ORDER BY c.is_global, c.serial"
	if q.Name == (NameQuery{}) {
		return "SELECT c.is_global, c.serial FROM clients c" + f.where() + order + page
	}
	most := f.arg(maxSorted)
	all := "SELECT c.is_global, c.serial FROM clients c" + f.where()
	return `WITH named AS MATERIALIZED (` + all + " AND " + strings.Join(f.indexed, " AND ") + ` LIMIT ` + most + ` + 1)
		SELECT is_global, serial FROM named WHERE (SELECT count(*) FROM named) <= ` + most + `
		UNION ALL (` + all + ` AND (SELECT count(*) FROM named) > ` + most + order + page + `)
		ORDER BY is_global, serial` + page
}
