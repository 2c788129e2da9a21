package main

import (
	"encoding/json"
	"errors"
	"io"
)

// fromJSONL reads the verdicts that Prumo wrote.
func fromJSONL(r io.Reader) ([]string, error) {
	var out []string
	for d := json.NewDecoder(r); ; {
		var v struct{ Check, Fact, Reason string }
		err := d.Decode(&v)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		out = append(out, v.Check+"\t"+v.Fact+"\t"+v.Reason)
	}
}
