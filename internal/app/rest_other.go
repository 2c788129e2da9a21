//go:build !linux

package app

// releaseProgram does nothing where the kernel is another.
func releaseProgram() error { return nil }
