# Shared by the scripts beside it; to be sourced with ROOT set. Sets CACHE, TARGET, MIN_RUST.
# shellcheck shell=sh disable=SC2034,SC2154

CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/drydock
TARGET=${CARGO_TARGET_DIR:-$ROOT/target}
MIN_RUST=1.95.0
# What is compiled together. The dashboard's builder is not: its features would change those of the server's own dependencies,
# and the tests would pass over another binary than 'make build' makes.
MEMBERS="--workspace --exclude drydock-frontend-builder"
prefix=drydock

say() { printf '%s: %s\n' "$prefix" "$*"; }
fail() { printf '%s: %s\n' "$prefix" "$*" >&2; exit 1; }
hash_of() { cat "$@" | sha256sum | cut -c1-16; }

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null 2>&1; then
        sudo "$@"
    else
        fail "This needs root: run it as root or install sudo."
    fi
}

wait_for() { # wait_for SECONDS COMMAND…: until it succeeds
    left=$(($1 * 5))
    shift
    until "$@"; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || return 1
        sleep 0.2
    done
}

# Hash over the content of tracked and new files under the given paths: equal inputs, equal outputs.
tree_hash() {
    (cd "$ROOT" && find "$@" -type f -not -path '*/dist/*' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -c1-16)
}
