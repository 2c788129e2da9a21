package exec

import (
	"bytes"
	"errors"
	"io"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/connector/mapping"
	"prumo.dev/prumo/internal/fact"
)

const (
	maxJSON = 64 << 20
	maxRows = 200_000
)

// rows takes JSON that maps turn into facts. Each map is a scope.
type rows struct {
	maps   []declared
	scopes []*mapping.Scope
	faults []error // by map
	lines  bool
}

func newRows(emit connector.Emit, maps []declared, lines bool) (*rows, error) {
	r := &rows{maps: maps, lines: lines, faults: make([]error, len(maps))}
	for _, m := range maps {
		s, err := m.Open(emit)
		if err != nil {
			return nil, err
		}
		r.scopes = append(r.scopes, s)
	}
	return r, nil
}

func (r *rows) take(out io.Reader) error {
	if r.lines {
		return r.takeLines(out)
	}
	raw, err := io.ReadAll(io.LimitReader(out, maxJSON+1))
	switch {
	case err != nil:
		return err
	case len(raw) > maxJSON:
		return trouble("the program printed more than %d MB of JSON and was ended", maxJSON>>20)
	}
	page, err := mapping.ReadPage(raw)
	if err == nil {
		err = page.Failed()
	}
	for i, m := range r.maps {
		if r.faults[i] = err; err != nil {
			continue
		}
		var list []map[string]any
		if list, r.faults[i] = m.items.Rows(page); len(list) > maxRows {
			list, r.faults[i] = list[:maxRows], trouble("there are more than %d rows", maxRows)
		}
		for _, row := range list {
			if err := r.scopes[i].Row(row); err != nil {
				return errEmit{err}
			}
		}
	}
	return nil
}

func (r *rows) takeLines(out io.Reader) error {
	in := newLineReader(out)
	for n := 0; ; {
		line, err := in.next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, errLong):
			r.refuse(in.number, "longer than 1 MB")
			continue
		case err != nil:
			return err
		case len(bytes.TrimSpace(line)) == 0:
			continue
		}
		if n++; n > maxRows {
			return trouble("there are more than %d rows", maxRows)
		}
		page, err := mapping.ReadPage(line)
		row, isRow := page.Row()
		if err != nil || !isRow {
			r.refuse(in.number, "no JSON object; print one a line, and everything else on standard error")
			continue
		}
		for _, s := range r.scopes {
			if err := s.Row(row); err != nil {
				return errEmit{err}
			}
		}
	}
}

func (r *rows) refuse(line int, why string) {
	for i := range r.faults {
		if r.faults[i] == nil {
			r.faults[i] = trouble("line %d: %s", line, why)
		}
	}
}

func (r *rows) finish(fault error) error {
	var problems []error
	for i, s := range r.scopes {
		why := fault
		if why == nil {
			why = r.faults[i]
		}
		reading, detail := fact.Complete, connector.Detail{}
		if why != nil {
			reading, detail = honest(why)
		}
		problems = append(problems, s.Close(reading, detail))
	}
	return errors.Join(problems...)
}
