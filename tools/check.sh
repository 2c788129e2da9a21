#!/usr/bin/env bash
# What must pass before a push, in under five minutes and on the embedded database.
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"
tools/setup.sh templ npm lint

formatted() {
  local bad
  bad=$("$(program lint gofumpt mvdan.cc/gofumpt)" -l .)
  [ -z "$bad" ] || { printf 'not formatted by gofumpt:\n%s\n' "$bad"; return 1; }
}

# digest prints the sums of everything that generate.sh writes.
digest() { find internal/web -name '*_templ.go' -o -path '*/ui/assets/*' -type f | sort | xargs sha256sum; }

fresh() {
  local before after
  before=$(digest)
  bash tools/generate.sh >/dev/null || return 1
  after=$(digest)
  if [ "$before" != "$after" ]; then
    diff <(printf '%s\n' "$before") <(printf '%s\n' "$after") || true
    printf 'generated files were not fresh; they are now: commit them\n'
    return 1
  fi
}

step 'gofumpt' formatted
step 'go mod tidy' go mod tidy -diff
step 'generated files' fresh
step 'go vet' go vet ./...
step 'golangci-lint' "$(program lint golangci-lint github.com/golangci/golangci-lint/v2)" run ./...
step 'go test -short' go test -short -shuffle=on ./...
finish
