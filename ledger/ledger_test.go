package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

type memory []Hash

func (m memory) ReadHashes(indexes []int64) ([]Hash, error) {
	out := make([]Hash, len(indexes))
	for i, x := range indexes {
		if x >= int64(len(m)) {
			return nil, fmt.Errorf("no hash %d", x)
		}
		out[i] = m[x]
	}
	return out, nil
}

func TestAppendedLeavesAreProvable(t *testing.T) {
	var m memory
	var heads []Head
	for n := range int64(70) {
		a, err := Append(n, []byte{byte(n)}, m)
		if err != nil {
			t.Fatal(err)
		}
		if a.Seq != n || a.First != int64(len(m)) {
			t.Fatalf("leaf %d: got seq %d first %d, want %d and %d", n, a.Seq, a.First, n, len(m))
		}
		m = append(m, a.Hashes...)
		h, err := HeadOf(n+1, m)
		if err != nil {
			t.Fatal(err)
		}
		heads = append(heads, h)
	}
	last := heads[len(heads)-1]
	for n := range last.Size {
		p, err := tlog.ProveRecord(last.Size, n, tlog.HashReaderFunc(m.ReadHashes))
		if err != nil {
			t.Fatal(err)
		}
		if err := tlog.CheckRecord(p, last.Size, last.Root, n, tlog.RecordHash([]byte{byte(n)})); err != nil {
			t.Fatalf("leaf %d: %v", n, err)
		}
		tp, err := tlog.ProveTree(last.Size, n+1, tlog.HashReaderFunc(m.ReadHashes))
		if err != nil {
			t.Fatal(err)
		}
		if err := tlog.CheckTree(tp, last.Size, last.Root, n+1, heads[n].Root); err != nil {
			t.Fatalf("head %d: %v", n+1, err)
		}
	}
	if _, err := Append(71, []byte("x"), memory{}); err == nil {
		t.Fatal("appending behind hashes that are missing went well")
	}
}

func TestSealedEntryOpensWithItsOwnNonceOnly(t *testing.T) {
	nonce := bytes.Repeat([]byte{7}, NonceSize)
	e := Seal(nonce, 3, Transition, []byte("content"))
	if !e.Opens(Blind(nonce, 3), []byte("content")) {
		t.Fatal("the entry does not open")
	}
	if e.Opens(Blind(nonce, 4), []byte("content")) || e.Opens(Blind(nonce, 3), []byte("contents")) {
		t.Fatal("the entry opens with another nonce or content")
	}
}

func TestLeafRoundTrip(t *testing.T) {
	l := Leaf{At: time.UnixMicro(1800000000000001).UTC(), Entries: []Entry{Seal([]byte("n"), 0, Observation, nil), Seal([]byte("n"), 1, Absence, nil)}}
	got, err := ParseLeaf(l.Bytes())
	if err != nil || !got.At.Equal(l.At) || len(got.Entries) != 2 || got.Entries[1] != l.Entries[1] {
		t.Fatalf("got %+v, %v, want %+v", got, err, l)
	}
	if _, err := ParseLeaf(append(l.Bytes(), 0)); !errors.Is(err, ErrLeaf) {
		t.Fatalf("a longer leaf: got %v, want ErrLeaf", err)
	}
}

func FuzzParseLeaf(f *testing.F) {
	f.Add(Leaf{At: time.UnixMicro(1).UTC(), Entries: []Entry{{Sort: Reading}}}.Bytes())
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := ParseLeaf(b)
		if err == nil && !bytes.Equal(l.Bytes(), b) {
			t.Fatalf("%x is not what it was read from", l.Bytes())
		}
	})
}
