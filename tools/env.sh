# Sourced by the other scripts: where things are, and settings that make a run the
# same on every machine.
set -euo pipefail
exec </dev/null
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
tools=${PRUMO_TOOLS:-${HOME:-/root}/.cache/prumo-tools}
export PRUMO_TOOLS=$tools
export GOFLAGS="${GOFLAGS:--buildvcs=false}" GOWORK=off
# Nobody's own git settings. Not /dev/null: a program that runs "git config --global"
# as root would replace the device by a file. This path can be neither read nor written.
export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/nonexistent/gitconfig LC_ALL=C.UTF-8

# program DIR NAME MODULE prints the path of a tool that setup.sh built.
program() {
  local v
  v=$(awk -v m="$3" '$1 == m && $2 ~ /^v/ { print $2; exit } $1 == "require" && $2 == m { print $3; exit }' "tools/$1/go.mod")
  printf '%s/%s-%s/%s\n' "$tools" "$2" "$v" "$2"
}

# step NAME COMMAND... runs one step, says how long it took, and goes on after a
# failure, which finish reports.
failed=()
step() {
  local name=$1 began=$SECONDS
  shift
  printf '\n== %s\n' "$name"
  if "$@"; then printf '== %s: done in %d s\n' "$name" $((SECONDS - began))
  else failed+=("$name"); printf '== %s: FAILED after %d s\n' "$name" $((SECONDS - began)); fi
}

# finish ends the script with 1 if a step failed, and names those that did.
finish() {
  if [ ${#failed[@]} -gt 0 ]; then
    printf '== failed:'; printf ' [%s]' "${failed[@]}"; printf '\n'
    exit 1
  fi
}
