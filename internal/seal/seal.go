// Package seal encrypts settings that hold secrets, with a key that lies in a
// file of its own beside the database, readable by the account that runs Prumo
// and nobody else.
package seal

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// A Box seals and opens small texts. what binds a text to its place: a text
// sealed for one place does not open in another.
type Box struct{ a tink.AEAD }

// Open reads the key file, or makes it where it does not exist.
func Open(path string) (*Box, error) {
	b, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return create(path)
	case err != nil:
		return nil, fmt.Errorf("read key file %s: %w", path, err)
	}
	if st, err := os.Stat(path); err == nil && st.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("key file %s can be read by others; run chmod 600 on it", path)
	}
	h, err := insecurecleartextkeyset.Read(keyset.NewBinaryReader(bytes.NewReader(b)))
	if err != nil {
		return nil, fmt.Errorf("key file %s is not a key; restore it from your backup: %w", path, err)
	}
	return box(h)
}

func create(path string) (*Box, error) {
	h, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	var buf bytes.Buffer
	if err := insecurecleartextkeyset.Write(h, keyset.NewBinaryWriter(&buf)); err != nil {
		return nil, fmt.Errorf("write the key: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make the key's folder: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) { // somebody else made it meanwhile
		return Open(path)
	}
	if err != nil {
		return nil, fmt.Errorf("make key file: %w", err)
	}
	_, werr := f.Write(buf.Bytes())
	if err := errors.Join(werr, f.Sync(), f.Close()); err != nil {
		return nil, fmt.Errorf("write key file: %w", err)
	}
	return box(h)
}

func box(h *keyset.Handle) (*Box, error) {
	a, err := aead.New(h)
	if err != nil {
		return nil, fmt.Errorf("use the key: %w", err)
	}
	return &Box{a}, nil
}

// Seal encrypts.
func (b *Box) Seal(plain []byte, what string) ([]byte, error) {
	return b.a.Encrypt(plain, []byte(what))
}

// Open decrypts what Seal made for the same place.
func (b *Box) Open(sealed []byte, what string) ([]byte, error) {
	p, err := b.a.Decrypt(sealed, []byte(what))
	if err != nil {
		return nil, fmt.Errorf("open sealed %s: the key file does not fit the database", what)
	}
	return p, nil
}
