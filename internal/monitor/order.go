package monitor

import (
	"cmp"
	"maps"
	"slices"
)

func sortedCauses(m map[CauseKey]*CauseRow) []CauseKey {
	keys := slices.Collect(maps.Keys(m))
	slices.SortFunc(keys, func(a, b CauseKey) int {
		return cmp.Or(cmp.Compare(a.Run, b.Run), cmp.Compare(a.Kind, b.Kind), cmp.Compare(btoi(a.First), btoi(b.First)),
			cmp.Compare(a.Check, b.Check), cmp.Compare(a.Source, b.Source), cmp.Compare(a.Owner, b.Owner))
	})
	return keys
}

func sortedIDs[V any](m map[int64]V) []int64 { return slices.Sorted(maps.Keys(m)) }

func sortedOverlays(m map[OverlayKey]int64) []OverlayKey {
	keys := slices.Collect(maps.Keys(m))
	slices.SortFunc(keys, func(a, b OverlayKey) int {
		return cmp.Or(cmp.Compare(a.Scope, b.Scope), cmp.Compare(a.Fact, b.Fact), cmp.Compare(a.Fresh, b.Fresh))
	})
	return keys
}
