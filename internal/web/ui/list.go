package ui

import (
	"slices"
	"strings"
)

// An Option is a value that a filter offers.
type Option struct{ Value, Text string }

// A Filter is one way to narrow a list; its values stand in the address under Key.
type Filter struct {
	Key     string
	Text    string
	Options []Option
	One     bool // at most one value
}

// chosen are the texts of the values that the address holds. A value that is
// not offered is shown as it stands, so that nothing narrows a list unseen.
func (f Filter) chosen(e *Env) []Option {
	var out []Option
	for _, v := range e.Query[f.Key] {
		o := Option{Value: v, Text: v}
		if i := slices.IndexFunc(f.Options, func(o Option) bool { return o.Value == v }); i >= 0 {
			o = f.Options[i]
		}
		out = append(out, o)
	}
	return out
}

func (f Filter) summary(e *Env) string {
	var texts []string
	for _, o := range f.chosen(e) {
		texts = append(texts, o.Text)
	}
	if len(texts) > 3 {
		return e.N("filter.many", int64(len(texts)))
	}
	return strings.Join(texts, ", ")
}

func (f Filter) link(e *Env, value string) string {
	if !f.One {
		return e.Toggle(f.Key, value)
	}
	if slices.Contains(e.Query[f.Key], value) {
		return e.With(f.Key, "")
	}
	return e.With(f.Key, value)
}

// A Column is the head of a column.
type Column struct {
	Text string
	Sort string // name to sort by; empty: it does not sort
	Num  bool   // numbers, to the right
	Desc bool   // sorts downwards at first
	Hide bool   // left out on narrow screens
}

// sorting returns the direction that the address says for the column.
func (c Column) sorting(e *Env) string {
	switch e.Query.Get("sort") {
	case "":
		return ""
	case c.Sort:
		return "ascending"
	case "-" + c.Sort:
		return "descending"
	}
	return ""
}

func (c Column) link(e *Env) string {
	up, down := c.Sort, "-"+c.Sort
	if c.Desc {
		up, down = down, up
	}
	if e.Query.Get("sort") == up {
		return e.With("sort", down)
	}
	return e.With("sort", up)
}

func (c Column) class() string {
	var out []string
	if c.Num {
		out = append(out, "num")
	}
	if c.Hide {
		out = append(out, "hide-s")
	}
	return strings.Join(out, " ")
}

// A Tab is a saved view of a list.
type Tab struct {
	Text  string
	Href  string
	On    bool
	Count int64 // negative: not counted
}

// Narrowed reports that the address filters the list by anything.
func (e *Env) Narrowed(filters []Filter) bool {
	if e.Query.Get("q") != "" {
		return true
	}
	for _, f := range filters {
		if len(e.Query[f.Key]) > 0 {
			return true
		}
	}
	return false
}

// Limit returns how many rows a page of a list has: 50, or what the address
// says of the sizes that are offered.
func (e *Env) Limit() int {
	switch e.Query.Get("rows") {
	case "100":
		return 100
	case "200":
		return 200
	}
	return 50
}
