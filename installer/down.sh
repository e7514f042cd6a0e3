#!/bin/sh
# Stops the server that up.sh started. Jobs and deployments go on in their containers and are picked up at the next start.
set -eu
ROOT=$(cd "$(dirname "$0")/.." && pwd)
. "$ROOT/installer/lib.sh"
. "$ROOT/installer/place.sh"
prefix=down

if server_pid >/dev/null; then
    stop_server
    say "stopped; the data stays in $DATA"
else
    say "no server of 'make up' runs"
fi
