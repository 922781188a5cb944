package drift

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/driftpin/driftpin/images/installed"
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
	Kind  pins.Kind `json:"kind,omitempty"`
	Name  string    `json:"name"`
	Where string    `json:"where,omitempty"`
	// an entry an image: the version, with what it does not say; nil where it is not
	Values []*string     `json:"values"`
	Level  version.Level `json:"level"` // the widest between any two of them; empty where all that have it agree
}

// A MatrixSummary counts.
type MatrixSummary struct {
	Same      int `json:"same"`      // packages that are the same in all images
	Differing int `json:"differing"` // in several versions
	Missing   int `json:"missing"`   // in one version, but not in all images
	Config    int `json:"config"`
}

// Across compares inventories. What belongs to another package is left out.
func Across(list []Inventory) *Matrix {
	m := &Matrix{Packages: []Row{}, Config: []Row{}}
	rows := map[place][][]*installed.Package{} // of each image all copies
	for i, v := range Mask(list) {
		c := Column{Name: v.Name, Digest: v.Digest, Packages: len(v.Packages)}
		for _, l := range v.Layers {
			c.Size += l.Size
		}
		m.Images = append(m.Images, c)
		for k := range v.Packages {
			p := &v.Packages[k]
			if p.Owner != nil {
				continue
			}
			if rows[placeOf(*p)] == nil {
				rows[placeOf(*p)] = make([][]*installed.Package, len(list))
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
	return m
}

// add adds a package's row, unless it is the same in all images.
func (m *Matrix) add(k place, copies [][]*installed.Package) {
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
				row.Level = wider(row.Level, k.kind.Scheme().LevelOf(append(mine, own...)[0].Version,
					append(theirs, others...)[0].Version))
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
func wordCopies(copies []*installed.Package) string {
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
func lacking(copies, others []*installed.Package) []*installed.Package {
	return slices.DeleteFunc(slices.Clone(copies), func(p *installed.Package) bool {
		return slices.ContainsFunc(others, func(q *installed.Package) bool { return p.Same(q.Pin) })
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
func (m *Matrix) config(list []Inventory) {
	all := map[string]bool{}
	settings := make([]map[string]string, len(list))
	first := slices.IndexFunc(list, func(v Inventory) bool { return v.Config != nil })
	for i, v := range list {
		if settings[i] = map[string]string{}; v.Config != nil {
			settings[i] = v.Config.settings()
		}
		for name := range settings[i] {
			all[name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		row := Row{Name: name}
		differs := false
		for i, inventory := range list {
			v, ok := settings[i][name]
			if ok {
				row.Values = append(row.Values, &v)
			} else {
				row.Values = append(row.Values, nil)
			}
			other, had := settings[first][name]
			differs = differs || inventory.Config != nil && (ok != had || v != other)
		}
		if differs {
			m.Config = append(m.Config, row)
			m.Summary.Config++
		}
	}
}
