package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"unicode/utf16"
	"unicode/utf8"
)

var errUTF16 = errors.New("the text is not valid UTF-16")

// decoded reads r as UTF-8, without a byte order mark. UTF-16, which PowerShell
// writes, is told by its mark, or by the zero that every second byte of an ASCII
// text is.
func decoded(r io.Reader) io.Reader {
	in := bufio.NewReader(r)
	start, _ := in.Peek(3) // what is wrong comes again
	has := func(mark ...byte) bool { return bytes.HasPrefix(start, mark) }
	switch {
	case has(0xef, 0xbb, 0xbf):
		_, _ = in.Discard(3)
	case has(0xff, 0xfe), has(0xfe, 0xff):
		_, _ = in.Discard(2)
		return &utf16Reader{in: in, big: start[0] == 0xfe}
	case len(start) > 1 && (start[0] == 0) != (start[1] == 0):
		return &utf16Reader{in: in, big: start[0] == 0}
	}
	return in
}

// plainText returns a text as UTF-8, without a byte order mark and without the
// zeros or the Ctrl-Z that may be at its end.
func plainText(text []byte) ([]byte, error) {
	text, err := io.ReadAll(decoded(bytes.NewReader(text)))
	return bytes.TrimRight(text, "\x00\x1a"), err
}

// utf16Reader reads UTF-16 as UTF-8.
type utf16Reader struct {
	in   *bufio.Reader
	big  bool
	rest []byte // not handed on yet
	err  error
}

func (u *utf16Reader) Read(p []byte) (int, error) {
	for len(u.rest) < len(p) && u.err == nil {
		var c rune
		if c, u.err = u.character(); u.err == nil {
			u.rest = utf8.AppendRune(u.rest, c)
		}
	}
	n := copy(p, u.rest)
	if u.rest = u.rest[n:]; n > 0 || len(p) == 0 {
		return n, nil
	}
	return 0, u.err
}

func (u *utf16Reader) character() (rune, error) {
	c, err := u.unit()
	if err != nil || !utf16.IsSurrogate(c) {
		return c, err
	}
	second, err := u.unit()
	if c = utf16.DecodeRune(c, second); err == io.EOF || err == nil && c == utf8.RuneError {
		return 0, errUTF16
	}
	return c, err
}

func (u *utf16Reader) unit() (rune, error) {
	var b [2]byte
	switch _, err := io.ReadFull(u.in, b[:]); {
	case err == io.ErrUnexpectedEOF:
		return 0, errUTF16
	case err != nil:
		return 0, err
	}
	if u.big {
		return rune(b[0])<<8 | rune(b[1]), nil
	}
	return rune(b[1])<<8 | rune(b[0]), nil
}

// jsonText reads the JSON of r without what editors, shells and other tools put
// between its tokens: byte order marks, also of files that were joined; colours
// of a terminal; record separators (RFC 7464); zeros and a Ctrl-Z at the end.
func jsonText(r io.Reader) io.Reader {
	return &jsonReader{in: bufio.NewReader(decoded(r))}
}

type jsonReader struct {
	in       *bufio.Reader
	text     bool // inside of one, which stays as it is
	escaped  bool
	trailing []byte // from a zero on: dropped if nothing else comes
	rest     []byte // goes first
	err      error
}

func (j *jsonReader) Read(p []byte) (n int, err error) {
	for n < len(p) {
		if len(j.rest) > 0 {
			c := copy(p[n:], j.rest)
			n, j.rest = n+c, j.rest[c:]
			continue
		}
		if n > 0 && j.in.Buffered() == 0 { // what there is, before waiting for more
			return n, nil
		}
		b, err := j.in.ReadByte()
		if err != nil {
			j.err = err
			break
		}
		if j.text {
			j.text = (b != '"' || j.escaped) && b != '\n' // no JSON text has a line break
			j.escaped = b == '\\' && !j.escaped
		} else if b < ' ' || b == 0xef || len(j.trailing) > 0 {
			j.between(b)
			continue
		} else {
			j.text, j.escaped = b == '"', false
		}
		p[n] = b
		n++
	}
	if n > 0 || len(p) == 0 {
		return n, nil
	}
	return 0, j.err
}

// between puts into rest what b, outside of a text, is worth.
func (j *jsonReader) between(b byte) {
	switch {
	case b == 0 || b == 0x1a || len(j.trailing) > 0 && isBlank(b):
		j.trailing = append(j.trailing, b)
		return
	case b == 0x1e:
		return
	case b == 0xef && j.follows(0xbb, 0xbf):
		_, _ = j.in.Discard(2)
		return
	case b == 0x1b && j.follows('['):
		j.skipColour()
		return
	}
	j.text, j.escaped = b == '"', false
	j.rest = append(append(j.rest[:0], j.trailing...), b)
	j.trailing = nil
}

func (j *jsonReader) follows(bytes ...byte) bool {
	next, _ := j.in.Peek(len(bytes))
	return string(next) == string(bytes)
}

// skipColour skips the rest of ESC [ … m.
func (j *jsonReader) skipColour() {
	next, _ := j.in.Peek(32)
	end := bytes.IndexByte(next, 'm')
	if end > 0 && len(bytes.Trim(next[1:end], "0123456789;")) == 0 {
		_, _ = j.in.Discard(end + 1)
	} else {
		j.rest = append(j.rest[:0], 0x1b) // which is an error
	}
}

func isBlank(b byte) bool { return b == ' ' || b == '\t' || b == '\r' || b == '\n' }
