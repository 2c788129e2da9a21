package ui

import (
	"encoding/csv"
	"io"
	"strings"
)

// CSVCell makes a text harmless to a spreadsheet: one that it would take for a
// formula gets an apostrophe before it, which is how a spreadsheet writes text.
func CSVCell(s string) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "")
	first := strings.TrimLeft(s, " \u00a0\ufeff\v\f")
	if first == "" {
		return s
	}
	if r := []rune(first)[0]; strings.ContainsRune("=+-@\t\r\n|%＝＋－＠", r) {
		return "'" + s
	}
	return s
}

// CSV writes one row of cells, each made harmless.
func CSV(w *csv.Writer, cells ...string) error {
	row := make([]string, len(cells))
	for i, c := range cells {
		row[i] = CSVCell(c)
	}
	return w.Write(row)
}

// NewCSV starts a table that spreadsheets read as UTF-8.
func NewCSV(w io.Writer) (*csv.Writer, error) {
	_, err := io.WriteString(w, "\ufeff")
	c := csv.NewWriter(w)
	c.UseCRLF = true
	return c, err
}
