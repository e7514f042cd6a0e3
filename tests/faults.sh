#!/bin/sh
# Makes the faults of tests/tests/faults in their full counts, and prints a table: what, how often, with which seed, how long, what
# came of it; and throws random texts at the parsers (tests/tests/fuzz.rs). About an hour and a half. Each run draws its seeds, which
# `make test` does not; DRYDOCK_FAULT_SEED and DRYDOCK_FUZZ_SEED run one again. With arguments, only the tests that they select.
set -eu
ROOT=$(cd "$(dirname "$0")/.." && pwd)
. "$ROOT/installer/lib.sh"
prefix=faults

"$ROOT/installer/setup.sh" build run test
"$ROOT/installer/build.sh"

export DRYDOCK_TEST_BINARY="$TARGET/release/drydock"
export DRYDOCK_TEST_CLIENTS="$CACHE/clients"
export DRYDOCK_FAULTS=full
export DRYDOCK_FAULT_SEED="${DRYDOCK_FAULT_SEED:-random}"
export DRYDOCK_FUZZ_SEED="${DRYDOCK_FUZZ_SEED:-random}"
DRYDOCK_FAULTS_REPORT=$(mktemp)
export DRYDOCK_FAULTS_REPORT
cd "$ROOT"
# Two thousand sockets, on each side.
# shellcheck disable=SC3045  # dash has it, which is what sh is here
ulimit -n 8192 2>/dev/null || say "open files are limited to $(ulimit -n): slow sockets may fail for that"
status=0
# One after the other: some of them measure.
# shellcheck disable=SC2086  # one word per option
cargo test --release $MEMBERS --test faults --test fuzz -- --test-threads=1 --nocapture "$@" || status=1
# What measures or draws seeds among the end-to-end tests; `make test` gives it more time, and the same seeds at each run.
if [ $# = 0 ]; then
    # shellcheck disable=SC2086  # one word per option
    cargo test --release $MEMBERS --test e2e -- --test-threads=1 --nocapture \
        the_scrub_reads collection_runs_beside a_purge_that_is_killed \
        the_cluster_may_go_away a_cluster_that_is_away content_moves_into_the_cluster || status=1
fi

say "fault, count, seed, time, outcome"
column -t -s "$(printf '\t')" "$DRYDOCK_FAULTS_REPORT" 2>/dev/null || cat "$DRYDOCK_FAULTS_REPORT"
rm -f "$DRYDOCK_FAULTS_REPORT"
exit "$status"
