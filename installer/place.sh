# Where `make up` keeps things; to be sourced after lib.sh.
# shellcheck shell=sh disable=SC2034,SC2317

if [ -n "${DRYDOCK_DATA_DIR:-}" ]; then
    DATA=$DRYDOCK_DATA_DIR
elif [ "$(id -u)" = 0 ]; then
    DATA=/var/lib/drydock
else
    DATA=${XDG_DATA_HOME:-$HOME/.local/share}/drydock
fi
# Beside the data folder, not in it: what belongs to this way of starting the server.
BESIDE=$DATA.local
PID_FILE=$BESIDE/server.pid
LOG_FILE=$BESIDE/server.log
PASSWORD_FILE=$BESIDE/admin-password
TOKEN_FILE=$BESIDE/admin-token
BINARY=$TARGET/release/drydock
HTTP=${DRYDOCK_HTTP:-127.0.0.1:8080}
S3=${DRYDOCK_S3:-127.0.0.1:9000}
REGISTRY=${DRYDOCK_REGISTRY:-127.0.0.1:5000}
URL=http://$HTTP

# The process of the pid file, if it still is a drydock.
server_pid() {
    pid=$(cat "$PID_FILE" 2>/dev/null) || return 1
    case $(readlink "/proc/$pid/exe" 2>/dev/null) in
        */drydock | */drydock\ \(deleted\)) printf '%s' "$pid" ;;
        *) return 1 ;;
    esac
}

stop_server() {
    pid=$(server_pid) || return 0
    say "stopping the server (process $pid)"
    kill "$pid"
    gone() { ! kill -0 "$pid" 2>/dev/null; }
    wait_for 40 gone || fail "The server (process $pid) did not stop within 40 s; its log is $LOG_FILE."
    rm -f "$PID_FILE"
}
