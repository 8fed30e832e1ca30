package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// declared are the members of an interface, with their types.
type declared map[string]string

// declarations are what .d.ts files declare.
type declarations struct {
	interfaces map[string]declared
	enums      map[string][]string
	aliases    map[string]string
}

var (
	interfacePattern = regexp.MustCompile(`(?ms)^export interface (\w+)(?: extends [\w., ]+)? \{\n(.*?)^\}`)
	memberPattern    = regexp.MustCompile(`(?m)^    "?(\w+)"?\??: (.*);$`)
	enumPattern      = regexp.MustCompile(`(?ms)^export declare const (\w+): \{\n(.*?)^\}`)
	valuePattern     = regexp.MustCompile(`readonly \w+: "([^"]*)";`)
	aliasPattern     = regexp.MustCompile(`(?m)^export type (\w+) = (.*);$`)
)

// readPackage reads the types of the Management API of an unpacked npm package.
func readPackage(dir string) (*declarations, error) {
	var text strings.Builder
	for _, file := range []string{"types/types.d.ts", "requests/requests.d.ts"} {
		one, err := os.ReadFile(filepath.Join(dir, "dist/cjs/management/api", file))
		if err != nil {
			return nil, err
		}
		text.Write(one)
		text.WriteByte('\n')
	}
	d := parse(text.String())
	if len(d.interfaces) < 100 || len(d.enums) < 100 {
		return nil, fmt.Errorf("%d interfaces and %d enumerations: the npm package is written in another way now",
			len(d.interfaces), len(d.enums))
	}
	return d, nil
}

func parse(text string) *declarations {
	text = strings.ReplaceAll(text, "Management.", "")
	d := &declarations{map[string]declared{}, map[string][]string{}, map[string]string{}}
	for _, m := range interfacePattern.FindAllStringSubmatch(text, -1) {
		members := declared{}
		for _, one := range memberPattern.FindAllStringSubmatch(m[2], -1) {
			members[one[1]] = one[2]
		}
		d.interfaces[m[1]] = members
	}
	for _, m := range enumPattern.FindAllStringSubmatch(text, -1) {
		for _, one := range valuePattern.FindAllStringSubmatch(m[2], -1) {
			d.enums[m[1]] = append(d.enums[m[1]], one[1])
		}
	}
	for _, m := range aliasPattern.FindAllStringSubmatch(text, -1) {
		if !strings.HasPrefix(m[2], "(typeof") {
			d.aliases[m[1]] = m[2]
		}
	}
	return d
}

var alternativesPattern = regexp.MustCompile(`^\(?(\w+)(\[\])?\)?(\[\])?$`)

// named returns the name of a type, whether null is one of its values, and
// whether it is an array. Types without a name, such as texts, are "".
func (d *declarations) named(text string) (name string, null, array bool) {
	for range 10 { // an alias of an alias
		var kept []string
		for one := range strings.SplitSeq(text, "|") {
			switch one = strings.Trim(one, " ()"); one {
			case "undefined":
			case "null":
				null = true
			default:
				kept = append(kept, one)
			}
		}
		if len(kept) == 0 {
			return "", null, array
		}
		m := alternativesPattern.FindStringSubmatch(kept[0])
		if m == nil {
			return "", null, array
		}
		array = array || m[2] != "" || m[3] != "" || strings.HasSuffix(strings.TrimSpace(text), "[]")
		if d.aliases[m[1]] == "" {
			return m[1], null, array
		}
		text = d.aliases[m[1]]
	}
	return "", null, array
}

// comparison notes in found what theirs has and ours has not.
type comparison struct {
	theirs *declarations
	ours   *specification
	found  map[string]bool
}

func (c *comparison) members(path string, theirs declared, ours node) {
	for name, text := range theirs {
		under := c.ours.property(ours, name)
		if under == nil {
			c.found[path+"."+name] = true
			continue
		}
		kind, null, array := c.theirs.named(text)
		where := path + "." + name
		if null && under["nullable"] != true && strings.Contains(path, "RequestContent") {
			c.found[where+" null"] = true
		}
		if array {
			if under = c.ours.items(under); under == nil {
				continue
			}
		}
		for _, value := range c.theirs.enums[kind] {
			if values, ok := under["enum"].([]any); ok && !slices.Contains(values, any(value)) {
				c.found[where+" "+value] = true
			}
		}
		if members, ok := c.theirs.interfaces[kind]; ok {
			c.members(where, members, under)
		}
	}
}
