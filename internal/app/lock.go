package app

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// onlyServer takes the data folder for one running server: a second one on the
// same embedded database would read every source twice. Commands such as
// apply and token work beside it. The lock ends with the process, however it ends.
func (in *instance) onlyServer() (release func() error, err error) {
	if in.env.DatabaseURL != "" {
		return func() error { return nil }, nil // replicas share a PostgreSQL
	}
	f, err := os.OpenFile(filepath.Join(in.env.Data, "prumo.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("take the data folder: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		closed := f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("another prumo serves the data folder %s; stop it, or set PRUMO_DATA to another folder", in.env.Data)
		}
		return nil, errors.Join(fmt.Errorf("take the data folder: %w", err), closed)
	}
	return f.Close, nil
}
