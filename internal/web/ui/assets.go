package ui

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"strings"
)

//go:embed assets
var embedded embed.FS

// Assets are the files that pages load: the style sheet, the fonts, the icon
// and the scripts. Their address holds a digest of all of them, so that a
// browser may keep them for ever.
type Assets struct {
	base string // such as /assets/0123456789abcdef
	fs   fs.FS
}

// NewAssets reads the files that were built into the program.
func NewAssets() (*Assets, error) {
	sub, err := fs.Sub(embedded, "assets")
	if err != nil {
		return nil, err
	}
	h := sha256.New()
	err = fs.WalkDir(sub, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := fs.ReadFile(sub, path)
		if err != nil {
			return err
		}
		h.Write([]byte(path))
		h.Write(b)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &Assets{base: "/assets/" + hex.EncodeToString(h.Sum(nil)[:8]), fs: sub}, nil
}

// URL returns the address of a file.
func (a *Assets) URL(name string) string { return a.base + "/" + name }

// ServeHTTP answers requests below /assets/. A file under an old digest is
// served as well, without being kept.
func (a *Assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, current := strings.CutPrefix(r.URL.Path, a.base+"/")
	if !current {
		parts := strings.SplitN(r.URL.Path, "/", 4)
		if len(parts) < 4 {
			http.NotFound(w, r)
			return
		}
		name = parts[3]
	}
	if info, err := fs.Stat(a.fs, name); err != nil || info.IsDir() {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	if current {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	} else {
		h.Set("Cache-Control", "no-cache")
	}
	if strings.HasSuffix(name, ".woff2") {
		h.Set("Content-Type", "font/woff2")
	}
	http.ServeFileFS(w, r, a.fs, name)
}
