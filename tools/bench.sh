#!/usr/bin/env bash
# Runs the benchmarks, a module of their own. With --smoke it only proves that they
# still build and run. Other arguments go to the program in bench/.
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"
[ -f bench/go.mod ] || { printf 'bench: there is no bench module\n' >&2; exit 1; }
cd bench
if [ "${1:-}" = --smoke ]; then
  go vet . && go test -short -count=1 . && go run . -n 2000 -rounds 1 -million=false -peers=false
else
  exec go run . "$@"
fi
