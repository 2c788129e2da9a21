package mapping

import "prumo.dev/prumo/internal/fact"

// Kinds are those that a map can make: all but what Prumo says of itself.
func Kinds() []string {
	var out []string
	for _, k := range fact.Kinds() {
		if k.Name != "collector" {
			out = append(out, k.Name)
		}
	}
	return out
}
