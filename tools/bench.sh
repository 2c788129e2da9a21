#!/usr/bin/env bash
# Runs the benchmarks, a module of their own: Prumo's engine beside its peers, then
# the product as a whole. Ends with 1 if a limit is missed. With --smoke it only
# proves that both still build and run. PART names one: peers or whole; other
# arguments go to it.
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"
[ -f bench/go.mod ] || { printf 'bench: there is no bench module\n' >&2; exit 1; }
cd bench
# The module takes the versions of Prumo's own, whatever they are today, from a copy:
# its files in the repository need not follow each change of a dependency.
mod=$(mktemp -d)
trap 'rm -rf "$mod"' EXIT
cp go.mod "$mod/go.mod"
sort -u go.sum ../go.sum >"$mod/go.sum"
run() { go run -mod=mod -modfile="$mod/go.mod" "$@"; }
case "${1:-}" in
  --smoke)
    go vet -mod=mod -modfile="$mod/go.mod" ./...
    run . -n 2000 -rounds 1 -million=false -peers=false
    run ./whole -smoke
    ;;
  peers) shift; run . "$@" ;;
  whole) shift; run ./whole "$@" ;;
  *)
    step 'beside the peers' run . "$@"
    step 'as a whole' run ./whole
    finish
    ;;
esac
