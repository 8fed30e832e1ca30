package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
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
	return &printer{w: a.stdout, format: cmd.Flag("output").Value.String(), one: one, table: newTable(a.stdout, columns)}
}

// print writes one object. It may keep it until flush or close.
func (p *printer) print(object jsondoc.Object) error {
	p.count++
	if p.format == "table" {
		return p.table.add(object)
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
	case p.one || p.format == "table":
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

// details are the columns of a table about one object: a line a member.
var details = []column{{head: "MEMBER", member: "member"}, {head: "VALUE", member: "value", flexible: true}}

// first are the members that such a table begins with.
var first = []string{"id", "client_id", "name", "identifier", "description", "app_type", "credential_type", "audience"}

// printOne prints one object. A table leaves out signing_keys, pages of base64.
func (a *app) printOne(cmd *cobra.Command, object jsondoc.Object) error {
	p := a.newPrinter(cmd, details, true)
	if p.format != "table" {
		if err := p.print(object); err != nil {
			return err
		}
		return p.close()
	}
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(object)), func(name string) bool {
		return name == "signing_keys" || slices.Contains(first, name)
	})
	for _, name := range slices.Concat(first, names) {
		if value, ok := object[name]; ok {
			if err := p.print(jsondoc.Object{"member": jsondoc.Must(name), "value": value}); err != nil {
				return err
			}
		}
	}
	return p.close()
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
