package http

import (
	"errors"
	"io"
	"os"

	"prumo.dev/prumo/internal/connector/mapping"
)

// maxFile is the largest file that is read.
const maxFile = 256 << 20

// readFile makes facts of a file; all maps look at the same one.
func (r *reader) readFile(w *walk) error {
	if r.file == nil && r.fault == nil {
		r.file, r.fault = r.open()
	}
	if r.fault != nil {
		return r.fault
	}
	if _, err := w.take(*r.file); err != nil {
		return err
	}
	return w.short()
}

func (r *reader) open() (*mapping.Page, error) {
	in := r.run.Stdin
	if name := r.run.Settings.Text("file"); name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, unreadable(err)
		}
		defer f.Close()
		in = f
	}
	if in == nil {
		return nil, &mapping.Misfit{Why: "standard input is read by `prumo check` only; name a file"}
	}
	raw, err := io.ReadAll(io.LimitReader(in, maxFile+1))
	switch {
	case err != nil:
		return nil, unreadable(err)
	case len(raw) > maxFile:
		return nil, &mapping.Misfit{Why: "the file is larger than 256 MB"}
	}
	page, err := mapping.ReadPage(raw)
	if err != nil {
		var m *mapping.Misfit
		if errors.As(err, &m) {
			return nil, &mapping.Misfit{Why: "the file: " + m.Why}
		}
		return nil, err
	}
	return &page, nil
}

// unreadable says why a file could not be read, without its path.
func unreadable(err error) error {
	switch {
	case errors.Is(err, os.ErrNotExist):
		return &mapping.Misfit{Why: "the file is not there"}
	case errors.Is(err, os.ErrPermission):
		return &mapping.Misfit{Why: "the account that runs Prumo may not read the file"}
	default:
		return &mapping.Misfit{Why: "the file could not be read"}
	}
}
