package ledger

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// A Sort says what a digest in a leaf is of.
type Sort byte

// The sorts of entries. Their letters are in the log; they never change.
const (
	Observation Sort = 'o' // a fact as a source said it
	Absence     Sort = 'g' // a fact that a complete reading did not see
	Transition  Sort = 't' // a verdict that was opened, changed or ended
	Reading     Sort = 'r' // a scope's receipt
	Finding     Sort = 'f' // a finding that was opened or closed
	Exception   Sort = 'e' // an exception that was requested, approved, revoked or ended
	Overlay     Sort = 's' // staleness that began or ended
	Setting     Sort = 'c' // a check, parameter or owner that was changed
)

// NonceSize is the length of a leaf's nonce.
const NonceSize = 32

// An Entry is one digest in a leaf.
type Entry struct {
	Sort   Sort
	Digest [sha256.Size]byte
}

// A Leaf is what one transaction wrote, as digests, in the order of writing.
type Leaf struct {
	At      time.Time // the server's clock, to the microsecond
	Entries []Entry
}

// Seal makes the entry of a content that stands at index i of its leaf. The
// nonce is random, of the leaf, and kept beside it in the server: without it
// nobody can guess a content from its digest, and showing one content shows no
// other.
func Seal(nonce []byte, i int, s Sort, content []byte) Entry {
	return Entry{Sort: s, Digest: digest(Blind(nonce, i), content)}
}

// Blind derives the nonce of the entry at index i from its leaf's nonce.
func Blind(nonce []byte, i int) []byte {
	m := hmac.New(sha256.New, nonce)
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(i)) //nolint:gosec // an index is never negative
	m.Write(b[:])
	return m.Sum(nil)
}

// Opens reports whether the entry is of the content under its derived nonce.
func (e Entry) Opens(blind, content []byte) bool { return e.Digest == digest(blind, content) }

func digest(blind, content []byte) [sha256.Size]byte {
	h := sha256.New()
	h.Write(blind)
	h.Write(content)
	return [sha256.Size]byte(h.Sum(nil))
}

const magic = "prumo leaf 1\n"

const entrySize = 1 + sha256.Size

// Bytes is the leaf as it is logged: a magic line, the time as eight bytes of
// microseconds, the number of entries as four, then of each entry its sort and
// its digest. Numbers are big-endian.
func (l Leaf) Bytes() []byte {
	b := make([]byte, 0, len(magic)+12+len(l.Entries)*entrySize)
	b = append(b, magic...)
	b = binary.BigEndian.AppendUint64(b, uint64(l.At.UnixMicro())) //nolint:gosec // two's complement on purpose
	b = binary.BigEndian.AppendUint32(b, uint32(len(l.Entries)))   //nolint:gosec // bounded by a transaction
	for _, e := range l.Entries {
		b = append(b, byte(e.Sort))
		b = append(b, e.Digest[:]...)
	}
	return b
}

// ErrLeaf is wrapped by errors about bytes that are not a leaf.
var ErrLeaf = errors.New("not a leaf")

// ParseLeaf reads what Bytes wrote; anything else is refused.
func ParseLeaf(b []byte) (Leaf, error) {
	if len(b) < len(magic)+12 || string(b[:len(magic)]) != magic {
		return Leaf{}, fmt.Errorf("%w: it does not begin with %q", ErrLeaf, magic)
	}
	b = b[len(magic):]
	at, n := int64(binary.BigEndian.Uint64(b)), int(binary.BigEndian.Uint32(b[8:])) //nolint:gosec // two's complement on purpose
	b = b[12:]
	if len(b) != n*entrySize {
		return Leaf{}, fmt.Errorf("%w: %d bytes do not hold %d entries", ErrLeaf, len(b), n)
	}
	l := Leaf{At: time.UnixMicro(at).UTC()}
	for i := range n {
		e := b[i*entrySize:]
		l.Entries = append(l.Entries, Entry{Sort: Sort(e[0]), Digest: [sha256.Size]byte(e[1:entrySize])})
	}
	return l, nil
}
