package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"

	"github.com/rosterhq/roster/internal/jsondoc"
)

// record is one of a file to import.
type record struct {
	where   string // "line 3", "record 3"
	raw     json.RawMessage
	problem string // why it cannot be sent, "" if it can

	kind, id string
	lost     []remark // what was left out of it, for it to be sent at all
	exported bool     // it says of itself that it is one of Roster's own
}

const (
	maxRecord = 1<<20 - 1<<10 // bytes, as the API takes it
	maxLine   = 1 << 20
	maxValue  = 8 << 20 // what is held in memory of a file at most
)

// containers are members of objects around lists of records, as products and
// their tools write them.
var containers = []string{"clients", "resource_servers", "resourceServers", "client_grants", "clientGrants", "data", "items", "records"}

// readRecords yields the records of a file: JSON lines, arrays, or objects
// around arrays, one after another. An error ends it; what is wrong with one
// record of JSON lines does not.
func readRecords(r io.Reader, format string) iter.Seq2[record, error] {
	return func(yield func(record, error) bool) {
		number, unit := 0, "record"
		give := func(raw []byte, problem string) bool {
			number++
			if len(raw) == 0 && problem == "" { // an empty line
				return true
			}
			one := record{where: fmt.Sprint(unit, " ", number), raw: bytes.Clone(raw), problem: problem}
			if problem == "" {
				one.examine(format)
			}
			return yield(one, nil)
		}
		in := bufio.NewReaderSize(jsonText(r), maxLine)
		line, err := in.ReadSlice('\n')
		if err != nil && err != io.EOF && err != bufio.ErrBufferFull {
			yield(record{}, err)
			return
		}
		if err != bufio.ErrBufferFull && isRecord(line) {
			unit = "line"
			if err := readLines(in, line, give); err != nil {
				yield(record{}, err)
			}
			return
		}
		if err := readValues(io.MultiReader(bytes.NewReader(bytes.Clone(line)), in), give); err != nil {
			yield(record{}, err)
		}
	}
}

// isRecord reports whether a line is an object other than a container.
func isRecord(line []byte) bool {
	var members jsondoc.Object
	if json.Unmarshal(line, &members) != nil || members == nil {
		return false
	}
	for name, raw := range members {
		if slices.Contains(containers, name) && bytes.HasPrefix(bytes.TrimSpace(raw), []byte("[")) && !names(members) {
			return false
		}
	}
	return true
}

// names reports whether members are of something that has a name of its own.
func names(members jsondoc.Object) bool {
	return members["client_id"] != nil || members["id"] != nil || members["name"] != nil || members["kind"] != nil
}

// readLines reads JSON lines; line is the first of them.
func readLines(in *bufio.Reader, line []byte, give func([]byte, string) bool) error {
	for {
		problem := ""
		if len(line) == maxLine {
			line, problem = nil, "the line is larger than 1 MB"
		}
		if !give(bytes.TrimSpace(line), problem) {
			return nil
		}
		var err error
		line, err = in.ReadSlice('\n')
		for full := line; err == bufio.ErrBufferFull; line = full {
			_, err = in.ReadSlice('\n')
		}
		switch {
		case err != nil && err != io.EOF: // what was read of the line may be half a record
			return err
		case err == io.EOF && len(line) == 0:
			return nil
		}
	}
}

// errFull is what keeps a value from filling the memory.
var errFull = fmt.Errorf("a value is larger than %d MB", maxValue>>20)

// boundedReader fails when it is read further than the decoder can have use for.
type boundedReader struct {
	r       io.Reader
	read    int64
	decoded func() int64
}

func (b *boundedReader) Read(p []byte) (int, error) {
	if b.read-b.decoded() > maxValue {
		return 0, errFull
	}
	n, err := b.r.Read(p)
	b.read += int64(n)
	return n, err
}

func readValues(r io.Reader, give func([]byte, string) bool) error {
	in := &boundedReader{r: r}
	dec := json.NewDecoder(in)
	in.decoded = dec.InputOffset
	enough := errors.New("enough")
	list := func() error {
		for dec.More() {
			var raw json.RawMessage
			if err := dec.Decode(&raw); err != nil {
				return err
			}
			if !give(raw, "") {
				return enough
			}
		}
		_, err := dec.Token()
		return err
	}
	for {
		token, err := dec.Token()
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
		case token == json.Delim('['):
			err = list()
		case token == json.Delim('{'):
			err = readObject(dec, list, give, enough)
		default:
			err = errors.New("there is a value that is neither an object nor a list")
		}
		if err == enough {
			return nil
		}
		if err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return fmt.Errorf("the file is not valid JSON from byte %d on: %w", dec.InputOffset(), err)
		}
	}
}

// readObject reads the rest of an object: a record, or lists of records with
// whatever else is said of them.
func readObject(dec *json.Decoder, list func() error, give func([]byte, string) bool, enough error) error {
	members, container := jsondoc.Object{}, false
	var text bytes.Buffer // with members that are there twice, of which members has one
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return err
		}
		name, _ := token.(string)
		if !slices.Contains(containers, name) || names(members) {
			var raw json.RawMessage
			if err := dec.Decode(&raw); err != nil {
				return err
			}
			members[name] = raw
			fmt.Fprintf(&text, ",%s:%s", jsondoc.Must(name), raw)
			continue
		}
		if token, err = dec.Token(); err != nil {
			return err
		}
		switch delim, ok := token.(json.Delim); {
		case !ok:
			members[name] = jsondoc.Must(token)
			fmt.Fprintf(&text, ",%s:%s", jsondoc.Must(name), members[name])
		case delim == '[':
			container = true
			if err := list(); err != nil {
				return err
			}
		default:
			return fmt.Errorf("%s is no list", name)
		}
	}
	if _, err := dec.Token(); err != nil {
		return err
	}
	if !container && !give([]byte("{"+strings.TrimPrefix(text.String(), ",")+"}"), "") {
		return enough
	}
	return nil
}

// kinds in the order in which they must be sent.
var kinds = []string{"key_pair", "scope", "identity_provider", "resource_server", "client", "client_grant"}

// examine finds out what a record is, and what is wrong with it that would keep
// the others of its batch from being sent.
func (r *record) examine(format string) {
	r.kind = "client"
	if len(r.raw) > maxRecord {
		r.problem = "the record is larger than 1 MB"
		return
	}
	clean, lost, ok := salvage(r.raw)
	if !ok {
		r.problem = "the record " + wrong(r.raw)
		return
	}
	if clean[0] != '{' {
		r.problem = "the record must be a JSON object"
		return
	}
	r.raw, r.lost = clean, lost
	var known struct {
		Kind                     string
		ClientID                 string `json:"client_id"`
		ID, Identifier, Audience any
		BackendID                any `json:"backend_id"`
		Label                    any
		RedirectURIs             any `json:"redirect_uris"`
	}
	_ = json.Unmarshal(r.raw, &known) // the server tells what is wrong
	r.exported = slices.Contains(kinds, known.Kind)
	r.id = known.ClientID
	if id, ok := known.ID.(string); r.id == "" && ok {
		r.id = id
	}
	switch {
	case format == "roster" && r.exported:
		r.kind = known.Kind
	case format == "auth0" && known.Identifier != nil:
		r.kind = "resource_server"
	case format == "auth0" && known.Audience != nil:
		r.kind = "client_grant"
	case format == "boruta" && known.BackendID != nil:
		r.kind = "identity_provider"
	case format == "boruta" && known.Label != nil && known.RedirectURIs == nil:
		r.kind = "scope"
	}
}
