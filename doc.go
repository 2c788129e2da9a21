// Package prumo is the root of the module and holds no code: only the tests that
// keep the shape of the whole (arch_test.go) and the truth of its documents
// (docs_test.go). The program is cmd/prumo; start reading at internal/monitor.
package prumo
