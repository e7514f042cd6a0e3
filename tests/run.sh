#!/bin/sh
# Sets up what is missing and passes every test: units, integration with the real Docker and the real mlflow client,
# the browser. With arguments, only the tests that nextest (or cargo test) selects by them.
set -eu
ROOT=$(cd "$(dirname "$0")/.." && pwd)
. "$ROOT/installer/lib.sh"
prefix="test"

"$ROOT/installer/setup.sh" build run test
if ! docker version >/dev/null 2>&1 && [ "$(id -u)" != 0 ] && [ -z "${DRYDOCK_IN_GROUP:-}" ]; then
    DRYDOCK_IN_GROUP=yes exec sg docker -c "$ROOT/tests/run.sh $*"
fi
"$ROOT/installer/build.sh" --workspace
"$ROOT/appliance/images/build.sh"

export DRYDOCK_TEST_BINARY="$TARGET/release/drydock"
export DRYDOCK_TEST_CLIENTS="$CACHE/clients"
export DRYDOCK_TEST_SHOTS="${DRYDOCK_TEST_SHOTS:-$TARGET/screenshots}"
cd "$ROOT"
say "every test; screenshots go to $DRYDOCK_TEST_SHOTS"
status=0
if [ $# = 0 ]; then
    cargo test --release --quiet -p drydock-frontend-builder || status=1
fi
if cargo nextest --version >/dev/null 2>&1; then
    # The server's units are compiled to compile quickly, with the checks of a debug build; with options, none of these or those may match.
    [ $# = 0 ] && none=fail || none=pass
    cargo nextest run --release -p drydock --lib --config profile.release.package.drydock.opt-level=0 \
        --config profile.release.package.drydock.debug-assertions=true --config profile.release.package.drydock.overflow-checks=true \
        --no-fail-fast "--no-tests=$none" "$@" || status=1
    # shellcheck disable=SC2086  # one word per option
    cargo nextest run --release $MEMBERS --exclude drydock --no-fail-fast "--no-tests=$none" "$@" || status=1
else
    # One at a time: the end-to-end tests each start a server and containers of their own.
    # shellcheck disable=SC2086  # one word per option
    cargo test --release $MEMBERS --no-fail-fast -- --test-threads=1 "$@" || status=1
fi
exit "$status"
