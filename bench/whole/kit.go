package main

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"testing"
)

// A kit starts real systems through testkit, which is made for tests: it is the
// part of a test that testkit uses.
type kit struct {
	testing.TB // the methods that nobody calls here

	cleanups []func()
	errs     []error
}

// givenUp carries a failure out of testkit.
type givenUp struct{ error }

func newKit() *kit { return &kit{} }

// do runs f, then ends what was started in it.
func (k *kit) do(f func() error) (err error) {
	defer func() {
		for i := len(k.cleanups) - 1; i >= 0; i-- {
			k.cleanups[i]()
		}
		err = errors.Join(append([]error{err}, k.errs...)...)
	}()
	defer func() {
		switch v := recover().(type) {
		case nil:
		case givenUp:
			err = v.error
		default:
			err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	return f()
}

func (k *kit) Helper()                  {}
func (k *kit) Name() string             { return "bench" }
func (k *kit) Cleanup(f func())         { k.cleanups = append(k.cleanups, f) }
func (k *kit) Context() context.Context { return context.Background() }
func (k *kit) Failed() bool             { return len(k.errs) > 0 }
func (k *kit) Log(...any)               {}
func (k *kit) Logf(string, ...any)      {}
func (k *kit) Error(args ...any)        { k.errs = append(k.errs, errors.New(fmt.Sprint(args...))) }
func (k *kit) Errorf(format string, args ...any) {
	k.errs = append(k.errs, fmt.Errorf(format, args...))
}
func (k *kit) Fatal(args ...any)                 { panic(givenUp{errors.New(fmt.Sprint(args...))}) }
func (k *kit) Fatalf(format string, args ...any) { panic(givenUp{fmt.Errorf(format, args...)}) }

// Skip is a failure here: what is not measured does not hold.
func (k *kit) Skip(args ...any) { k.Fatal(args...) }
