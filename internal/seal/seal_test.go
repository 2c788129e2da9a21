package seal_test

import (
	"os"
	"path/filepath"
	"testing"

	"prumo.dev/prumo/internal/seal"
)

func TestSealedOpensInItsPlaceOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	b, err := seal.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	s, err := b.Seal([]byte("hush"), "source a")
	if err != nil {
		t.Fatal(err)
	}
	again, err := seal.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if p, err := again.Open(s, "source a"); err != nil || string(p) != "hush" {
		t.Errorf("Open after a restart = %q, %v; want hush", p, err)
	}
	if _, err := again.Open(s, "source b"); err == nil {
		t.Error("a text sealed for one source opened for another")
	}
}

func TestKeyFileOfOthersIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if _, err := seal.Open(path); err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v; want 0600", st.Mode(), err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := seal.Open(path); err == nil {
		t.Error("a key file that everybody can read was used")
	}
}
