// Package checks holds the checks that ship with Prumo: one YAML file each,
// in the same format as a customer's own. It holds data only; internal/check
// reads them.
package checks

import (
	"embed"
	"io/fs"
)

//go:embed *.yaml
var files embed.FS

// Files returns the folder of check files.
func Files() fs.FS { return files }
