package oneshot

import "hash/maphash"

// An idSet remembers which ids were given, by 80 bits of a seeded hash each:
// among a billion ids the chance that two different ones are taken for the
// same is below one in a million. Its first table serves 1.5 million ids, so
// that its size does not grow with a usual file.
type idSet struct {
	seeds [2]maphash.Seed
	n     int
	keys  []uint64
	more  []uint16
}

const firstIDs = 1 << 21

func newIDSet() *idSet {
	return &idSet{seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}, keys: make([]uint64, firstIDs), more: make([]uint16, firstIDs)}
}

// An idHash stands for an id.
type idHash struct {
	key  uint64
	more uint16
}

func (s *idSet) hash(id string) idHash {
	h := idHash{maphash.String(s.seeds[0], id), uint16(maphash.String(s.seeds[1], id))}
	if h.key == 0 {
		h.key = 1 // 0 marks an empty slot
	}
	return h
}

// add reports whether the id is new.
func (s *idSet) add(h idHash) bool {
	if s.n >= len(s.keys)/4*3 {
		s.grow()
	}
	mask := uint64(len(s.keys) - 1)
	for i := h.key & mask; ; i = (i + 1) & mask {
		switch {
		case s.keys[i] == 0:
			s.keys[i], s.more[i] = h.key, h.more
			s.n++
			return true
		case s.keys[i] == h.key && s.more[i] == h.more:
			return false
		}
	}
}

func (s *idSet) grow() {
	keys, more := s.keys, s.more
	s.keys, s.more, s.n = make([]uint64, 2*len(keys)), make([]uint16, 2*len(keys)), 0
	for i, k := range keys {
		if k != 0 {
			s.add(idHash{k, more[i]})
		}
	}
}
