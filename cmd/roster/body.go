package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"github.com/rosterhq/roster/client"
	"github.com/rosterhq/roster/internal/jsondoc"
)

// member is one of a request's that has a flag of its own.
type member struct {
	flag, name string
	kind       string // text, duration (whole seconds), bool, list, pairs or scopes
	help       string
	values     []string // offered by the shell; the API decides
	required   bool     // of what is created
}

// addBody gives cmd the flags that make up a request.
func addBody(cmd *cobra.Command, members []member) {
	flags := cmd.Flags()
	flags.StringP("file", "f", "", "read members from `FILE`, JSON or YAML in the API's own shape; - is stdin")
	_ = cmd.MarkFlagFilename("file", "json", "yaml", "yml")
	flags.StringArray("set", nil, "set `MEMBER=JSON`, such as 'sso=true' or 'logo_uri=null'; may be repeated; no secrets here")
	for _, m := range members {
		switch m.kind {
		case "bool":
			flags.Bool(m.flag, false, m.help)
		case "text":
			flags.String(m.flag, "", m.help)
		case "duration":
			flags.Var(new(duration), m.flag, m.help)
		default:
			flags.StringArray(m.flag, nil, m.help+"; may be repeated")
		}
		if m.values != nil {
			complete(cmd, m.flag, m.values...)
			_ = flags.SetAnnotation(m.flag, m.name, m.values)
		}
	}
}

// body puts a request together: what --file holds, changed by --set, changed by
// the flags of members. It may be empty only where more is to come.
func body(cmd *cobra.Command, members []member, more bool) (jsondoc.Object, error) {
	flags, object := cmd.Flags(), jsondoc.Object{}
	if file, _ := flags.GetString("file"); file != "" {
		text, err := readInput(cmd, file)
		if err == nil {
			object, err = parseDocument(text)
		}
		if err != nil {
			return nil, usageError{fmt.Errorf("--file: %w", err)}
		}
	}
	sets, _ := flags.GetStringArray("set")
	for _, set := range sets {
		name, value, found := strings.Cut(set, "=")
		switch {
		case !found || name == "":
			return nil, usageError{errors.New("--set: want MEMBER=JSON")}
		case slices.Contains(secretMembers, name):
			return nil, usageError{fmt.Errorf("--set: %s may be a secret, which others on this machine can read in a command line: use --file", name)}
		case jsondoc.Check([]byte(value)) != nil:
			return nil, usageError{fmt.Errorf(`--set %s: the value is not JSON; a text wants quotes, '%s="…"'`, name, name)}
		}
		object[name] = json.RawMessage(value)
	}
	for _, m := range members {
		if !flags.Changed(m.flag) {
			continue
		}
		value, err := m.value(flags)
		if err != nil {
			return nil, usageError{fmt.Errorf("--%s: %w", m.flag, err)}
		}
		object[m.name] = jsondoc.Must(value)
	}
	if len(object) == 0 && !more {
		return nil, misused(cmd, "nothing to change: give a flag, --set or --file")
	}
	return object, nil
}

// newBody is body for what is created: without --file it names the flags that
// are missing. more reports whether an argument holds the rest.
func newBody(cmd *cobra.Command, members []member, more bool) (jsondoc.Object, error) {
	object, err := body(cmd, members, true)
	if err != nil || cmd.Flags().Changed("file") {
		return object, err
	}
	var missing []string
	for _, m := range members {
		if m.required && object[m.name] == nil {
			missing = append(missing, "--"+m.flag)
		}
	}
	switch {
	case len(missing) == 1:
		return nil, misused(cmd, "%s is required", missing[0])
	case len(missing) > 1:
		return nil, misused(cmd, "%s are required", strings.Join(missing, " and "))
	case len(object) == 0 && !more:
		return nil, misused(cmd, "nothing to create: give a file or flags")
	}
	return object, nil
}

// possible adds to a refusal of a value which there are.
func possible(cmd *cobra.Command, err error) error {
	e, answered := errors.AsType[*client.Error](err)
	if !answered || !strings.Contains(e.Message, "No enum match for: ") {
		return err
	}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		for name, values := range f.Annotations {
			if f.Changed && strings.Contains(e.Message, " on property "+name) {
				err = usageError{fmt.Errorf("--%s: %s is not one of its values, such as %s", f.Name, f.Value, strings.Join(values, ", "))}
			}
		}
	})
	return err
}

// value returns what a member's flag says.
func (m member) value(flags *pflag.FlagSet) (any, error) {
	switch m.kind {
	case "bool":
		return flags.GetBool(m.flag)
	case "text":
		return flags.GetString(m.flag)
	case "duration":
		return wholeSeconds(time.Duration(*flags.Lookup(m.flag).Value.(*duration)))
	}
	texts, err := flags.GetStringArray(m.flag)
	pairs, scopes := map[string]string{}, []map[string]string{}
	for _, text := range texts {
		key, after, found := strings.Cut(text, "=")
		if !found && m.kind == "pairs" {
			return nil, errors.New("want KEY=TEXT")
		}
		pairs[key] = after
		scopes = append(scopes, map[string]string{"value": key})
		if found {
			scopes[len(scopes)-1]["description"] = after
		}
	}
	switch m.kind {
	case "pairs":
		return pairs, err
	case "scopes":
		return scopes, err
	}
	return texts, err
}

// readInput reads a file, or stdin for "-", until the command is interrupted.
func readInput(cmd *cobra.Command, file string) ([]byte, error) {
	in := cmd.InOrStdin()
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(until(cmd.Context(), in))
	if err != nil {
		return nil, err
	}
	return plainText(text)
}

// until reads from r until ctx ends, even while r gives nothing.
func until(ctx context.Context, r io.Reader) io.Reader {
	in, out := io.Pipe()
	go func() {
		_, err := io.Copy(out, r)
		out.CloseWithError(err)
	}()
	context.AfterFunc(ctx, func() { out.CloseWithError(errors.New("interrupted")) })
	return in
}

// parseDocument reads one object, JSON or YAML. Like the API it refuses members
// that are there twice. Errors do not quote the text: it may hold secrets.
func parseDocument(text []byte) (jsondoc.Object, error) {
	const want = "want one object in JSON or YAML"
	if clean, err := io.ReadAll(jsonText(bytes.NewReader(text))); err == nil && json.Valid(clean) {
		text = clean
	} else {
		dec := yaml.NewDecoder(bytes.NewReader(text))
		var value map[string]any
		if err := dec.Decode(&value); err != nil {
			return nil, errors.New(want + lineOf(err))
		}
		if err := dec.Decode(new(any)); !errors.Is(err, io.EOF) {
			return nil, errors.New(want)
		}
		var err error
		if text, err = json.Marshal(value); err != nil {
			return nil, errors.New(want)
		}
	}
	var object jsondoc.Object
	if err := jsondoc.Check(text); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &object); err != nil || object == nil {
		return nil, errors.New(want)
	}
	return object, nil
}

// lineOf returns where a YAML error is.
func lineOf(err error) string {
	_, after, _ := strings.Cut(err.Error(), "line ")
	number, _, _ := strings.Cut(after, ":")
	if n, err := strconv.Atoi(number); err == nil {
		return fmt.Sprintf(": line %d is neither", n)
	}
	return ""
}
