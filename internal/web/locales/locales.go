// Package locales holds the texts of the pages, one file a language. A key is
// named after where it stands; a test keeps the files equal and every key used.
package locales

import (
	"embed"
	"io/fs"
)

//go:embed *.toml
var files embed.FS

// Files returns the texts: en.toml, pt-BR.toml and es.toml.
func Files() fs.FS { return files }
