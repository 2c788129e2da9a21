#!/usr/bin/env bash
# Runs govulncheck over the packages. Three answers, never mixed up: nothing known,
# found (exit 1), or could not check (exit 0 and said so), which is not "clean".
# PRUMO_VULNDB names another database, such as file:///path.
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"
db=()
if [ -n "${PRUMO_VULNDB:-}" ]; then db=(-db "$PRUMO_VULNDB"); fi
status=0
out=$(timeout 300 "$(program lint govulncheck golang.org/x/vuln)" "${db[@]}" "${@:-./...}" 2>&1) || status=$?
case $status in
  0) printf '%s\n' "$out" ;;
  3) printf '%s\n' "$out"; exit 1 ;;
  *)
    if [ "$status" = 124 ] || grep -qE '^(govulncheck: )?(fetching vulnerabilities: |creating client: unrecognized vulndb format)' <<<"$out"; then
      printf 'govulncheck: could not check: the vulnerability database cannot be reached\n'
      printf '%s\n' "$out" | tail -3
    else
      printf '%s\n' "$out"; exit 1
    fi ;;
esac
