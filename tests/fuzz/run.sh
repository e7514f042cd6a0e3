#!/bin/sh
# Runs the fuzz targets, all of them or those named, each for so many seconds (60):
#
#     tests/fuzz/run.sh [SECONDS] [TARGET…]
#
# Needs `cargo install cargo-fuzz`. The versions are those of the product's Cargo.lock; corpus and crashes stay out of the repository.
# With DRYDOCK_FUZZ_SANITIZER=none it runs where the toolchain has no AddressSanitizer.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
seconds=${1:-60}
[ $# -gt 0 ] && shift
target="${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/drydock/fuzz}"
cp "$here/../../Cargo.lock" "$here/Cargo.lock"
cd "$here/.."
# libFuzzer's instrumentation is behind flags that only a nightly compiler takes without being asked to.
export RUSTC_BOOTSTRAP=1
if [ $# = 0 ]; then
    # shellcheck disable=SC2046 # a word each
    set -- $(cargo fuzz list)
fi
for name in "$@"; do
    corpus="$target/corpus/$name"
    crashes="$target/crashes/$name"
    mkdir -p "$corpus" "$crashes"
    echo "fuzz: $name for $seconds s"
    cargo fuzz run --sanitizer "${DRYDOCK_FUZZ_SANITIZER:-address}" --target-dir "$target" "$name" "$corpus" -- \
        -max_total_time="$seconds" -artifact_prefix="$crashes/" -print_final_stats=1
done
