package pins

import (
	"fmt"
	"time"
)

// Count words how many things of a kind there are: 1 package, 2 packages.
func Count(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}

// Text is a text and where it was written.
type Text struct {
	Value string
	At    Position
}

// Date is a day, or an instant if a time was given.
type Date struct {
	Text string    // as written
	End  time.Time // the first instant after it, in UTC
	At   Position
}

// ParseDate reads a day (2023-03-17) or an instant (RFC 3339).
func ParseDate(text string) (Date, error) {
	if day, err := time.Parse(time.DateOnly, text); err == nil {
		return Date{Text: text, End: day.AddDate(0, 0, 1)}, nil
	}
	if instant, err := time.Parse(time.RFC3339, text); err == nil {
		return Date{Text: text, End: instant.UTC()}, nil
	}
	return Date{}, fmt.Errorf("%q is not a date: write it as 2023-03-17", text)
}
