#!/usr/bin/env bash
# Installs what the tests need: Debian packages, real servers built from source,
# linters and browser packages. Each is kept by version in a folder outside the
# repository and built once; running this again is quick.
#
#   tools/setup.sh            everything
#   tools/setup.sh NAME...    only these: apt gitea kratos kube-apiserver mailpit
#                             toxiproxy gitleaks lint templ npm
#
# PRUMO_TOOLS names the folder (default: $HOME/.cache/prumo-tools).
set -euo pipefail
exec </dev/null

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tools=${PRUMO_TOOLS:-${HOME:-/root}/.cache/prumo-tools}
mkdir -p "$tools"
export GOFLAGS="${GOFLAGS:-} -p=2" GOWORK=off
started=$SECONDS

say() { printf 'setup: %s\n' "$*"; }
die() { printf 'setup: %s\n' "$*" >&2; exit 1; }

# version TOOL MODULE prints the version that tools/TOOL/go.mod requires.
version() {
  awk -v m="$2" '$1 == m && $2 ~ /^v/ { print $2; exit } $1 == "require" && $2 == m { print $3; exit }' "$here/$1/go.mod"
}

# gotool NAME MODULE PACKAGE [BUILD FLAGS...] builds one program of tools/NAME.
# The stamp is written last, so a build that was cut short is done again.
gotool() {
  local dir=$1 module=$2 package=$3 name version to
  shift 3
  name=${NAME:-$dir}
  version=$(version "$dir" "$module")
  [ -n "$version" ] || die "tools/$dir/go.mod does not require $module"
  to="$tools/$name-$version"
  if [ -e "$to/.ok" ]; then return; fi
  say "building $name $version"
  mkdir -p "$to"
  (cd "$here/$dir" && nice go build -mod=readonly -trimpath "$@" -o "$to/$name.new" "$package")
  mv "$to/$name.new" "$to/$name"
  if [ "$name" = gitea ]; then gitea_static "$to"; fi
  touch "$to/.ok"
}

# gitea_static copies what Gitea reads beside its binary.
gitea_static() {
  local from
  from=$(cd "$here/gitea" && go list -m -f '{{.Dir}}' code.gitea.io/gitea)
  rm -rf "$1/static"
  mkdir -p "$1/static"
  cp -r "$from/templates" "$from/options" "$from/public" "$1/static/"
  chmod -R u+w "$1/static"
}

have() { command -v "$1" >/dev/null 2>&1; }

# apt installs the Debian packages that are missing and starts no service.
apt() {
  local want=() root=()
  compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || want+=(postgresql)
  have chromium || want+=(chromium)
  [ -d /usr/share/fonts/truetype/liberation ] || [ -d /usr/share/fonts/truetype/liberation2 ] || want+=(fonts-liberation)
  have git || want+=(git)
  have gcc || want+=(gcc libc6-dev)
  have node || want+=(nodejs)
  have npm || want+=(npm)
  have nice || want+=(coreutils)
  have slapd || [ -x /usr/sbin/slapd ] || want+=(slapd)
  have ldapadd || want+=(ldap-utils)
  have etcd || want+=(etcd-server)
  if [ ${#want[@]} -eq 0 ]; then return; fi
  have apt-get || die "missing: ${want[*]}; install them with this system's package manager"
  if [ "$(id -u)" -ne 0 ]; then
    have sudo || die "missing: ${want[*]}; run as root, or install sudo"
    root=(sudo -n --preserve-env=DEBIAN_FRONTEND,RUNLEVEL)
  fi
  say "installing ${want[*]}"
  export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
  "${root[@]}" apt-get -o DPkg::Lock::Timeout=600 -qq update
  "${root[@]}" apt-get -o DPkg::Lock::Timeout=600 -qq -y --no-install-recommends install "${want[@]}" >"$tools/apt.log" 2>&1 ||
    { tail -20 "$tools/apt.log" >&2; die "apt-get install ${want[*]}"; }
}

# npm_packages installs tools/npm, named by its lock file.
npm_packages() {
  local sum to
  sum=$(sha256sum "$here/npm/package-lock.json" | cut -c1-12)
  to="$tools/npm-$sum"
  if [ -e "$to/.ok" ]; then return; fi
  say "installing npm packages"
  mkdir -p "$to"
  cp "$here/npm/package.json" "$here/npm/package-lock.json" "$here/npm/.npmrc" "$to/"
  # Not "npm ci": it wants every optional package of every platform in the lock,
  # even those that a registry does not carry. Versions and digests still come
  # from the lock; that npm left it as it was is checked.
  (cd "$to" && nice npm install --no-audit --no-fund --no-update-notifier --ignore-scripts --loglevel=error)
  cmp -s "$here/npm/package-lock.json" "$to/package-lock.json" || die "npm changed package-lock.json; see $to"
  touch "$to/.ok"
}

one() {
  case $1 in
    apt) apt ;;
    gitea) gotool gitea code.gitea.io/gitea code.gitea.io/gitea -tags 'sqlite sqlite_unlock_notify' ;;
    kratos) gotool kratos github.com/ory/kratos github.com/ory/kratos -tags sqlite ;;
    kube-apiserver) # it is told its version, or it would say v0.0.0
      local v
      v=$(version kube-apiserver k8s.io/kubernetes)
      CGO_ENABLED=0 gotool kube-apiserver k8s.io/kubernetes k8s.io/kubernetes/cmd/kube-apiserver \
        -ldflags "-X k8s.io/component-base/version.gitVersion=$v" ;;
    mailpit) CGO_ENABLED=0 gotool mailpit github.com/axllent/mailpit github.com/axllent/mailpit ;;
    toxiproxy) CGO_ENABLED=0 gotool toxiproxy github.com/Shopify/toxiproxy/v2 github.com/Shopify/toxiproxy/v2/cmd/server ;;
    gitleaks) CGO_ENABLED=0 gotool gitleaks github.com/zricethezav/gitleaks/v8 github.com/zricethezav/gitleaks/v8 ;;
    templ) CGO_ENABLED=0 gotool templ github.com/a-h/templ github.com/a-h/templ/cmd/templ ;;
    lint)
      export CGO_ENABLED=0
      NAME=golangci-lint gotool lint github.com/golangci/golangci-lint/v2 github.com/golangci/golangci-lint/v2/cmd/golangci-lint
      NAME=gofumpt gotool lint mvdan.cc/gofumpt mvdan.cc/gofumpt
      NAME=govulncheck gotool lint golang.org/x/vuln golang.org/x/vuln/cmd/govulncheck
      unset CGO_ENABLED ;;
    npm) npm_packages ;;
    *) die "unknown part $1; one of: apt gitea kratos kube-apiserver mailpit toxiproxy gitleaks lint templ npm" ;;
  esac
}

have go || die "go is not installed"
exec 9>"$tools/.lock"
if have flock; then flock 9; fi
if [ $# -eq 0 ]; then set -- apt mailpit toxiproxy gitleaks templ npm lint kratos kube-apiserver gitea; fi
for part in "$@"; do one "$part"; done
say "ready in $tools ($((SECONDS - started)) s)"
