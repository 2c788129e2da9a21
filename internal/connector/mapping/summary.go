package mapping

// An Outline is a map by its name, with the number of its examples.
type Outline struct {
	Scope    string
	Examples int
}

// Summary outlines a declaration that Parse took before. It is empty for a
// document that is none.
func Summary(declaration string) []Outline {
	nodes, err := listOf(declaration)
	if err != nil {
		return nil
	}
	var out []Outline
	for i := range nodes {
		var m struct {
			Scope    string           `yaml:"scope"`
			Examples []map[string]any `yaml:"examples"`
		}
		if nodes[i].Decode(&m) == nil {
			out = append(out, Outline{m.Scope, len(m.Examples)})
		}
	}
	return out
}
