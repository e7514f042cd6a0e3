#!/bin/sh
# Formatting, clippy and rustdoc without a warning, shell scripts, licences and sources of dependencies. The import floors
# and the bans between crates are tests (tests/tests/house), so that `make test` has them, too.
set -eu
ROOT=$(cd "$(dirname "$0")/.." && pwd)
. "$ROOT/installer/lib.sh"
prefix=lint
cd "$ROOT"

say "formatting"
cargo fmt --all --check || fail "run 'make fmt'"

if command -v shellcheck >/dev/null 2>&1; then
    say "shell scripts"
    shellcheck --external-sources installer/*.sh tests/*.sh tests/bench/*.sh tests/fuzz/*.sh appliance/images/*.sh appliance/images/runtime/*.sh .ci/run
fi

# The release profile: build scripts and their C code are then compiled once for lints, tests and the binary.
if cargo clippy --version >/dev/null 2>&1; then
    say "clippy"
    # shellcheck disable=SC2086  # one word per option
    cargo clippy --release $MEMBERS --all-targets --quiet -- --deny warnings
    cargo clippy --release -p drydock-frontend-builder --all-targets --quiet -- --deny warnings
else
    say "clippy is not in this toolchain: skipped"
fi

say "rustdoc"
export RUSTDOCFLAGS="--deny warnings"
# shellcheck disable=SC2086  # one word per option
cargo doc --release $MEMBERS --no-deps --quiet --document-private-items
cargo doc --release -p drydock-frontend-builder --no-deps --quiet --document-private-items

# Its advisory database is left out: it lies on a host that a closed network does not reach.
if cargo deny --version >/dev/null 2>&1; then
    say "cargo-deny"
    cargo deny --log-level warn check licenses bans sources
else
    say "cargo-deny is not here ('cargo install cargo-deny --locked'): the licence test in tests/tests/house stands in"
fi
say "clean"
