package hub_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// quick is how long a student may wait for another's words.
const quick = 2 * time.Second

// turn is held by the session that works: the machine may have two processors, and
// what is measured is one at a time. It is let go while a session waits.
var turn sync.Mutex

// kept is set by who has the turn and keeps it while it waits: pages that lost their
// history ask the server again and again, and are to be few, and soon gone.
var kept bool

// wait waits, and lets others work.
func wait(d time.Duration) { away(func() { time.Sleep(d) }) }

// away does something that waits, and lets others work.
func away(f func()) {
	if kept {
		f()
		return
	}
	turn.Unlock()
	defer turn.Lock()
	f()
}

// A session is two members of a group in one notebook.
type session struct {
	*lab
	a, b   *student
	words  int
	began  time.Time
	counts []string // what was counted after each step: on both pages and on disk
}

// TestTogether is the acceptance: two members of a group work in one notebook on its
// account's server, through cut wires and restarts, and nobody else gets in.
func TestTogether(t *testing.T) {
	for _, test := range []struct {
		name, image, course, hub string
		history                  bool // kept in the home's file ids while /tmp is lost
		want                     int  // cells after /tmp was lost
	}{
		{"lab 3.6.1", "stat159", "stat159", "3.1.1", false, 3},
		{"lab 3.6.3", "stat159-3.6.3", "stat159-3.6.3", "3.1.1", false, 3},
		{"lab 4", "stat159-lab4", "stat159-lab4", "6.1.1", false, 3},
		{"lab 3.6.1, file ids in the home", "stat159", "stat159", "6.1.1", true, 6},
		{"lab 3.6.3, file ids in the home", "stat159-3.6.3", "stat159-3.6.3", "6.1.1", true, 3},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			course := withAccounts(t, test.course)
			values, members := rendered(t, course, test.hub), secrets(t, test.hub)
			args := []string{"--YDocExtension.document_cleanup_delay=2"}
			if test.history {
				args = append(args, idsInHome)
				launchSaid(t, course, test.hub, test.want > 3)
			}
			bundle := unpacked(t, test.image)
			turn.Lock()
			defer turn.Unlock()
			s := &session{began: time.Now(), lab: newLab(t, test.hub, bundle, merge(t, values, members), args...)}
			s.prepare()
			s.mustStart()
			browser := chromium(t)
			s.a, s.b = s.student(browser, groups[0].members[0], "A"), s.student(browser, groups[0].members[1], "B")
			s.a.open()
			s.b.open()
			s.type2(1)
			s.count("typed", 3)
			if test.history {
				s.lose(test.want)
			} else {
				s.names(test.image)
				s.databases()
				s.refused(s.student(browser, groups[1].members[0], "a member of another group"))
				s.cuts()
				s.restarts(test.want)
			}
			t.Logf("cells on A's page, on B's, and on disk:\n%s", strings.Join(s.counts, "\n"))
		})
	}
}

// idsInHome is where Jupyter keeps file ids by itself.
const idsInHome = "--BaseFileIdManager.db_path=/home/jovyan/.local/share/jupyter/file_id_manager.db"

// launchSaid holds the course's launch with file ids in the home against the rules:
// that it doubles notebooks is said before anything is launched.
func launchSaid(t *testing.T, course, hub string, doubles bool) {
	t.Helper()
	file := filepath.Join(course, "pins.yaml")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(data), "tmpystore.TmpYStore]",
		"tmpystore.TmpYStore, "+idsInHome+"]", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	status, want := 0, "jupyter-server-fileid"
	if doubles {
		status, want = 3, "doubles the notebook, on disk"
	}
	if _, said := driftpin(t, status, "hub", "render", course, "--hub", hub); !strings.Contains(said, want) {
		t.Errorf("hub render does not say %q:\n%s", want, said)
	}
}

// type2 has each of the two type into a cell, and the other see it.
func (s *session) type2(cell int) {
	s.t.Helper()
	for _, pair := range [][2]*student{{s.a, s.b}, {s.b, s.a}} {
		s.words++
		word := fmt.Sprintf("word%d", s.words)
		pair[0].write(cell, " "+word)
		took := pair[1].sees(cell, word)
		if took > quick {
			s.t.Errorf("%s types, %s sees it after %s", pair[0].who, pair[1].who, took)
		}
		s.counts = append(s.counts, fmt.Sprintf("  %s types, %s sees it after %d ms", pair[0].who, pair[1].who,
			took.Milliseconds()))
	}
}

// count holds the number of cells on both pages and on disk.
func (s *session) count(step string, want int) {
	s.t.Helper()
	var a, b, disk int
	for range 40 { // the file is saved a second after a change
		onDisk, _ := s.onDisk() // half written: looked at again
		if a, b, disk = len(s.a.cells()), len(s.b.cells()), len(onDisk); a == want && b == want && disk == want {
			break
		}
		wait(250 * time.Millisecond)
	}
	s.counts = append(s.counts, fmt.Sprintf("%s: %d %d %d (after %.0f s)", step, a, b, disk,
		time.Since(s.began).Seconds()))
	if a != want || b != want || disk != want {
		s.t.Errorf("%s: there are %d cells on A's page, %d on B's, %d on disk; want %d", step, a, b, disk, want)
	}
}

// names waits till each sees the other's name.
func (s *session) names(image string) {
	s.t.Helper()
	s.a.people()
	s.b.people()
	s.a.until("name of the other", patience, func() bool { return s.a.shows(s.b.name) })
	s.b.until("name of the other", patience, func() bool { return s.b.shows(s.a.name) })
	s.a.picture(image + "-a.png")
	s.b.picture(image + "-b.png")
}

// databases looks where the history and the file ids are.
func (s *session) databases() {
	s.t.Helper()
	tmp := filepath.Join(s.dir, "tmp/collab-shared-1")
	for _, name := range []string{"ystore.db", "file_id_manager.db"} {
		if _, err := os.Stat(filepath.Join(tmp, name)); err != nil {
			s.t.Errorf("/tmp/%s: %v", name, err)
		}
	}
	home := filepath.Join(s.dir, "homes/collab-shared-1")
	err := filepath.WalkDir(home, func(path string, _ fs.DirEntry, err error) error {
		if name := filepath.Base(path); strings.Contains(name, "ystore") || strings.HasPrefix(name, "file_id") {
			s.t.Errorf("the home holds %s", name)
		}
		return err
	})
	if err != nil {
		s.t.Error(err)
	}
}

// refused has a member of another group try to get in, by page and by web socket.
func (s *session) refused(other *student) {
	s.t.Helper()
	if got := other.visit(notebook); got != "refused" {
		s.t.Errorf("%s signs in, and gets %s", other.who, got)
	}
	if got := other.status(notebook); got != 403 {
		s.t.Errorf("%s gets %d", other.who, got)
	}
	for _, path := range []string{"/user/collab-shared-1/api/yjs/json:notebook:1",
		"/user/collab-shared-1/api/collaboration/room/json:notebook:1"} {
		if got := other.socket(path); got != "refused" {
			s.t.Errorf("%s: a web socket: %s", other.who, got)
		}
	}
}

// cuts breaks one's wire for longer than a room is kept, then both's.
func (s *session) cuts() {
	s.t.Helper()
	s.b.wire.cut(true)
	s.a.write(1, " alone")
	wait(6 * time.Second)
	s.b.wire.cut(false)
	s.b.sees(1, "alone")
	s.count("B off for 6 s", 3)
	s.type2(1)
	s.a.wire.cut(true)
	s.b.wire.cut(true)
	wait(8 * time.Second)
	s.a.wire.cut(false)
	s.b.wire.cut(false)
	s.settle()
	s.count("both off for 8 s", 3)
	s.type2(1)
}

// settle waits till pages are connected again: what one types, the other sees.
func (s *session) settle() { wait(5 * time.Second) }

// restart restarts the account's server, and has both sign in again in another tab:
// only then can the old ones come back.
func (s *session) restart(keep bool) {
	s.t.Helper()
	mark := filepath.Join(s.dir, "keep-tmp")
	if err := os.RemoveAll(mark); err != nil {
		s.t.Fatal(err)
	}
	if keep {
		if err := os.WriteFile(mark, nil, 0o600); err != nil {
			s.t.Fatal(err)
		}
	}
	away(func() {
		s.call("DELETE", "/hub/api/users/collab-shared-1/server", testerToken, "")
		s.await("collab-shared-1", false)
		s.call("POST", "/hub/api/users/collab-shared-1/server", testerToken, "")
		s.await("collab-shared-1", true)
	})
	for _, who := range []*student{s.a, s.b} {
		tab, end := who.tab()
		if got := tab.visit("/user/collab-shared-1/lab"); got != "lab" {
			s.t.Errorf("%s, another tab: %s", who.who, got)
		}
		end()
	}
	wait(10 * time.Second)
}

// again has both open the notebook anew.
func (s *session) again() {
	s.t.Helper()
	s.a.open()
	s.b.open()
	s.type2(2)
}

// restarts restarts the server with its /tmp, and then with a new one, as in a new
// pod.
func (s *session) restarts(want int) {
	s.t.Helper()
	s.restart(true)
	s.count("restarted, /tmp kept", 3)
	s.again()
	s.count("opened again", 3)
	kept = true
	defer func() { kept = false }()
	s.restart(false)
	s.count("restarted, a new /tmp", want)
	s.again()
	s.count("opened again", want)
}

// lose loses the history, and keeps the file ids.
func (s *session) lose(want int) {
	s.t.Helper()
	kept = true
	defer func() { kept = false }()
	s.restart(false)
	s.count("restarted, a new /tmp, the file ids kept", want)
}
