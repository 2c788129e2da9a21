// Package ledger is an append-only Merkle log of digests, the ground on which
// evidence stands: whoever holds an old head can be shown that nothing before
// it was changed. It follows RFC 6962 through golang.org/x/mod/sumdb/tlog and
// imports nothing else of ours, so that an outsider can verify with it alone.
//
// A leaf is one decision of the server: the list of digests of everything that
// it wrote in one transaction (see Leaf). The log keeps no contents. Start at
// Append.
package ledger

import (
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// A Hash is a node of the tree.
type Hash = tlog.Hash

// Hashes reads stored hashes by their index. It returns as many as were asked
// for, in the same order, or an error.
type Hashes interface {
	ReadHashes(indexes []int64) ([]Hash, error)
}

// An Appended is what an append adds to the store.
type Appended struct {
	Seq    int64  // number of the leaf, from 0
	First  int64  // index of the first of Hashes in the store
	Hashes []Hash // to be stored at First, First+1, …
}

// Append gives the hashes to store for a new leaf behind a log of size leaves.
// It changes nothing itself: the caller stores the hashes and the new size
// together with the leaf.
func Append(size int64, leaf []byte, stored Hashes) (Appended, error) {
	hashes, err := tlog.StoredHashes(size, leaf, stored)
	if err != nil {
		return Appended{}, fmt.Errorf("append leaf %d: %w", size, err)
	}
	return Appended{Seq: size, First: tlog.StoredHashIndex(0, size), Hashes: hashes}, nil
}

// A Head names a state of the log: its size and the root of its tree.
type Head struct {
	Size int64
	Root Hash
}

// HeadOf computes the head of the log's first size leaves.
func HeadOf(size int64, stored Hashes) (Head, error) {
	root, err := tlog.TreeHash(size, stored)
	if err != nil {
		return Head{}, fmt.Errorf("root of %d leaves: %w", size, err)
	}
	return Head{Size: size, Root: root}, nil
}
