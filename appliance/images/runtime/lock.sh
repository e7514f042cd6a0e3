#!/bin/sh
# Resolves DIR/requirements.in for CPython 3.11 on x86_64 Linux and writes DIR/requirements.txt: every package, transitive
# ones included, with its version and the hash of the one wheel. Needs a Python 3.11 with pip 23 or later. Review the diff.
#
#   lock.sh                  the runtime image, and the pip that installs its wheels
#   lock.sh tests/clients        another folder with a requirements.in
#   lock.sh tests/clients -2.22  its requirements-2.22.in
#   lock.sh tests/clients -dvc antlr4-python3-runtime   the same; these packages have no wheels, their sources are taken
set -eu
here=$(cd "$(dirname "$0")" && pwd)

lock() { # lock REQUIREMENTS OUTPUT [SOURCES]
    report=$(mktemp)
    python3.11 -m pip install --quiet --dry-run --ignore-installed --only-binary=:all: ${3:+--no-binary="$3"} --report "$report" -r "$1"
    python3.11 - "$report" "$(basename "$1")" >"$2" <<'PY'
import json, sys

print(f"# Written by appliance/images/runtime/lock.sh from {sys.argv[2]}.")
for item in sorted(json.load(open(sys.argv[1]))["install"], key=lambda item: item["metadata"]["name"].lower()):
    name, version = item["metadata"]["name"], item["metadata"]["version"]
    digest = item["download_info"]["archive_info"]["hashes"]["sha256"]
    print(f"{name}=={version} --hash=sha256:{digest}")
PY
    rm -f "$report"
}

if [ $# -gt 0 ]; then
    lock "$1/requirements${2:-}.in" "$1/requirements${2:-}.txt" "${3:-}"
    exit 0
fi
lock "$here/requirements.in" "$here/requirements.txt"
installer=$(mktemp)
echo "pip==26.0.1" >"$installer"
lock "$installer" "$here/installer.txt"
rm -f "$installer"
