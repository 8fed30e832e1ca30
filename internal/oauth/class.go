package oauth

// Class says who may come to know a member of a record.
type Class int

const (
	// ClassSecret is the class of what has none, and of all that an object holds besides
	// what its description names: sealed in its row, redacted in events, left out of
	// exports without secrets.
	ClassSecret   Class = iota
	ClassInternal       // how the record is set up: for those who may read it
	ClassPublic         // what others than its readers are shown
)
