package server_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// literal is a composite literal of oauth.Error, oauth.Violation or
// dialect.Broken in the source, with the texts of its fields.
type literal struct {
	kind   string // "Error", "Violation" or "Broken"
	fields map[string]string
	at     string // file and line, of the call if a function makes it of its arguments
}

// fieldsOf are the names of the fields in their order.
var fieldsOf = map[string][]string{
	"Error":     {"Kind", "Reason", "Resource", "Named", "Detail", "Violations", "Err"},
	"Violation": {"Member", "Rule", "Detail"},
	"Broken":    {"Below", "Rule", "Detail"},
}

// ownPackage is where a type is written without its package.
var ownPackage = map[string]string{"Error": "internal/oauth", "Violation": "internal/oauth", "Broken": "server/dialect"}

// maker is a function, or a variable that holds one, which makes a literal of
// its parameters.
type maker struct {
	dir, scope, name string // scope is the function that declares it, "" for the package
	kind             string // of the literal
	fixed            map[string]string
	parameters       map[string]int // the fields that are parameters, and which
	variadic         int            // the parameter that stands for several; -1 for none
}

// source reads the literals in the code below root, tests and generated code
// apart.
type source struct {
	fset      *token.FileSet
	constants map[string]map[string]string // by directory and name
	files     map[string]*ast.File         // by path
	literals  []literal
	makers    []maker
	unknown   []string // what cannot be told from the source: path, field and expression
}

// maxMakers bounds how many makers are followed.
const maxMakers = 100

func readSource(root string, dirs ...string) (*source, error) {
	s := &source{fset: token.NewFileSet(), constants: map[string]map[string]string{}, files: map[string]*ast.File{}}
	for _, dir := range dirs {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.HasSuffix(path, ".gen.go") {
				return err
			}
			file, err := parser.ParseFile(s.fset, path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			name, err := filepath.Rel(root, path)
			s.files[filepath.ToSlash(name)] = file
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	for path, file := range s.files {
		s.readConstants(filepath.Dir(path), file)
	}
	s.eachLiteral(func(path string, f frame, kind string, fields map[string]ast.Expr, pos token.Pos) {
		s.add(path, f, kind, fields, nil, pos)
	})
	for i := 0; i < len(s.makers); i++ { // grows while callers turn out to be makers
		if i == maxMakers {
			return nil, fmt.Errorf("makers without end: %+v", s.makers[i-5:i])
		}
		s.callsOf(s.makers[i])
	}
	return s, nil
}

func (s *source) readConstants(dir string, file *ast.File) {
	if s.constants[dir] == nil {
		s.constants[dir] = map[string]string{}
	}
	for _, decl := range file.Decls {
		block, ok := decl.(*ast.GenDecl)
		if !ok || block.Tok != token.CONST {
			continue
		}
		for _, spec := range block.Specs {
			spec := spec.(*ast.ValueSpec)
			for i, value := range spec.Values {
				if lit, ok := value.(*ast.BasicLit); ok && lit.Kind == token.STRING {
					s.constants[dir][spec.Names[i].Name], _ = strconv.Unquote(lit.Value)
				}
			}
		}
	}
}

// frame is a function around an expression: its name, what it is in, and its
// parameters. A range over a parameter is one too.
type frame struct {
	scope, name string
	parameters  []string
	variadic    int               // the parameter that stands for several; -1 for none
	ranges      map[string]string // variables of ranges, and over what
}

// eachNode visits every node with those around it, the innermost last.
func (s *source) eachNode(visit func(path string, n ast.Node, within []ast.Node)) {
	for path, file := range s.files {
		var within []ast.Node
		ast.Inspect(file, func(n ast.Node) bool {
			if n == nil {
				within = within[:len(within)-1]
				return true
			}
			visit(path, n, within)
			within = append(within, n)
			return true
		})
	}
}

func frameOf(within []ast.Node) frame {
	f := frame{ranges: map[string]string{}, variadic: -1}
	for i, n := range within {
		var fn *ast.FuncType
		switch n := n.(type) {
		case *ast.FuncDecl:
			fn = n.Type
			f.scope, f.name = "", n.Name.Name
		case *ast.FuncLit:
			if assign, ok := within[i-1].(*ast.AssignStmt); ok { // else nothing in sight calls it
				fn = n.Type
				f.scope, f.name = f.name, nameOf(assign.Lhs[0])
			}
		case *ast.RangeStmt:
			if n.Value != nil {
				f.ranges[nameOf(n.Value)] = nameOf(n.X)
			}
		}
		if fn != nil {
			f.parameters, f.variadic = nil, -1
			for _, field := range fn.Params.List {
				for _, name := range field.Names {
					if _, ok := field.Type.(*ast.Ellipsis); ok {
						f.variadic = len(f.parameters)
					}
					f.parameters = append(f.parameters, name.Name)
				}
			}
		}
	}
	return f
}

func nameOf(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}

// eachLiteral visits the composite literals of the three types.
func (s *source) eachLiteral(visit func(path string, f frame, kind string, fields map[string]ast.Expr, pos token.Pos)) {
	s.eachNode(func(path string, n ast.Node, within []ast.Node) {
		lit, ok := n.(*ast.CompositeLit)
		if !ok {
			return
		}
		kind := kindOf(filepath.Dir(path), lit.Type)
		for i := len(within) - 1; lit.Type == nil && i >= 0; i-- { // an element of a slice or a map
			if outer, ok := within[i].(*ast.CompositeLit); ok {
				switch outer := outer.Type.(type) {
				case *ast.ArrayType:
					kind = kindOf(filepath.Dir(path), outer.Elt)
				case *ast.MapType:
					kind = kindOf(filepath.Dir(path), outer.Value)
				}
				break
			}
		}
		if kind == "" {
			return
		}
		fields := map[string]ast.Expr{}
		for i, e := range lit.Elts {
			if pair, ok := e.(*ast.KeyValueExpr); ok {
				fields[nameOf(pair.Key)] = pair.Value
			} else {
				fields[fieldsOf[kind][i]] = e
			}
		}
		visit(path, frameOf(within), kind, fields, lit.Pos())
	})
}

func kindOf(dir string, e ast.Expr) string {
	name := nameOf(e)
	if selector, ok := e.(*ast.SelectorExpr); ok {
		if pkg := nameOf(selector.X); pkg != filepath.Base(ownPackage[name]) {
			return ""
		}
	} else if ownPackage[name] != dir {
		return ""
	}
	return name
}

// made is the function whose errors a test makes by calling it: it looks up the
// reason.
const made = "Missing"

// add notes a literal, or the maker that its fields show.
func (s *source) add(path string, f frame, kind string, fields map[string]ast.Expr, fixed map[string]string, pos token.Pos) {
	if f.name == made {
		return
	}
	m := maker{filepath.Dir(path), f.scope, f.name, kind, map[string]string{}, map[string]int{}, f.variadic}
	known := true
	for name, text := range fixed {
		m.fixed[name] = text
	}
	for _, name := range fieldsOf[kind] { // the Rule before the Detail
		e := fields[name]
		if e == nil || name == "Violations" || name == "Err" {
			continue
		}
		text, ok := s.text(m.dir, e)
		parameter := nameOf(e)
		if over, ok := f.ranges[parameter]; ok {
			parameter = over
		}
		i := slices.Index(f.parameters, parameter)
		switch {
		case ok:
			m.fixed[name] = text
		case i >= 0:
			m.parameters[name] = i
		case name == "Member" || name == "Below" || name == "Resource" || name == "Named":
			m.fixed[name] = "a_member"
		case m.fixed["Rule"] != ofBoruta:
			s.unknown = append(s.unknown, path+": "+name+" of "+kind)
			known = false
		default:
			known = false
		}
	}
	if !known {
		return
	}
	if len(m.parameters) > 0 {
		if !slices.ContainsFunc(s.makers, func(known maker) bool { return reflect.DeepEqual(known, m) }) {
			s.makers = append(s.makers, m)
		}
		return
	}
	line := s.fset.Position(pos).Line
	s.literals = append(s.literals, literal{kind, m.fixed, fmt.Sprintf("%s:%d", path, line)})
}

// callsOf adds what the calls of a maker make.
func (s *source) callsOf(m maker) {
	exported := ast.IsExported(m.name)
	s.eachNode(func(path string, n ast.Node, within []ast.Node) {
		call, ok := n.(*ast.CallExpr)
		if !ok || nameOf(call.Fun) != m.name || !exported && filepath.Dir(path) != m.dir {
			return
		}
		f := frameOf(within)
		if m.scope != "" && f.name != m.scope && f.scope != m.scope {
			return
		}
		for i := range max(1, len(call.Args)-m.variadic) {
			fields := map[string]ast.Expr{}
			for name, at := range m.parameters {
				if at == m.variadic {
					at += i
				}
				if at < len(call.Args) {
					fields[name] = call.Args[at]
				}
			}
			s.add(path, f, m.kind, fields, m.fixed, call.Pos())
			if m.variadic < 0 {
				break
			}
		}
	})
}

var verb = regexp.MustCompile(`%[.0-9]*[a-z]`)

// text evaluates an expression, with an x for what only the running program
// knows. It is not known if nothing is.
func (s *source) text(dir string, e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		return text, err == nil
	case *ast.Ident:
		if e.Name == "nil" {
			return "", true
		}
		text, ok := s.constants[dir][e.Name]
		if _, kind := kindNames[e.Name]; kind && dir == "internal/oauth" && !ok {
			return e.Name, true
		}
		return text, ok
	case *ast.SelectorExpr:
		if nameOf(e.X) != "oauth" {
			return "", false
		}
		if _, ok := kindNames[e.Sel.Name]; ok {
			return e.Sel.Name, true
		}
		text, ok := s.constants["internal/oauth"][e.Sel.Name]
		return text, ok
	case *ast.BinaryExpr:
		a, first := s.text(dir, e.X)
		b, second := s.text(dir, e.Y)
		if !first {
			a = "x"
		}
		if !second {
			b = "x"
		}
		return a + b, first || second
	case *ast.CallExpr:
		if nameOf(e.Fun) == "Sprintf" && len(e.Args) > 0 {
			text, ok := s.text(dir, e.Args[0])
			return verb.ReplaceAllString(text, "9"), ok
		}
	}
	return "", false
}
