package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// What the code keeps to, in columns (a tab is four) and lines.
const (
	maxColumns  = 140
	fewColumns  = 120 // all but one line of 200
	maxFunction = 60
)

// Lines and functions are short, and what is exported is documented.
func TestHouse(t *testing.T) {
	lines, wide := 0, 0
	for _, file := range sourceFiles(t) {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(data), "\n") {
			lines++
			columns := utf8.RuneCountInString(line) + 3*strings.Count(line, "\t")
			if columns > fewColumns {
				wide++
			}
			if columns > maxColumns {
				t.Errorf("%s:%d: %d columns", file, i+1, columns)
			}
		}
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, file, data, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			place := set.Position(d.Pos())
			if fn, ok := d.(*ast.FuncDecl); ok {
				if n := set.Position(fn.End()).Line - place.Line + 1; n > maxFunction {
					t.Errorf("%s:%d: %s has %d lines", file, place.Line, fn.Name.Name, n)
				}
			}
			if !strings.HasSuffix(file, "_test.go") {
				for _, name := range undocumented(d) {
					t.Errorf("%s:%d: %s is not documented", file, place.Line, name)
				}
			}
		}
	}
	if wide*200 > lines {
		t.Errorf("%d of %d lines have more than %d columns", wide, lines, fewColumns)
	}
}

// sourceFiles are the Go files of the repository.
func sourceFiles(t *testing.T) (files []string) {
	t.Helper()
	err := filepath.WalkDir("../..", func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && (d.Name() == "build" || d.Name() == ".git") {
			return fs.SkipDir
		}
		if err == nil && strings.HasSuffix(name, ".go") {
			files = append(files, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// undocumented are the exported names of a declaration that have no comment.
func undocumented(d ast.Decl) (names []string) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() && d.Doc == nil && (d.Recv == nil || exportedReceiver(d.Recv)) {
			names = append(names, d.Name.Name)
		}
	case *ast.GenDecl:
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.TypeSpec:
				if s.Name.IsExported() && d.Doc == nil && s.Doc == nil {
					names = append(names, s.Name.Name)
				}
			case *ast.ValueSpec:
				if s.Names[0].IsExported() && d.Doc == nil && s.Doc == nil && s.Comment == nil {
					names = append(names, s.Names[0].Name)
				}
			}
		}
	}
	return names
}

// exportedReceiver reports whether a method is of an exported type.
func exportedReceiver(list *ast.FieldList) bool {
	name := strings.TrimLeft(fmt.Sprint(typeName(list.List[0].Type)), "*")
	return ast.IsExported(name)
}

func typeName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return typeName(e.X)
	case *ast.IndexExpr:
		return typeName(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}
