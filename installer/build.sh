#!/bin/sh
# The release binary with the dashboard inside, at target/release/drydock (or under CARGO_TARGET_DIR).
#
#   build.sh              the binary and nothing else
#   build.sh --workspace  every crate at once, with the features that the tests use, so that they compile nothing twice
set -eu
ROOT=$(cd "$(dirname "$0")/.." && pwd)
. "$ROOT/installer/lib.sh"
prefix=build
cd "$ROOT"

command -v cargo >/dev/null 2>&1 || fail "There is no cargo: run 'installer/setup.sh build' first."

# The dashboard takes minutes to link, on one core: it is built again only when something that goes into it changed, and beside
# the server's library, which does not have it inside.
inputs="frontend server/wire Cargo.lock Cargo.toml"
# shellcheck disable=SC2086  # one word per path
state=$(tree_hash $inputs)
stamp=$TARGET/dashboard-inputs
dashboard=
if [ -f frontend/dist/index.html ] && [ "$(cat "$stamp" 2>/dev/null)" = "$state" ]; then
    say "dashboard is up to date"
else
    say "dashboard (about eight minutes the first time on two cores)"
    # compiled before and run after: both need the lock on what is compiled
    cargo build --release --quiet -p drydock-frontend-builder || fail "the dashboard's builder did not build; the compiler's message is above."
    cargo run --release --quiet -p drydock-frontend-builder &
    dashboard=$!
    trap '[ -z "$dashboard" ] || kill "$dashboard" 2>/dev/null || true' EXIT
    trap 'exit 130' INT TERM
fi

if [ "${1:-}" = --workspace ]; then what=$MEMBERS; say "every crate"; else what="-p drydock"; say "server (about ten minutes the first time on two cores)"; fi
if [ -n "$dashboard" ]; then
    # shellcheck disable=SC2086  # one word per option
    cargo build --release $what --lib || fail "the build failed; the compiler's message is above."
    wait "$dashboard" || { dashboard=; fail "the dashboard did not build; the compiler's message is above."; }
    dashboard=
    printf '%s\n' "$state" >"$stamp"
fi
# shellcheck disable=SC2086  # one word per option
cargo build --release $what || fail "the build failed; the compiler's message is above."
say "$TARGET/release/drydock, $(du -h --apparent-size "$TARGET/release/drydock" | cut -f1)"
