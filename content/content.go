// Package content holds the texts and tables that ship with the program as
// data: frameworks with their mappings, the common controls, the words they
// use, legal clocks, sample sizes and facts about disclosure. It holds no
// logic and knows no other package; whoever needs a table reads it from Files.
// Start at frameworks/ to add a framework: one file, nothing else.
package content

import (
	"embed"
	"io/fs"
)

//go:embed *.yaml frameworks/*.yaml vdp/*.yaml
var files embed.FS

// Files returns the content as it was when the program was built:
// frameworks/<id>.yaml, controls.yaml, terms.yaml, clocks.yaml, sampling.yaml
// and vdp/.
func Files() fs.FS { return files }
