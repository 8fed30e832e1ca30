package registry

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/postgres"
	"github.com/rosterhq/roster/internal/rights"
)

// Kinds of records, as events call their targets.
const (
	KindClient           = "client"
	KindResourceServer   = "resource_server"
	KindClientGrant      = "client_grant"
	KindScope            = "scope"
	KindIdentityProvider = "identity_provider"
	KindKeyPair          = "key_pair"
)

// Import is a record to import, as a dialect reads it.
type Import struct {
	Kind, Target string
	Rights       []string // scopes that the caller needs whatever the record changes, all of them
	Warnings     []Note
	Err          error // why it cannot be imported

	clientID, id string                                                    // of the client that it is about, by one of them
	put          func(context.Context, *importTx) (Outcome, []Note, error) // nil: there is nothing to import
}

// Note reports a part of a record that was not imported as it is.
type Note struct {
	Code    string // NoteNoSecret, …
	Message string // for people; never a secret
	Member  string // wire name; "" for the whole record
	Lost    bool   // the record says something that the registry does not hold now

	why string // completes a sentence about the member; "" where the message says all
}

// LeftOut notes that the registry has no place for a member of a record.
func LeftOut(member string) Note {
	return Note{Code: NoteLeftOut, Message: "Roster has no place for " + member + ".", Member: member, Lost: true, why: "is nothing that Roster has a place for"}
}

// Dropped notes that a member of a record, or what is at a place below it, breaks
// a rule and was left out. why completes a sentence about it.
func Dropped(member, why string) Note {
	return Note{Code: NoteDropped, Message: member + " was left out: it " + strings.TrimSuffix(why, ".") + ".", Member: member, Lost: true, why: why}
}

// Codes of notes.
const (
	NoteNoSecret = "no_secret"     // the source shows none
	NoteWeak     = "weak_secret"   // a secret has fewer than oauth.WeakSecret characters
	NoteNoKey    = "no_key"        // the source shows no key, or half of it
	NoteLeftOut  = "left_out"      // the registry has no place for it
	NoteDropped  = "dropped"       // it breaks a rule
	NoteSkipped  = "skipped"       // the whole record
	NoteNotThere = "not_there_yet" // what it refers to; in a dry run only
)

// Outcome is what became of a record.
type Outcome string

// The outcomes of an import.
const (
	Created   Outcome = "created"
	Updated   Outcome = "updated"
	Unchanged Outcome = "unchanged" // held already
	Skipped   Outcome = "skipped"   // not meant for an import; a note says why
	Failed    Outcome = "failed"
)

// ImportResult tells what became of a record.
type ImportResult struct {
	Outcome  Outcome
	Err      error // of a Failed one
	Warnings []Note
}

// ErrSkip is what Edit of a ClientImport returns to leave the client as it is.
var ErrSkip = errors.New("the client stays as it is")

// ImportMode says how records are imported.
type ImportMode struct {
	Dry, Strict bool
	Restore     bool // register identifiers of deleted clients anew
}

// lost returns the error of a strict import for what notes say.
func (m ImportMode) lost(notes []Note) error {
	var lost []oauth.Violation
	for _, n := range notes {
		if n.Lost && m.Strict {
			lost = append(lost, oauth.Violation{Member: n.Member, Rule: "strict", Detail: cmp.Or(n.why, "cannot be imported")})
		}
	}
	if lost == nil {
		return nil
	}
	return oauth.Invalidate(lost...)
}

// importTx is a transaction that imports records.
type importTx struct {
	*postgres.Tx
	clients map[string]*importedClient    // those that exist, by client_id and by uuid
	stones  map[string]postgres.Tombstone // of those that were deleted, by client_id
	seen    map[string]bool               // identifiers of clients that were written in this transaction
	dry     bool
	restore bool
}

// Import makes the registry hold what records say, in their order, and tells
// what became of each. What is held already is not written again. Nothing is
// deleted.
//
// A dry run writes nothing. What a record refers to may be missing then. A strict
// import fails a record if something of it would be lost.
//
// Unavailable: some of the records were imported; import all of them again.
func (r *Registry) Import(ctx context.Context, list []Import, how ImportMode) ([]ImportResult, error) {
	results := make([]ImportResult, len(list))
	var todo []int
	for i, one := range list {
		results[i] = ImportResult{Outcome: Skipped, Warnings: one.Warnings}
		if one.Err == nil {
			one.Err = one.permitted(ctx)
		}
		if one.Err == nil {
			one.Err = how.lost(one.Warnings)
		}
		switch {
		case one.Err != nil:
			results[i] = ImportResult{Outcome: Failed, Err: one.Err}
		case one.put != nil:
			todo = append(todo, i)
		}
	}
	// Many records are one transaction; when the database refuses one of them, each
	// is its own.
	err := r.importAll(ctx, list, todo, results, how)
	if err == nil || len(todo) == 0 {
		return results, nil
	}
	for _, i := range todo {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if len(todo) > 1 {
			err = r.importAll(ctx, list, []int{i}, results, how)
		}
		if oauth.KindOf(err) == oauth.Unavailable { // not the record's fault; what is done will be found done
			return nil, err
		}
		if err != nil {
			results[i] = ImportResult{Outcome: Failed, Err: err}
		}
	}
	return results, nil
}

// permitted refuses a caller who may not import such records, whatever is held:
// the outcome would tell what that is.
func (one *Import) permitted(ctx context.Context) error {
	var takes []rights.Set
	for _, scope := range one.Rights {
		takes = append(takes, rights.Of(scope))
	}
	return permit(ctx, takes...)
}

// importAll imports the records that todo numbers in one transaction. An
// error undoes all of them.
func (r *Registry) importAll(ctx context.Context, list []Import, todo []int, results []ImportResult, how ImportMode) error {
	write := r.store.Write
	if how.Dry {
		write = r.store.Try
	}
	return write(ctx, func(tx *postgres.Tx) error {
		t := &importTx{Tx: tx, clients: map[string]*importedClient{}, stones: map[string]postgres.Tombstone{}, seen: map[string]bool{}, dry: how.Dry, restore: how.Restore}
		if err := r.readImported(ctx, t, list, todo); err != nil {
			return err
		}
		for _, i := range todo {
			one := list[i]
			var outcome Outcome
			var notes []Note
			err := tx.Part(ctx, func() (err error) {
				if outcome, notes, err = one.put(ctx, t); err == nil {
					err = how.lost(notes)
				}
				return err
			})
			if postgres.Refused(err) || oauth.KindOf(err) == oauth.Unavailable || ctx.Err() != nil {
				return errors.Join(err, ctx.Err())
			}
			if errors.Is(err, ErrSkip) {
				outcome, err = Skipped, nil
			}
			if missing, ok := errors.AsType[*oauth.Error](err); ok && how.Dry && missing.Kind == oauth.NotFound {
				outcome, err = Created, nil
				notes = append(notes, Note{Code: NoteNotThere, Message: "It refers to a " + missing.Resource + " that is not there yet."})
			}
			results[i] = ImportResult{Outcome: outcome, Err: err}
			if err != nil {
				results[i].Outcome = Failed
				continue
			}
			results[i].Warnings = append(append([]Note(nil), one.Warnings...), notes...)
		}
		return nil
	})
}
