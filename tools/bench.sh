#!/usr/bin/env bash
# Runs the benchmarks, a module of their own: Prumo's engine beside its peers, then
# the product as a whole. Ends with 1 if a limit is missed. With --smoke it only
# proves that both still build and run. PART names one: peers or whole; other
# arguments go to it.
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"
[ -f bench/go.mod ] || { printf 'bench: there is no bench module\n' >&2; exit 1; }
cd bench
case "${1:-}" in
  --smoke)
    go vet ./...
    go run . -n 2000 -rounds 1 -million=false -peers=false
    go run ./whole -smoke
    ;;
  peers) shift; exec go run . "$@" ;;
  whole) shift; exec go run ./whole "$@" ;;
  *)
    step 'beside the peers' go run . "$@"
    step 'as a whole' go run ./whole
    finish
    ;;
esac
