#!/usr/bin/env bash
# Runs sealock and a stock registry as plain processes, until Ctrl-C.
#
#   ./run.sh proxy      sealock in front of the registry (default)
#   ./run.sh plug-in    sealock as the token server beside it
#
# Needed: sealock (on PATH, or built by `make build`) and a registry 2.8 or 3 (on Debian: apt-get install docker-registry).
# PORT and REGISTRY_AT change the ports, DATA the folder.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

fail() {
	echo "run.sh: $*" >&2
	exit 1
}

mode=${1:-proxy}
port=${PORT:-8080}
registry_port=${REGISTRY_AT:-5000}
data=${DATA:-$here/data}
sealock=${SEALOCK:-$(command -v sealock || echo "$here/../../bin/sealock")}
registry=$(PATH=$PATH:/usr/sbin command -v "${REGISTRY:-docker-registry}" || command -v registry || true)
unset REGISTRY REGISTRY_AT # a registry takes REGISTRY_* for settings

[ -x "$sealock" ] || fail "there is no sealock: run 'make build' at the top of the repository"
[ -n "$registry" ] || fail "there is no registry: apt-get install docker-registry, or set REGISTRY"

export SEALOCK_LISTEN=localhost:$port
export SEALOCK_EXTERNAL_URLS=http://localhost:$port
export SEALOCK_DATA_DIR=$data/sealock
case $mode in
proxy)
	config=$here/sealock.yaml
	export SEALOCK_REGISTRY_URL=http://localhost:$registry_port
	;;
plug-in) config=$here/sealock.token-only.yaml ;;
*) fail "\"$mode\" is no mode: use proxy or plug-in" ;;
esac

# The same as in config.yml, for this machine.
export REGISTRY_HTTP_ADDR=localhost:$registry_port
export REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY=$data/registry
export REGISTRY_AUTH_TOKEN_REALM=http://localhost:$port/service/token
export REGISTRY_AUTH_TOKEN_ROOTCERTBUNDLE=$data/trust/sealock-root.pem
export OTEL_TRACES_EXPORTER=none

"$sealock" registry-config --config "$config" --out "$data/trust" >/dev/null
trap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT
trap 'exit 0' INT TERM
"$registry" serve "$here/config.yml" &
"$sealock" serve --config "$config" &
wait -n # whichever ends first ends both
