package images

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/driftpin/driftpin/pins"
	"github.com/driftpin/driftpin/pins/version"
)

// A Matrix compares more images than two: where they disagree.
type Matrix struct {
	Images   []Column      `json:"images"`
	Packages []Row         `json:"packages"` // those that are not the same in all images
	Config   []Row         `json:"config"`   // likewise; name and values only
	Summary  MatrixSummary `json:"summary"`
}

// A Column is one of the images.
type Column struct {
	Name     string `json:"name"`
	Digest   string `json:"digest,omitempty"`
	Packages int    `json:"packages"` // how many it holds
	Size     int64  `json:"size"`     // of its layers, in bytes as they are stored; 0 if not known
	Alone    int    `json:"alone"`    // packages that no other image has at the same version
}

// A Row is one package, or one setting, in all images.
type Row struct {
	Kind   pins.Kind     `json:"kind,omitempty"`
	Name   string        `json:"name"`
	Where  string        `json:"where,omitempty"`
	Values []*string     `json:"values"` // an entry an image: the version, with what it does not say; nil where it is not
	Level  version.Level `json:"level"`  // the widest between any two of them; empty where all that have it agree
}

// A MatrixSummary counts.
type MatrixSummary struct {
	Same      int `json:"same"`      // packages that are the same in all images
	Differing int `json:"differing"` // in several versions
	Missing   int `json:"missing"`   // in one version, but not in all images
	Config    int `json:"config"`
}

// Matrix compares images. What belongs to another package is left out.
func (r Reader) Matrix(ctx context.Context, list ...*Image) (*Matrix, error) {
	found, err := r.Inventories(ctx, list...)
	if err != nil {
		return nil, err
	}
	found = allComparable(list, found)
	m := &Matrix{Packages: []Row{}, Config: []Row{}}
	rows := map[place][][]*Package{} // of each image all copies
	for i, img := range list {
		c := Column{Name: img.Name, Digest: img.Digest, Packages: len(found[i])}
		for _, l := range img.layers {
			c.Size += l.Size
		}
		m.Images = append(m.Images, c)
		for k := range found[i] {
			p := &found[i][k]
			if p.Owner != nil {
				continue
			}
			if rows[placeOf(*p)] == nil {
				rows[placeOf(*p)] = make([][]*Package, len(list))
			}
			rows[placeOf(*p)][i] = append(rows[placeOf(*p)][i], p)
		}
	}
	for _, k := range slices.SortedFunc(maps.Keys(rows), func(a, b place) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.name, b.name), cmp.Compare(a.where, b.where))
	}) {
		m.add(k, rows[k])
	}
	m.config(list)
	return m, nil
}

// allComparable leaves of inventories what all sources can tell, as comparable
// does of two.
func allComparable(list []*Image, found [][]Package) [][]Package {
	var locked []Package
	foreign, placed, commits := false, true, true
	for i, img := range list {
		if img.Lock != nil {
			locked = append(locked, found[i]...)
		}
		if c := img.Carried; c != nil && img.Lock == nil {
			foreign = foreign || c.Foreign
			placed = placed && !c.Placeless
			commits = commits && (!c.Foreign || knowsCommits(found[i]))
		}
	}
	out := slices.Clone(found)
	for i := range out {
		if foreign || locked != nil {
			out[i] = lockable(out[i])
		}
		if locked != nil {
			out[i] = lockedDebs(out[i], locked)
		}
		if !commits {
			out[i] = without(out[i], func(p *Package) { p.Commit = "" })
		}
		if !placed {
			out[i] = placeless(out[i])
		}
	}
	return out
}

// add adds a package's row, unless it is the same in all images.
func (m *Matrix) add(k place, copies [][]*Package) {
	row := Row{Kind: k.kind, Name: k.name, Where: k.where}
	missing := false
	for i, own := range copies {
		if len(own) == 0 {
			row.Values, missing = append(row.Values, nil), true
			continue
		}
		text := wordCopies(own)
		row.Values = append(row.Values, &text)
		alone := true
		for j, others := range copies {
			if i == j || len(others) == 0 {
				continue
			}
			mine, theirs := lacking(own, others), lacking(others, own)
			if len(mine)+len(theirs) == 0 {
				alone = false
			} else {
				row.Level = wider(row.Level, k.kind.Scheme().LevelOf(at(append(mine, own...), 0).Version, at(append(theirs, others...), 0).Version))
			}
		}
		if alone {
			m.Images[i].Alone++
		}
	}
	switch {
	case row.Level != "":
		m.Summary.Differing++
	case missing:
		m.Summary.Missing++
	default:
		m.Summary.Same++
		return
	}
	m.Packages = append(m.Packages, row)
}

// wordCopies words the versions of a package's copies in one image.
func wordCopies(copies []*Package) string {
	var words []string
	for _, p := range copies {
		text := p.Version
		if d := cmp.Or(p.Commit, p.Build); d != "" {
			text += " " + d
		}
		words = append(words, text)
	}
	return strings.Join(slices.Compact(words), ", ")
}

// lacking are the copies of which the others have none that is the same.
func lacking(copies, others []*Package) []*Package {
	return slices.DeleteFunc(slices.Clone(copies), func(p *Package) bool {
		return slices.ContainsFunc(others, func(q *Package) bool { return same(p.Pin, q.Pin) })
	})
}

// wider is the wider of two levels.
func wider(a, b version.Level) version.Level {
	order := []version.Level{version.Major, version.Minor, version.Patch, version.Build}
	for _, l := range order {
		if a == l || b == l {
			return l
		}
	}
	return ""
}

// config adds the settings that are not the same in all images that have any.
func (m *Matrix) config(list []*Image) {
	all := map[string]bool{}
	settings := make([]map[string]string, len(list))
	first := slices.IndexFunc(list, (*Image).HasConfig)
	for i, img := range list {
		if settings[i] = map[string]string{}; img.HasConfig() {
			settings[i] = img.Config.settings()
		}
		for name := range settings[i] {
			all[name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		row := Row{Name: name}
		differs := false
		for i, img := range list {
			v, ok := settings[i][name]
			if ok {
				row.Values = append(row.Values, &v)
			} else {
				row.Values = append(row.Values, nil)
			}
			other, had := settings[first][name]
			differs = differs || img.HasConfig() && (ok != had || v != other)
		}
		if differs {
			m.Config = append(m.Config, row)
			m.Summary.Config++
		}
	}
}
