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

# The dashboard takes minutes to link: it is built again only when something that goes into it changed.
inputs="frontend server/wire Cargo.lock Cargo.toml"
# shellcheck disable=SC2086  # one word per path
state=$(tree_hash $inputs)
stamp=$TARGET/dashboard-inputs
if [ -f frontend/dist/index.html ] && [ "$(cat "$stamp" 2>/dev/null)" = "$state" ]; then
    say "dashboard is up to date"
else
    say "dashboard (about four minutes the first time on two cores)"
    cargo run --release --quiet -p drydock-frontend-builder || fail "the dashboard did not build; the compiler's message is above."
    printf '%s\n' "$state" >"$stamp"
fi

if [ "${1:-}" = --workspace ]; then
    say "every crate"
    # shellcheck disable=SC2086  # one word per option
    cargo build --release $MEMBERS || fail "the build failed; the compiler's message is above."
else
    say "server (about ten minutes the first time on two cores)"
    cargo build --release -p drydock || fail "the build failed; the compiler's message is above."
fi
say "$TARGET/release/drydock, $(du -h --apparent-size "$TARGET/release/drydock" | cut -f1)"
