package images_test

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/driftpin/driftpin/images"
	"github.com/driftpin/driftpin/images/drift"
	"github.com/google/go-cmp/cmp"
)

func recordRow(path, content string) string {
	h := sha256.Sum256([]byte(content))
	return fmt.Sprintf("%s,sha256=%s,%d\n", path, base64.RawURLEncoding.EncodeToString(h[:]), len(content))
}

// One changed byte in one file is found, whatever way leads to the file; and
// what is as recorded is not.
func TestDamages(t *testing.T) {
	const info = site + "a-1.dist-info/"
	record := recordRow("a.py", "fine") + recordRow("b.py", "before") + recordRow("../../../bin/a", "#!run") +
		recordRow("gone.py", "x") +
		recordRow("../../../lib64/a.so", "elf") + recordRow("hard.py", "linked") + recordRow("both.py", "mine") +
		"\"odd, name.py\"" + recordRow("", "odd") +
		"hex.py,sha256=" + fmt.Sprintf("%x", sha256.Sum256([]byte("hex"))) + ",3\n" +
		"a-1.dist-info/RECORD,,\nunhashed.pyc,,\nother.py,blake2b=zz,1\n"
	debian := fmt.Sprintf("%x  lib/libc.so\n%x  usr/bin/tool\n%x  usr/share/doc/left-out\n", md5.Sum([]byte("libc")),
		md5.Sum([]byte("tool")), md5.Sum([]byte("doc")))
	base := []node{
		{info + "METADATA", "Name: a\nVersion: 1\n"}, {info + "RECORD", record}, {site + "a.py", "fine"},
		{site + "b.py", "before"},
		{"opt/env/bin/a", "#!run"}, {"opt/env/lib64", "->lib"}, {"opt/env/lib/a.so", "elf"},
		{site + "both.py", "theirs"},
		{site + "cache", "linked"}, {site + "hard.py", "=>" + site + "cache"}, {site + "odd, name.py", "odd"},
		{site + "hex.py", "hex"},
		{site + "b2-1.dist-info/RECORD", recordRow("both.py", "theirs")},
		{"lib", "->usr/lib"}, {"usr/lib/libc.so", "libc"}, {"usr/bin/tool", "tool"},
		{"var/lib/dpkg/info/libc6:amd64.md5sums", debian},
	}
	for _, test := range []struct {
		name string
		top  []node
		want []drift.Damage
	}{
		{"as built", nil, nil},
		{"one byte", []node{{site + "b.py", "befote"}}, []drift.Damage{{Path: "/" + site + "b.py", Package: "a-1",
			What: "changed"}}},
		{"removed", []node{{site + ".wh.b.py", ""}}, []drift.Damage{{Path: "/" + site + "b.py", Package: "a-1",
			What: "missing"}}},
		{"a script", []node{{"opt/env/bin/a", "#!ran"}}, []drift.Damage{{Path: "/opt/env/bin/a", Package: "a-1",
			What: "changed"}}},
		{"over a link of folders", []node{{"opt/env/lib/a.so", "elg"}},
			[]drift.Damage{{Path: "/opt/env/lib/a.so", Package: "a-1", What: "changed"}}},
		{"Debian's", []node{{"usr/lib/libc.so", "lobc"}}, []drift.Damage{{Path: "/usr/lib/libc.so", Package: "libc6",
			What: "changed"}}},
		{"and put right again", []node{{site + "both.py", "mine"}}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			layers := [][]node{base}
			if test.top != nil {
				layers = append(layers, test.top)
			}
			img, err := images.Open(t.Context(), saved(t, image(t, layers...)), images.Options{})
			if err != nil {
				t.Fatal(err)
			}
			got, err := img.Damages(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			want := append([]drift.Damage{{Path: "/" + site + "gone.py", Package: "a-1", What: "missing"}},
				test.want...)
			if diff := cmp.Diff(sortedDamages(want), got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func sortedDamages(list []drift.Damage) []drift.Damage {
	if len(list) == 2 && list[0].Path > list[1].Path {
		list[0], list[1] = list[1], list[0]
	}
	return list
}

// Any bytes as records, and any links, are damages or an error.
func FuzzDamages(f *testing.F) {
	f.Add("a.py,sha256=abc,1\n", "00000000000000000000000000000000  lib/x\n", "->.")
	f.Add("\"", "", "->lib64/../lib64")
	f.Fuzz(func(t *testing.T, record, sums, link string) {
		// A text that would mean another node to the helper gets a line in front.
		for _, text := range []*string{&record, &sums} {
			if strings.HasPrefix(*text, "=>") || strings.HasPrefix(*text, "->") || *text == "/" {
				*text = "\n" + *text
			}
		}
		link = "->" + strings.ReplaceAll(strings.TrimPrefix(link, "->")[:min(80,
			len(strings.TrimPrefix(link, "->")))], "\x00", "")
		img := image(t, []node{{site + "a-1.dist-info/RECORD", record}, {"var/lib/dpkg/info/a.md5sums", sums},
			{"opt/env/lib64", link}, {"lib", link}})
		opened, err := images.Open(t.Context(), saved(t, img), images.Options{})
		if err != nil {
			return
		}
		_, _ = opened.Damages(t.Context())
	})
}

// A folder hides the file that it was put over, and a package without a record
// is damaged.
func TestDamagedByHiding(t *testing.T) {
	const info = site + "a-1.dist-info/"
	base := []node{{info + "METADATA", "Name: a\nVersion: 1\n"},
		{info + "RECORD", recordRow("a.py", "fine") + recordRow("b.py", "b")}, {site + "a.py", "fine"},
		{site + "b.py", "b"}}
	for _, test := range []struct {
		name string
		top  []node
		want drift.Damage
	}{
		{"folder", []node{{site + "a.py", "/"}}, drift.Damage{Path: "/" + site + "a.py", Package: "a-1",
			What: "missing"}},
		{"link", []node{{site + "a.py", "->b.py"}}, drift.Damage{Path: "/" + site + "a.py", Package: "a-1",
			What: "changed"}},
		{"no record", []node{{info + ".wh.RECORD", ""}}, drift.Damage{Path: "/" + info + "RECORD", Package: "a-1",
			What: "missing"}},
		{"empty record", []node{{info + "RECORD", ""}}, drift.Damage{Path: "/" + info + "RECORD", Package: "a-1",
			What: "missing"}},
	} {
		img, err := images.Open(t.Context(), saved(t, image(t, base, test.top)), images.Options{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := img.Damages(t.Context())
		if diff := cmp.Diff([]drift.Damage{test.want}, got); err != nil || diff != "" {
			t.Errorf("%s: %v, -want +got:\n%s", test.name, err, diff)
		}
	}
	img, err := images.Open(t.Context(), saved(t, image(t, base, []node{{info + "METADATA", "/"}})), images.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if packages, err := img.Inventory(t.Context()); err != nil || len(packages) != 0 {
		t.Errorf("a hidden package is listed: %v, %v", packages, err)
	}
}
