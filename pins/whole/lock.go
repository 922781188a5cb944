package whole

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Hold locks an open file or folder for as long as it is open. mine is false
// if it was removed before the lock was there: make another one, then.
func Hold(f *os.File) (mine bool, err error) {
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		return false, &os.PathError{Op: "lock", Path: f.Name(), Err: err}
	}
	return inPlace(f), nil
}

// RemoveUnheld removes a file or folder that nobody holds.
func RemoveUnheld(path string) error {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil || !inPlace(f) {
		return nil // it is someone's, or someone else has removed it
	}
	return os.RemoveAll(path)
}

// inPlace reports whether a file's name still leads to it.
func inPlace(f *os.File) bool {
	opened, err1 := f.Stat()
	named, err2 := os.Lstat(f.Name())
	return err1 == nil && err2 == nil && os.SameFile(opened, named)
}
