package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/rosterhq/roster/internal/jsondoc"
)

// formats are what --output takes.
var formats = []string{"table", "json", "yaml"}

func addOutput(cmd *cobra.Command) {
	cmd.Flags().VarP(&choice{"table", formats}, "output", "o", "table, json or yaml; the latter two have the API's own shape")
	complete(cmd, "output", formats...)
	cmd.Flags().BoolP("quiet", "q", false, "print ids alone")
}

// idOf is what a thing is called by in commands and paths.
func idOf(object jsondoc.Object) string {
	return cmp.Or(jsondoc.String(object["id"]), jsondoc.String(object["client_id"]))
}

// choice is a flag that takes one of a few words.
type choice struct {
	word string
	of   []string
}

func (c *choice) String() string { return c.word }
func (c *choice) Type() string   { return "format" }
func (c *choice) Set(word string) error {
	if c.word = word; !slices.Contains(c.of, word) {
		return errors.New("want " + strings.Join(c.of, ", "))
	}
	return nil
}

// printer writes what a command found, one object at a time.
type printer struct {
	w      io.Writer
	format string
	one    bool // an object by itself, not a list of them
	table  *table
	count  int
}

// newPrinter returns a printer in the format that cmd was asked for. one says
// that there is one object and no list around it.
func (a *app) newPrinter(cmd *cobra.Command, columns []column, one bool) *printer {
	p := &printer{w: a.stdout, format: cmd.Flag("output").Value.String(), one: one, table: newTable(a.stdout, columns)}
	if quiet, _ := cmd.Flags().GetBool("quiet"); quiet {
		p.format = "ids"
	}
	return p
}

// print writes one object. It may keep it until flush or close.
func (p *printer) print(object jsondoc.Object) error {
	p.count++
	switch p.format {
	case "table":
		return p.table.add(object)
	case "ids":
		_, err := fmt.Fprintln(p.w, visible(idOf(object)))
		return err
	}
	text, err := render(object, p.format, p.one)
	if err != nil {
		return err
	}
	if p.format == "json" && !p.one {
		between := ",\n  "
		if p.count == 1 {
			between = "[\n  "
		}
		text = between + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n  ")
	}
	_, err = io.WriteString(p.w, text)
	return err
}

// flush writes what is kept.
func (p *printer) flush() error {
	if p.format == "table" {
		return p.table.flush()
	}
	return nil
}

// close ends the output.
func (p *printer) close() error {
	end := ""
	switch {
	case p.one || p.format == "table" || p.format == "ids":
	case p.count == 0:
		end = "[]\n"
	case p.format == "json":
		end = "\n]\n"
	}
	if err := p.flush(); err != nil {
		return err
	}
	_, err := io.WriteString(p.w, end)
	return err
}

// details are the columns of a table about one object: a line per member.
var details = []column{{head: "MEMBER", member: "member"}, {head: "VALUE", member: "value", flexible: true}}

// first are the members that such a table begins with.
var first = []string{"client_id", "name", "id", "identifier", "audience", "credential_type", "scope", "scopes"}

// printOne prints one object. A table leaves out what is empty and signing_keys,
// pages of base64.
func (a *app) printOne(cmd *cobra.Command, object jsondoc.Object) error {
	p := a.newPrinter(cmd, details, true)
	if p.format != "table" {
		return errors.Join(p.print(object), p.close())
	}
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(object)), func(name string) bool {
		return name == "signing_keys" || slices.Contains(first, name)
	})
	return a.printLines(func(yield func(name, value string) bool) {
		for _, name := range slices.Concat(first, names) {
			show := cell
			switch {
			case strings.HasSuffix(name, "_at"):
				show = moment
			case strings.HasPrefix(name, "token_lifetime"):
				show = seconds
			case name == "scopes":
				show = scopeNames
			}
			if value := show(object[name]); value != "" && !yield(name, value) {
				return
			}
		}
	})
}

// printLines prints a line for each name and its value, without a heading.
func (a *app) printLines(lines iter.Seq2[string, string]) error {
	t := newTable(a.stdout, []column{{member: "name"}, {member: "value", flexible: true}})
	t.headed = true
	for name, value := range lines {
		t.rows = append(t.rows, []string{name, value})
	}
	return t.flush()
}

// scopeNames shows the scopes of an API without what they mean.
func scopeNames(member json.RawMessage) string {
	var scopes []struct{ Value string }
	if json.Unmarshal(member, &scopes) != nil {
		return cell(member)
	}
	names := make([]string, len(scopes))
	for i, s := range scopes {
		names[i] = visible(s.Value)
	}
	return strings.Join(names, ",")
}

// seconds shows a number of them as a duration.
func seconds(member json.RawMessage) string {
	var n int64
	if json.Unmarshal(member, &n) != nil || member == nil {
		return ""
	}
	d := duration(time.Duration(n) * time.Second)
	return d.String()
}

// printDone returns what tells that a thing was created or changed, in a line
// where no other format is asked for.
func (a *app) printDone(cmd *cobra.Command, what, done string) func(jsondoc.Object, error) error {
	return func(got jsondoc.Object, err error) error {
		if err != nil {
			return err
		}
		hide, _ := hidden(cmd)
		hide(got)
		if p := a.newPrinter(cmd, details, true); p.format != "table" {
			return errors.Join(p.print(got), p.close())
		}
		line := fmt.Sprintf("%s %s %s", what, named{idOf(got), cmp.Or(jsondoc.String(got["name"]), jsondoc.String(got["audience"]))}, done)
		if at := moment(got["expires_at"]); at != "" {
			line += ", expires " + at
		}
		for _, name := range secretMembers {
			if value := cell(got[name]); value != "" {
				line += "\n" + name + "  " + value
			}
		}
		_, err = fmt.Fprintln(a.stdout, line)
		return err
	}
}

// render writes object as JSON or YAML, or as the only element of a YAML list.
// Characters that a terminal acts on or does not show are written as escapes,
// which both formats have.
func render(object jsondoc.Object, format string, one bool) (string, error) {
	if format == "json" {
		var text bytes.Buffer
		enc := json.NewEncoder(&text)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		err := enc.Encode(object)
		return escape(text.String(), func(r rune) string {
			units := ""
			for _, u := range utf16.AppendRune(nil, r) {
				units += fmt.Sprintf(`\u%04x`, u)
			}
			return units
		}), err
	}
	text, err := json.Marshal(object)
	if err != nil {
		return "", err
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var value any
	if err := dec.Decode(&value); err != nil {
		return "", err
	}
	node := yamlNode(value)
	if !one {
		node = &yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{node}}
	}
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	err = errors.Join(enc.Encode(node), enc.Close())
	return escape(out.String(), func(r rune) string { return fmt.Sprintf(`\U%08x`, r) }), err
}

// yamlNode makes a node of what encoding/json decodes. Texts with characters
// that need escapes get the quotes that allow them.
func yamlNode(value any) *yaml.Node {
	node := &yaml.Node{}
	switch value := value.(type) {
	case map[string]any:
		node.Kind = yaml.MappingNode
		for _, name := range slices.Sorted(maps.Keys(value)) {
			node.Content = append(node.Content, yamlNode(name), yamlNode(value[name]))
		}
	case []any:
		node.Kind = yaml.SequenceNode
		for _, element := range value {
			node.Content = append(node.Content, yamlNode(element))
		}
	case json.Number:
		node.Kind, node.Value = yaml.ScalarNode, value.String()
	case string:
		node.SetString(value)
		if strings.ContainsFunc(value, func(r rune) bool { return r != '\n' && !printable(r) }) {
			node.Style = yaml.DoubleQuotedStyle
		}
	default:
		_ = node.Encode(value) // true, false, null
	}
	return node
}

// escape replaces what is not printable, line ends apart.
func escape(text string, with func(rune) string) string {
	var b strings.Builder
	for _, r := range text {
		if r == '\n' || printable(r) {
			b.WriteRune(r)
		} else {
			b.WriteString(with(r))
		}
	}
	return b.String()
}
