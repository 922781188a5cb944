package resolve

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/driftpin/driftpin/buildplan/host"
	"github.com/driftpin/driftpin/buildplan/session"
	"github.com/driftpin/driftpin/pins"
)

func conda(t *testing.T, spec string, line int) pins.Request {
	t.Helper()
	r, err := pins.ParseConda(spec)
	if err != nil {
		t.Fatal(err)
	}
	r.At = pins.Position{File: "pins.yaml", Line: line}
	return r
}

func TestCondaFailure(t *testing.T) {
	r := &resolution{session: &session.Session{},
		query: pins.Query{Channels: []string{"main"}, Before: time.Date(2023, 3, 18, 0, 0, 0, 0, time.UTC),
			Requests: []pins.Request{conda(t, "numpy=1.24", 4), conda(t, "scipi", 5), conda(t, "hello=2.0", 6)}}}
	for name, test := range map[string]struct {
		e    condaError
		want string
	}{
		"channel": {condaError{Text: "401 for https://u:s3cret@x.test"},
			"can't read a conda channel (main; their addresses come from .condarc"},
		"name": {condaError{Versions: map[string]map[string]string{},
			Near: map[string][]string{"scipi": {"scipy"}}},
			"pins.yaml:5: no channel (main) has a package scipi: did you mean scipy?"},
		"version": {condaError{Versions: map[string]map[string]string{"numpy": {"1.23.5": "2022-01-01",
			"1.25.0": "2023-01-01"}}}, "pins.yaml:4: numpy has no version =1.24: the nearest: 1.23.5 and 1.25.0"},
		"late": {condaError{Versions: map[string]map[string]string{"numpy": {"1.24.1": "2023-01-01"},
			"hello": {"2.0": "2023-04-01", "2.0.1": "2023-05-01"}}},
			"pins.yaml:6: hello =2.0 is newer than as-of: it was published on 2023-04-01"},
		"together": {condaError{Text: "numpy 1.24 needs hello 1",
			Versions: map[string]map[string]string{"numpy": {"1.24.1": ""}, "hello": {"2.0": ""}}},
			"numpy 1.24 needs hello 1\nPins involved:\n  pins.yaml:4: numpy=1.24\n  pins.yaml:6: hello=2.0"},
	} {
		if err := r.condaFailure(&test.e); !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(),
			"s3cret") {
			t.Errorf("%s: got %q, want …%s…", name, err, test.want)
		}
	}
}

// A version that apt does not have is no solution; an unknown name is not one,
// since no other version would help.
func TestAptFailure(t *testing.T) {
	var requests []pins.Request
	for i, spec := range []string{"tree=2.0", "gti", "mawk"} {
		q, err := pins.ParseApt(spec)
		if err != nil {
			t.Fatal(err)
		}
		q.At = pins.Position{File: "pins.yaml", Line: 3 + i}
		requests = append(requests, q)
	}
	r := &resolution{session: &session.Session{}, query: pins.Query{Requests: requests}}
	for _, test := range []struct {
		text, versions, want string
		none                 bool
	}{
		{"unknown gti\n", "", "pins.yaml:4: apt knows no package gti: did you mean git?", false},
		{"version tree 2.0\n", "mawk\t9\ntree\t2.1-1\ntree\t2.1-2\n", "pins.yaml:3: apt has no tree 2.0: it has 2.1-1, 2.1-2",
			true},
		{"version tree 2.0\n", "", "pins.yaml:3: apt has no tree 2.0", true},
		{"Reading…\nThe following packages have unmet dependencies:\n mawk : Depends: libc6\n", "",
			"the apt pins can't be met together:\nThe following packages have unmet dependencies:\n mawk : Depends: libc6\n" +
				"Pins involved:\n  pins.yaml:5: mawk", true},
	} {
		err := r.aptFailure(test.text, []string{"git", "tree", "mawk"}, test.versions)
		if none := errors.As(err, new(*pins.NoSolution)); err.Error() != test.want || none != test.none {
			t.Errorf("%q: got %q, no solution %t; want %q, %t", test.text, err, none, test.want, test.none)
		}
	}
}

func TestNpmFailure(t *testing.T) {
	q, err := pins.ParseNpm("speak@1.7.0")
	if err != nil {
		t.Fatal(err)
	}
	q.At = pins.Position{File: "pins.yaml", Line: 3}
	r := &resolution{session: &session.Session{Host: host.Settings{Npmrc: []byte("//x.test/:_authToken=t0ken\n")}},
		query: pins.Query{Requests: []pins.Request{q}}}
	for name, test := range map[string]struct{ answer, want string }{
		"name": {`{"error":{"code":"E404","name":"speak","text":"404"}}`,
			"pins.yaml:3: no registry has a package speak"},
		"version": {`{"error":{"code":"ETARGET","name":"speak","versions":{"1.6.0":"2022-01-01T00:00:00Z",` +
			`"2.0.0":"2022-01-01"}}}`, "pins.yaml:3: speak has no version 1.7.0: the nearest: 1.6.0 and 2.0.0"},
		"together": {`{"error":{"code":"ERESOLVE","text":"speak wants pad@1"}}`,
			"can't be met together:\nspeak wants pad@1\nPins involved:\n  pins.yaml:3: speak@1.7.0"},
		"registry": {`{"error":{"code":"E401","text":"not with t0ken"}}`,
			"npm can't resolve (the registry is named by .npmrc"},
		"not JSON": {`[`, "can't read npm's answer"},
	} {
		if _, err := r.npmArtifacts([]byte(test.answer)); err == nil || !strings.Contains(err.Error(), test.want) ||
			strings.Contains(err.Error(), "t0ken") {
			t.Errorf("%s: got %v, want …%s…", name, err, test.want)
		}
	}
}

// What other programs say, and what people set, is anybody's.
func FuzzAnswers(f *testing.F) {
	f.Add([]byte(`{"packages":[{"place":"node_modules/a","name":"a","version":"1"}]}`))
	f.Add([]byte(`{"packages":[{"name":"a","file":"c/noarch/a-1-0.conda"}],"error":{"versions":{}}}`))
	f.Add([]byte("a\t1\ta-1-0.conda"))
	f.Fuzz(func(_ *testing.T, data []byte) {
		r := &resolution{session: &session.Session{}}
		_, _ = parseCondaAnswer(data)
		var answer npmAnswer
		// what is no error is remembered, which needs a store
		if json.Unmarshal(data, &answer) == nil && answer.Error != nil {
			_, _ = r.npmArtifacts(data)
		}
		parseProvides(string(data), map[string]string{"a-1-0.conda": "a"})
	})
}
