package pins

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"regexp"
	"unicode/utf16"
	"unicode/utf8"
)

// An encoding is how a text file's characters are written.
type encoding struct {
	name string
	mark []byte
	unit int // bytes
	from func([]byte) string
	to   func(string) []byte
}

// encodings are those that Unicode's marks tell of. The longer marks come first:
// one of UTF-32 begins as one of UTF-16 does.
var encodings = []encoding{
	{"UTF-8", []byte("\xef\xbb\xbf"), 1, func(b []byte) string { return string(b) },
		func(s string) []byte { return []byte(s) }},
	{"UTF-32, little-endian", []byte("\xff\xfe\x00\x00"), 4, from32(binary.LittleEndian), to32(binary.LittleEndian)},
	{"UTF-32, big-endian", []byte("\x00\x00\xfe\xff"), 4, from32(binary.BigEndian), to32(binary.BigEndian)},
	{"UTF-16, little-endian", []byte("\xff\xfe"), 2, from16(binary.LittleEndian), to16(binary.LittleEndian)},
	{"UTF-16, big-endian", []byte("\xfe\xff"), 2, from16(binary.BigEndian), to16(binary.BigEndian)},
}

func from16(order binary.ByteOrder) func([]byte) string {
	return func(b []byte) string {
		units := make([]uint16, len(b)/2)
		for i := range units {
			units[i] = order.Uint16(b[i*2:])
		}
		return string(utf16.Decode(units))
	}
}

func to16(order binary.ByteOrder) func(string) []byte {
	return func(s string) (b []byte) {
		for _, unit := range utf16.Encode([]rune(s)) {
			b = order.(binary.AppendByteOrder).AppendUint16(b, unit)
		}
		return b
	}
}

func from32(order binary.ByteOrder) func([]byte) string {
	return func(b []byte) string {
		runes := make([]rune, len(b)/4)
		for i := range runes {
			runes[i] = rune(order.Uint32(b[i*4:]))
		}
		return string(runes)
	}
}

func to32(order binary.ByteOrder) func(string) []byte {
	return func(s string) (b []byte) {
		for _, r := range s {
			b = order.(binary.AppendByteOrder).AppendUint32(b, uint32(r))
		}
		return b
	}
}

// marked is the encoding that a file's first bytes tell of, or nil.
func marked(data []byte) *encoding {
	for i, e := range encodings {
		if bytes.HasPrefix(data, e.mark) {
			return &encodings[i]
		}
	}
	return nil
}

// codingLine is how a file of Python's world names its encoding, in its first two
// lines (PEP 263), which pip heeds.
var codingLine = regexp.MustCompile(`^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)`)

// decode returns a text file's characters. It is in UTF-8, or in what its mark
// tells of. The error names an encoding that can't be read.
func decode(data []byte) (string, error) {
	text := string(data)
	if e := marked(data); e != nil {
		rest := data[len(e.mark):]
		if len(rest)%e.unit != 0 {
			return "", fmt.Errorf("the file is cut short: its byte order mark means %s", e.name)
		}
		if text = e.from(rest); !bytes.Equal(e.to(text), rest) {
			return "", fmt.Errorf("the file is not valid %s, which is the encoding of its byte order mark", e.name)
		}
		return text, nil
	}
	for i, line := range bytes.SplitN(data, []byte("\n"), 3) {
		if m := codingLine.FindSubmatch(line); m != nil && i < 2 && !isUTF8(string(m[1])) {
			return "", fmt.Errorf("the file's coding line names %s: save the file in UTF-8", m[1])
		}
	}
	if !utf8.ValidString(text) {
		line := 1 + bytes.Count(data[:invalidAt(data)], []byte("\n"))
		return "", fmt.Errorf("the file is not in UTF-8 (line %d), and has no byte order mark: save it in UTF-8", line)
	}
	return text, nil
}

func isUTF8(name string) bool {
	return regexp.MustCompile(`(?i)^(?:utf[-_]?8(?:[-_]sig)?|u8|us-ascii|ascii)$`).MatchString(name)
}

// invalidAt is where UTF-8 ends in some bytes.
func invalidAt(data []byte) int {
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return len(data)
}

// recode writes a text as a file that was in some encoding, with its mark.
func recode(text string, like []byte) []byte {
	if e := marked(like); e != nil {
		return append(bytes.Clone(e.mark), e.to(text)...)
	}
	return []byte(text)
}
