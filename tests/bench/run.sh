#!/bin/sh
# Measures the release binary that is built already; see main.rs for what and how. Other load on the machine shows in the
# figures: run it alone. DRYDOCK_BENCH_DIR chooses the disk (default: a temporary folder).
set -eu
ROOT=$(cd "$(dirname "$0")/../.." && pwd)
. "$ROOT/installer/lib.sh"
prefix=bench
cd "$ROOT"
export DRYDOCK_TEST_BINARY="$TARGET/release/drydock"
[ -x "$DRYDOCK_TEST_BINARY" ] || fail "$DRYDOCK_TEST_BINARY is missing: run 'make build' first."
export DRYDOCK_BENCH_DASHBOARD="$ROOT/frontend/dist"
cargo run --release --quiet -p drydock-tests --bin drydock-bench

scratch=$(mktemp -d -p "${DRYDOCK_BENCH_DIR:-${TMPDIR:-/tmp}}")
trap 'rm -rf "$scratch"' EXIT
say "the store beside Ceph's gateway and Debian's docker-registry (about a quarter of an hour)"
python3 tests/bench/load/compare_store.py --drydock "$DRYDOCK_TEST_BINARY" --ceph "$TARGET/release/drydock-bench" --scratch "$scratch"
say "beside MLflow's own server (about twenty minutes)"
python3 tests/bench/load/compare_mlflow.py --drydock "$DRYDOCK_TEST_BINARY" --mlflow "$CACHE/clients/bin/mlflow" --scratch "$scratch"
