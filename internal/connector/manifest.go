package connector

import (
	"slices"
	"strings"
)

// A Manifest is the least that a credential must be granted, in the system's
// own language, ready to be handed to whoever administers it.
type Manifest struct {
	File string // name under which to keep it, such as prumo-reader.sql
	Text string
	How  Text // what to do with it, in one sentence
}

// A Manifester writes its own manifest. Who does not gets the list of its
// permissions.
type Manifester interface {
	// Manifest returns what a credential needs to read the kinds, and nothing
	// beyond. Kinds that the connector does not emit are left out.
	Manifest(kinds []string) Manifest
}

// ManifestOf returns the least-privilege manifest of a connector for the kinds
// that are judged. A connector that needs no permission has an empty text.
func ManifestOf(c Connector, kinds []string) Manifest {
	info := c.Info()
	judged := slices.DeleteFunc(slices.Clone(info.Kinds), func(k string) bool { return !slices.Contains(kinds, k) })
	if m, ok := c.(Manifester); ok && len(judged) > 0 {
		return m.Manifest(judged)
	}
	needed := info.Needed(judged)
	if len(needed) == 0 {
		return Manifest{}
	}
	var b strings.Builder
	for _, p := range needed {
		b.WriteString(p.Name + "\n")
	}
	return Manifest{
		File: info.ID + "-permissions.txt", Text: b.String(),
		How: Text{
			"en":    "Give the credential of " + info.Title + " these permissions and no other.",
			"pt-BR": "Dê à credencial de " + info.Title + " estas permissões e nenhuma outra.",
			"es":    "Dé a la credencial de " + info.Title + " estos permisos y ningún otro.",
		},
	}
}

// Needed returns the permissions without which one of the kinds is unknown. A
// permission that names no kind is always needed.
func (i Info) Needed(kinds []string) []Permission {
	var out []Permission
	for _, p := range i.Permissions {
		if len(p.Kinds) == 0 || slices.ContainsFunc(p.Kinds, func(k string) bool { return slices.Contains(kinds, k) }) {
			out = append(out, p)
		}
	}
	return out
}
