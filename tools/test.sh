#!/usr/bin/env bash
# Everything: sets up what the tests need, then runs all of them, on both databases
# and against real systems. Ends with go test's own lines.
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"
tools/setup.sh

log=$(mktemp)
trap 'rm -f "$log"' EXIT

all() {
  local packages
  packages=$(go list ./... | grep -v '/e2e\(/\|$\)')
  # shellcheck disable=SC2086
  go test -shuffle=on -count=1 -timeout 25m $packages 2>&1 | tee -a "$log"
}

# raced runs, under the race detector, the packages whose own code starts goroutines.
raced() {
  local dirs
  dirs=$(grep -rlE --include='*.go' --exclude='*_test.go' '\bgo func\(|errgroup\.|^\s*go [a-zA-Z_.]+\(' cmd connectors internal ledger sigma 2>/dev/null |
    grep -v '^internal/testkit/' | xargs -n1 dirname | sort -u | sed 's|^|./|')
  if [ -z "$dirs" ]; then printf 'no package starts a goroutine\n'; return; fi
  # shellcheck disable=SC2086
  CGO_ENABLED=1 go test -race -short -count=1 -timeout 25m $dirs
}

browser() { go test -count=1 -timeout 15m ./e2e/... 2>&1 | tee -a "$log"; }

step 'all tests' all
step 'race detector' raced
if [ -d e2e ]; then step 'browser tests' browser; fi
if [ -d bench ]; then step 'benchmarks run' bash tools/bench.sh --smoke; fi
step 'govulncheck' bash tools/vuln.sh

printf '\n== summary\n'
grep -E '^(ok|FAIL|---? FAIL|--- FAIL|panic:)' "$log" || { printf 'no test ran\n'; exit 1; }
finish
