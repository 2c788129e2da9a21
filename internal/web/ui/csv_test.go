package ui

import (
	"bytes"
	"encoding/csv"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestCSVCell(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "plain": "plain", "a=b": "a=b", "=1+1": "'=1+1", "+49": "'+49", "-1": "'-1", "@SUM(A1)": "'@SUM(A1)", "\t=1": "'\t=1",
		"\r=1": "'\r=1", "  =cmd|' /C calc'!A0": "'  =cmd|' /C calc'!A0", "＝1": "'＝1", "\ufeff=1": "'\ufeff=1", "\x00=1": "'=1", "|x": "'|x",
	} {
		if got := CSVCell(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func FuzzCSV(f *testing.F) {
	for _, s := range []string{"=1", "a\"b,c\r\n=2", "\x00=1", "\xff", " \t=1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var b bytes.Buffer
		w, err := NewCSV(&b)
		if err != nil {
			t.Fatal(err)
		}
		if err := CSV(w, s, "end"); err != nil {
			t.Fatal(err)
		}
		w.Flush()
		rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(b.String(), "\ufeff"))).ReadAll()
		if err != nil || len(rows) != 1 || len(rows[0]) != 2 || rows[0][1] != "end" {
			t.Fatalf("%q is read back as %q, %v", s, rows, err)
		}
		if c := strings.TrimLeft(rows[0][0], " \u00a0\ufeff\v\f"); c != "" && strings.ContainsAny(c[:1], "=+-@\t\r\n") || !utf8.ValidString(c) {
			t.Errorf("%q stays a formula: %q", s, rows[0][0])
		}
	})
}
