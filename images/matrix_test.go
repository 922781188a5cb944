package images_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/driftpin/driftpin/images"
	"github.com/driftpin/driftpin/images/drift"
	"github.com/driftpin/driftpin/pins/version"
	"github.com/google/go-cmp/cmp"
)

// All copies of a package in one environment count.
func TestMatrixOfCopies(t *testing.T) {
	var opened []*images.Image
	for _, nodes := range [][]node{{dist("a", "1"), dist("a", "2")}, {dist("a", "1")},
		{dist("a", "1"), dist("a", "3")}} {
		img, err := images.Open(t.Context(), saved(t, image(t, nodes)), images.Options{})
		if err != nil {
			t.Fatal(err)
		}
		opened = append(opened, img)
	}
	m, err := images.Reader{}.Matrix(t.Context(), opened...)
	if err != nil || len(m.Packages) != 1 {
		t.Fatal(m, err)
	}
	row := m.Packages[0]
	if diff := cmp.Diff([]string{"1, 2", "1", "1, 3"}, []string{or(row.Values[0]), or(row.Values[1]),
		or(row.Values[2])}); diff != "" || row.Level != version.Major {
		t.Errorf("%s (-want +got):\n%s", row.Level, diff)
	}
}

func TestMatrix(t *testing.T) {
	a, b, c := image(t, []node{dist("a", "1"), dist("b", "1"), dist("c", "1")}),
		image(t, []node{dist("a", "1"), dist("b", "2")}), image(t, []node{dist("a", "1"), dist("b", "1.0")})
	var opened []*images.Image
	for _, ref := range []string{saved(t, a), saved(t, b), saved(t, withLabel(t, c, "k", "v"))} {
		img, err := images.Open(t.Context(), ref, images.Options{})
		if err != nil {
			t.Fatal(err)
		}
		opened = append(opened, img)
	}
	m, err := images.Reader{}.Matrix(t.Context(), opened...)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range append(m.Packages, m.Config...) {
		var values []string
		for _, v := range r.Values {
			values = append(values, or(v))
		}
		got = append(got, fmt.Sprintf("%s %s %s", r.Name, strings.Join(values, " "), r.Level))
	}
	if diff := cmp.Diff([]string{"b 1 2 1.0 major", "c 1 - - ", "label.k - - v "}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if diff := cmp.Diff(drift.MatrixSummary{Same: 1, Differing: 1, Missing: 1, Config: 1}, m.Summary); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func or(s *string) string {
	if s == nil {
		return "-"
	}
	return *s
}
