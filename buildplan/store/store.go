// Package store keeps files by their sha256, and fetches those it lacks.
//
// A [Store] is a folder that processes may share. It knows a file by its hash
// and may know an address where the file was once found; what it has fetched
// it keeps. [Store.Content] hands the files to a build engine, which asks only
// for those that it does not have itself. So an engine, wherever it runs,
// needs no way to an index and no credentials; and what was fetched once can
// be built again when the index is gone.
//
//	DIR/files/blobs/sha256/HASH   a file
//	DIR/addresses/HASH            where it was found: a URL, or git+URL@COMMIT
package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/driftpin/driftpin/pins/whole"
	"github.com/google/renameio/v2"
	"golang.org/x/sync/semaphore"
)

// Options tune a store; the zero value is useful.
type Options struct {
	// Login returns who we are to the server of an address, as the header
	// Authorization has it; nil, and an empty string, say nothing.
	Login func(address *url.URL) string
	// Insecure names hosts, or HOST:PORT, whose certificate is not looked at.
	Insecure []string
	// Make writes the file of an address that is not one of HTTP into a folder
	// and returns its name there.
	Make func(ctx context.Context, address, dir string) (file string, err error)
	// Notice is told before a file is asked for again.
	Notice func(file string, err error, wait time.Duration)
	// Stall is how long no byte may come; 0 means a minute.
	Stall time.Duration
	// Pause is the wait before the second try, which doubles with each; 0
	// means a second.
	Pause time.Duration
}

// A Store is an open store. Its methods may be called concurrently.
type Store struct {
	dir     string
	options Options
	client  *http.Client
	fetches *semaphore.Weighted

	running  sync.WaitGroup // fetches
	looked   sync.Map       // hashes of the files whose bytes were looked at
	mu       sync.Mutex
	names    map[string]string      // of files, by hash, for messages
	sizes    map[string]int64       // about
	private  map[string]string      // addresses that are not written down
	accept   map[string]string      // what to say that we take, where an address has a file in several forms
	busy     map[string]*sync.Mutex // a file is fetched once at a time
	failures map[string]*Error      // the last of each file, by hash
}

// maxFetches is how many files are fetched at once.
const maxFetches = 32

// tempPrefix begins the names of files that are being written.
const tempPrefix = ".part-"

// Open opens the store in dir, which is created, and removes what processes
// that were killed have left half-written.
func Open(dir string, o Options) (*Store, error) {
	if o.Stall == 0 {
		o.Stall = time.Minute
	}
	if o.Pause == 0 {
		o.Pause = time.Second
	}
	s := &Store{dir: dir, options: o, client: newClient(o), fetches: semaphore.NewWeighted(maxFetches),
		names: map[string]string{}, sizes: map[string]int64{}, private: map[string]string{}, accept: map[string]string{},
		busy: map[string]*sync.Mutex{}, failures: map[string]*Error{}}
	for _, d := range []string{s.blobs(), s.addresses()} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, err
		}
	}
	return s, s.reap()
}

func (s *Store) blobs() string     { return filepath.Join(s.dir, "files", "blobs", "sha256") }
func (s *Store) addresses() string { return filepath.Join(s.dir, "addresses") }

// reap removes half-written files that nobody is writing: their writer holds
// a lock.
func (s *Store) reap() error {
	parts, err := filepath.Glob(filepath.Join(s.blobs(), tempPrefix+"*"))
	if err != nil {
		return err
	}
	notes, err := filepath.Glob(filepath.Join(s.addresses(), ".*"))
	if err != nil {
		return err
	}
	for _, note := range notes {
		if info, err := os.Stat(note); err == nil && time.Since(info.ModTime()) > time.Minute {
			os.Remove(note) // one that stays harms nobody
		}
	}
	for _, part := range parts {
		if err := whole.RemoveUnheld(part); err != nil {
			return err
		}
	}
	return nil
}

// Work returns a temporary folder on the file system of the store; release
// removes it. If this process is killed the next Open does.
func (s *Store) Work() (dir string, release func(), err error) {
	for {
		dir, err := os.MkdirTemp(s.blobs(), tempPrefix+"*")
		if err != nil {
			return "", nil, err
		}
		f, err := os.Open(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue // another process has taken it for one that is left
		}
		if err != nil {
			return "", nil, err
		}
		release = func() {
			os.RemoveAll(dir) // what stays is reaped
			f.Close()
		}
		mine, err := whole.Hold(f)
		if err == nil && mine {
			return dir, release, nil
		}
		release()
		if err != nil {
			return "", nil, err
		}
	}
}

// isSum reports whether a text is a sha256 in hex. Others come to no path: they
// may be anybody's.
var isSum = regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString

// Has reports whether the store has a file.
func (s *Store) Has(sha256 string) bool {
	if !isSum(sha256) {
		return false
	}
	info, err := os.Stat(filepath.Join(s.blobs(), sha256))
	return err == nil && info.Mode().IsRegular()
}

// Learn brings a file here of which nothing but the address is known, and returns
// its sha256 and its size in bytes. An error of fetching is an *[Error].
func (s *Store) Learn(ctx context.Context, address string) (sum string, size int64, err error) {
	dir, release, err := s.Work()
	if err != nil {
		return "", 0, err
	}
	defer release()
	part := filepath.Join(dir, "file")
	if err := s.download(ctx, "", address, part); err != nil {
		if ctx.Err() != nil {
			return "", 0, context.Cause(ctx)
		}
		return "", 0, &Error{File: s.name("", address), From: host(address), Err: err}
	}
	info, err := os.Stat(part)
	if err != nil {
		return "", 0, err
	}
	sum, err = s.Add(part, address)
	return sum, info.Size(), err
}

// Transport reaches servers as the store does, without saying who we are.
func (s *Store) Transport() http.RoundTripper { return s.client.Transport }

// Wait waits for fetches that go on.
func (s *Store) Wait() { s.running.Wait() }

// Expect says what a file is called in messages, and about how many bytes it
// has, if that is known: one that is much longer is not fetched to its end.
func (s *Store) Expect(sha256, name string, size int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names[sha256] = name
	s.sizes[sha256] = size
}

const (
	tolerance = 64 << 20 // bytes that a file may be longer than told
	maxFile   = 32 << 30 // bytes of one of which nothing was told
)

// Accept says which form of a file an address is asked for, as the header of that
// name has it; empty for any.
func (s *Store) Accept(sha256, types string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if types != "" {
		s.accept[sha256] = types
	}
}

// limit is how many bytes of a file are fetched.
func (s *Store) limit(sha256 string) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if size := s.sizes[sha256]; size > 0 {
		return 2*size + tolerance
	}
	return maxFile
}

// name is what a file is called: as told, else by its address.
func (s *Store) name(sha256, address string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n, ok := s.names[sha256]; ok {
		return n
	}
	if address != "" {
		address, _, _ = strings.Cut(address, "?")
		return path.Base(address)
	}
	return sha256
}

// Address returns where a file was found, if that is known.
func (s *Store) Address(sha256 string) (string, bool) {
	if !isSum(sha256) {
		return "", false
	}
	s.mu.Lock()
	private, ok := s.private[sha256]
	s.mu.Unlock()
	if ok {
		return private, true
	}
	data, err := os.ReadFile(filepath.Join(s.addresses(), sha256))
	return strings.TrimSpace(string(data)), err == nil && len(data) > 0
}

// Known reports whether a file is at hand, or an address of it.
func (s *Store) Known(sha256 string) bool {
	_, ok := s.Address(sha256)
	return ok || s.Has(sha256)
}

// Remember notes where a file is, without the user and password that the
// address may hold. One with a query, which may be a signature, is known to
// this process only. It is only a help for later, so a folder that can't be
// written is no error.
func (s *Store) Remember(sha256, address string) error {
	if !isSum(sha256) {
		return fmt.Errorf("%s: %q is not a sha256 digest", address, sha256)
	}
	address = withoutUser(address)
	if isHTTP(address) && strings.Contains(address, "?") {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.private[sha256] = address
		return nil
	}
	if old, ok := s.Address(sha256); ok && old == address {
		return nil
	}
	err := renameio.WriteFile(filepath.Join(s.addresses(), sha256), []byte(address+"\n"), 0o600,
		renameio.WithTempDir(s.addresses()))
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		return nil
	}
	return err
}

// withoutUser takes user and password out of an address of HTTP.
func withoutUser(address string) string {
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok || scheme != "http" && scheme != "https" {
		return address
	}
	host, _, _ := strings.Cut(rest, "/")
	if at := strings.LastIndexByte(host, '@'); at >= 0 {
		rest = rest[at+1:]
	}
	return scheme + "://" + rest
}

// Add moves a file that lies on the same file system into the store, and
// returns its sha256. address says how it can be made again; it is empty if it
// can't.
func (s *Store) Add(file, address string) (string, error) {
	sum, err := Sum(file)
	if err != nil {
		return "", err
	}
	if address != "" {
		if err := s.Remember(sum, address); err != nil {
			return "", err
		}
	}
	return sum, s.place(file, sum)
}

// place moves a whole file to where it is kept.
func (s *Store) place(file, sum string) error {
	if err := os.Chmod(file, 0o444); err != nil {
		return err
	}
	return os.Rename(file, filepath.Join(s.blobs(), sum))
}

// Forget drops a file's address, so that it is looked up again.
func (s *Store) Forget(sha256 string) {
	if !isSum(sha256) {
		return
	}
	s.mu.Lock()
	delete(s.private, sha256)
	s.mu.Unlock()
	os.Remove(filepath.Join(s.addresses(), sha256)) // one that stays is asked again, no more
}

// File returns the path of a file, which is fetched if the store lacks it, or
// if the bytes that it has are not those of the hash any more. An error of
// fetching is an *[Error].
func (s *Store) File(ctx context.Context, sha256 string) (string, error) {
	defer s.lock(sha256)()
	file := filepath.Join(s.blobs(), sha256)
	if s.sound(sha256, file) {
		return file, nil
	}
	if err := s.fetches.Acquire(ctx, 1); err != nil {
		return "", err
	}
	defer s.fetches.Release(1)
	s.running.Add(1)
	defer s.running.Done()
	address, _ := s.Address(sha256)
	err := s.fetch(ctx, sha256, address)
	if err == nil {
		s.looked.Store(sha256, true)
		return file, nil
	}
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	e := &Error{File: s.name(sha256, address), From: host(address), Err: err}
	var moved *movedError
	if errors.As(err, &moved) {
		e.Moved, e.Gone = true, moved.gone
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures[sha256] = e
	return "", e
}

// sound reports whether the store has a file with the right bytes. It looks
// once at each; a file that is damaged is removed.
func (s *Store) sound(sha256, file string) bool {
	if _, ok := s.looked.Load(sha256); ok || !s.Has(sha256) {
		return ok && s.Has(sha256)
	}
	if got, err := Sum(file); err != nil || got != sha256 {
		os.Remove(file) // one that stays is replaced
		return false
	}
	s.looked.Store(sha256, true)
	return true
}

// lock waits until nobody else fetches a file.
func (s *Store) lock(sha256 string) (unlock func()) {
	s.mu.Lock()
	m := s.busy[sha256]
	if m == nil {
		m = &sync.Mutex{}
		s.busy[sha256] = m
	}
	s.mu.Unlock()
	m.Lock()
	return m.Unlock
}

// An Error says that a file could not be fetched.
type Error struct {
	File  string
	From  string // the host it was asked of
	Moved bool   // another address may have it
	Gone  bool   // nobody is there, or it is not
	Err   error
}

// Error says which file can't be had, from where, and why.
func (e *Error) Error() string {
	if e.From == "" {
		return fmt.Sprintf("this machine can't fetch %s: %v", e.File, e.Err)
	}
	return fmt.Sprintf("this machine can't fetch %s from %s: %v", e.File, e.From, e.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

func host(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Host
}
