package oneshot

import (
	"net/url"
	"path/filepath"
	"strings"
)

func trimSpace(s string) string { return strings.TrimSpace(strings.ToValidUTF8(s, "\ufffd")) }

// fileURI is a file's name as a URI reference.
func fileURI(name string) string {
	u := url.URL{Path: filepath.ToSlash(name)}
	return u.String()
}
