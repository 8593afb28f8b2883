#!/usr/bin/env bash
# hack/tools.sh installs what the tests need and the repository does not hold.
#
#   hack/tools.sh [--for unit|e2e|bench|clouds|all] [--list]
#
# "all" is unit, e2e and bench; clouds is for make e2e-full alone, and takes minutes.
#
# Debian packages come from apt-get when the script runs as root; otherwise it says
# which ones to install and goes on. Go programs are built at exact versions into
# .tools/bin of the repository. A second run does nothing and takes no time.
#
# Needed beforehand: Debian 12 and Go. Several runs at once wait for each other.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
tools=$root/.tools
bin=$tools/bin
stamps=$tools/stamps

# The programs built from source. A row is
#
#   name | directory of a main package of ours, or "-" | package@version
#
# A main package of ours is someone else's program with fewer parts linked in; its
# go.mod pins the version, and its package comment says what is left out and why.
go_tools_e2e() {
	cat <<-'ROWS'
		registry-3.1.2 | e2e/registries/v31 | github.com/distribution/distribution/v3@v3.1.2
		registry-3.0.0 | e2e/registries/v30 | github.com/distribution/distribution/v3@v3.0.0
		conformance    | -                  | github.com/opencontainers/distribution-spec/conformance@v0.0.0-20260831232431-97274622c111
		crane          | -                  | github.com/google/go-containerregistry/cmd/crane@v0.22.1
		regctl         | -                  | github.com/regclient/regclient/cmd/regctl@v0.11.7
		oras           | -                  | oras.land/oras/cmd/oras@v1.3.6
		helm           | -                  | helm.sh/helm/v3/cmd/helm@v3.22.0
		cosign         | e2e/clients/cosign | github.com/sigstore/cosign/v3@v3.1.3
		pebble         | -                  | github.com/letsencrypt/pebble/v2/cmd/pebble@v2.10.1
		pebble-challtestsrv | -             | github.com/letsencrypt/pebble/v2/cmd/pebble-challtestsrv@v2.10.1
		versitygw      | -                  | github.com/versity/versitygw/cmd/versitygw@v1.8.0
	ROWS
}

# The Debian packages. A row is
#
#   package | the command that it brings
#
# docker.io brings the engine (dockerd); a docker command from elsewhere may stay.
debian_packages_e2e() {
	cat <<-'ROWS'
		docker.io       | dockerd
		containerd      | containerd
		runc            | runc
		docker-registry | docker-registry
		nginx-light     | nginx
		skopeo          | skopeo
		podman          | podman
		buildah         | buildah
		chromium        | chromium
		slapd           | slapd
		ldap-utils      | ldapmodify
		postgresql      | initdb
		systemd         | systemd-analyze
	ROWS
}

# The unit tests run real database and directory servers, which Go does not bring.
go_tools_unit() { :; }
debian_packages_unit() {
	cat <<-'ROWS'
		mariadb-server | mariadbd
		postgresql     | initdb
		slapd          | slapd
		curl           | curl
		python3        | python3
	ROWS
}

# The emulators of Azure and Google Cloud, for make e2e-full: they take minutes to install (Azurite is 366 MB of npm
# packages, fake-gcs-server pulls in all that speaks to Google).
go_tools_clouds() {
	cat <<-'ROWS'
		fake-gcs-server | - | github.com/fsouza/fake-gcs-server@v1.56.1
	ROWS
}
debian_packages_clouds() {
	cat <<-'ROWS'
		npm | npm
	ROWS
}

# The benchmarks compare with what people have today.
go_tools_bench() { :; }
debian_packages_bench() {
	cat <<-'ROWS'
		docker-registry | docker-registry
		nginx-light     | nginx
	ROWS
}

say() { printf 'tools: %s\n' "$*"; }
warn() { printf 'tools: %s\n' "$*" >&2; }
fail() {
	warn "$*"
	exit 1
}

usage() {
	sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"
}

trim() {
	local s=$1
	s=${s#"${s%%[![:space:]]*}"}
	printf '%s' "${s%"${s##*[![:space:]]}"}"
}

# install_debian makes sure that the packages named on stdin are there.
install_debian() {
	local package command missing=()
	while IFS='|' read -r package command; do
		package=$(trim "$package") command=$(trim "$command")
		[ -n "$package" ] || continue
		has_package "$package" "$command" || missing+=("$package")
	done
	if [ ${#missing[@]} -eq 0 ]; then
		return 0
	fi
	if ! command -v apt-get >/dev/null 2>&1; then
		not_installed "this is not Debian, please install what brings these: ${missing[*]}"
	elif [ "$(id -u)" -ne 0 ]; then
		not_installed "not root, please run: sudo apt-get install -y --no-install-recommends ${missing[*]}"
	else
		apt_install "${missing[@]}"
	fi
}

# has_package PACKAGE COMMAND: the command counts, wherever it came from; the folders
# that hold servers are not on everybody's PATH.
has_package() {
	PATH=$PATH:/usr/sbin:/sbin:$(printf '%s:' /usr/lib/postgresql/*/bin) command -v "$2" >/dev/null 2>&1
}

# not_installed MESSAGE: a laptop goes on without, a machine that requires all does not.
not_installed() {
	if [ -n "${SEALOCK_REQUIRE:-}" ]; then
		fail "$1"
	fi
	warn "$1"
	warn "going on without them; the tests that need them are skipped"
}

apt_install() {
	local log=$tools/apt.log
	say "installing Debian packages: $*"
	services_of "$@"
	hold_services
	if ! apt_get install "$@" >"$log" 2>&1; then
		say "package lists are missing or old, updating them once"
		if ! apt_get_update >>"$log" 2>&1 || ! apt_get install "$@" >>"$log" 2>&1; then
			tail -n 20 "$log" >&2
			fail "apt-get could not install: $* (whole log in $log)"
		fi
	fi
	release_services
	say "installed Debian packages"
}

# services_of notes which of the packages bring a service that a test never needs running.
services_of() {
	local package
	new_services=()
	for package in "$@"; do
		case $package in
		docker-registry | postgresql | slapd) new_services+=("$package.service") ;;
		mariadb-server) new_services+=(mariadb.service) ;;
		nginx-light) new_services+=(nginx.service) ;;
		esac
	done
}

apt_get() {
	DEBIAN_FRONTEND=noninteractive apt-get -y -q -o DPkg::Lock::Timeout=300 --no-install-recommends "$@"
}

apt_get_update() {
	apt-get -q -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 update
}

# hold_services keeps packages from starting what they bring: docker-registry would
# take port 5000, docker.io would start an engine. What runs already is left alone.
hold_services() {
	policy=/usr/sbin/policy-rc.d
	policy_is_ours=
	if [ -e "$policy" ]; then
		return 0
	fi
	printf '#!/bin/sh\n# Put here by hack/tools.sh while it installs packages; it takes it away again.\nexit 101\n' >"$policy"
	chmod 755 "$policy"
	policy_is_ours=yes
	trap release_services EXIT
}

# release_services lets services start again, but not the servers that were installed
# for the tests: the registry would take port 5000 at the next boot.
release_services() {
	if [ -z "${policy_is_ours:-}" ]; then
		return 0
	fi
	rm -f "$policy"
	policy_is_ours=
	if [ -d /run/systemd/system ] && [ ${#new_services[@]} -gt 0 ]; then
		systemctl disable "${new_services[@]}" >/dev/null 2>&1 || true
	fi
}

# build_go builds the programs named on stdin and goes on after a failure, so that one
# run names all that fail.
build_go() {
	local name dir package failed=()
	while IFS='|' read -r name dir package; do
		name=$(trim "$name") dir=$(trim "$dir") package=$(trim "$package")
		[ -n "$name" ] || continue
		build_one "$name" "$dir" "$package" || failed+=("$name")
	done
	if [ ${#failed[@]} -gt 0 ]; then
		fail "could not build: ${failed[*]}"
	fi
}

build_one() {
	local name=$1 dir=$2 package=$3 stamp began log
	stamp=$(stamp_of "$dir" "$package")
	if [ -x "$bin/$name" ] && [ "$(cat "$stamps/$name" 2>/dev/null)" = "$stamp" ]; then
		return 0
	fi
	say "building $name ($package)"
	began=$SECONDS
	log=$tools/$name.log
	rm -f "$stamps/$name"
	if ! go_build "$name" "$dir" "$package" >"$log" 2>&1; then
		warn "building $name failed:"
		tail -n 20 "$log" >&2
		return 1
	fi
	printf '%s\n' "$stamp" >"$stamps/$name"
	rm -f "$log"
	say "built $name in $((SECONDS - began)) s"
}

# install_azurite VERSION brings Azure's emulator, which is JavaScript.
install_azurite() {
	local stamp="azurite $1"
	if [ -x "$bin/azurite-blob" ] && [ "$(cat "$stamps/azurite-blob" 2>/dev/null)" = "$stamp" ]; then
		return 0
	fi
	say "installing azurite@$1"
	if ! npm install --no-audit --no-fund --prefix "$tools/azurite" "azurite@$1" >"$tools/azurite.log" 2>&1; then
		tail -n 20 "$tools/azurite.log" >&2
		fail "npm could not install azurite@$1"
	fi
	printf '#!/bin/sh\nexec node "%s" "$@"\n' "$tools/azurite/node_modules/azurite/dist/src/blob/main.js" >"$bin/azurite-blob"
	chmod 755 "$bin/azurite-blob"
	printf '%s\n' "$stamp" >"$stamps/azurite-blob"
}

# stamp_of says what a program was built from: another version, another compiler or a
# changed main package of ours builds it again.
stamp_of() {
	local dir=$1 package=$2 sum=-
	if [ "$dir" != - ]; then
		sum=$(cat "$root/$dir"/*.go "$root/$dir"/go.* | cksum | tr ' ' '-')
	fi
	printf '%s %s %s' "$package" "$sum" "$(go version)"
}

# go_build builds as cheaply as it can. Registries take the flags of "make build", so that
# what they share with sealock is compiled once. The clients share little with it: left
# without inlining and debugging data, they take a third less time to build.
go_build() {
	local name=$1 dir=$2 package=$3 lean='-gcflags=all=-l -dwarf=false'
	export CGO_ENABLED=0 GOWORK=off GOFLAGS=
	case $dir in
	-) GOBIN=$bin go install -ldflags='-s -w' "$lean" "$package" ;;
	e2e/registries/*) go build -C "$root/$dir" -trimpath -ldflags='-s -w' -o "$bin/$name" . ;;
	*) go build -C "$root/$dir" -ldflags='-s -w' "$lean" -o "$bin/$name" . ;;
	esac
}

# one_at_a_time waits for another run in the same repository.
one_at_a_time() {
	command -v flock >/dev/null 2>&1 || return 0
	exec 9>"$tools/lock"
	if ! flock -n 9; then
		say "another run is at work, waiting for it"
		flock 9
	fi
}

main() {
	local what=all list=
	while [ $# -gt 0 ]; do
		case $1 in
		--for)
			what=${2:-}
			shift
			;;
		--for=*) what=${1#--for=} ;;
		--list) list=yes ;;
		-h | --help)
			usage
			return 0
			;;
		*) fail "unknown argument \"$1\"; try --help" ;;
		esac
		shift
	done

	local sets
	case $what in
	unit | e2e | bench | clouds) sets=$what ;;
	all) sets="unit e2e bench" ;;
	*) fail "--for \"$what\": want unit, e2e, bench, clouds or all" ;;
	esac

	local set
	if [ -n "$list" ]; then
		for set in $sets; do
			"debian_packages_$set"
			"go_tools_$set"
		done
		return 0
	fi

	command -v go >/dev/null 2>&1 || fail "go is not on PATH; see https://go.dev/doc/install"
	if ! mkdir -p "$bin" "$stamps" 2>/dev/null || ! [ -w "$tools" ]; then
		fail "$tools can't be written to: another user made it, please remove it or change its owner"
	fi
	one_at_a_time
	for set in $sets; do
		install_debian < <("debian_packages_$set")
		build_go < <("go_tools_$set")
		if [ "$set" = clouds ]; then install_azurite 3.37.0; fi
	done
	say "ready ($sets), Go programs in .tools/bin"
}

main "$@"
