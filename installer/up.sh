#!/bin/sh
# Starts the server that build.sh made, with an admin account, and runs the sample lifecycle against it.
# A server of the same binary that runs already is left alone.
set -eu
ROOT=$(cd "$(dirname "$0")/.." && pwd)
. "$ROOT/installer/lib.sh"
. "$ROOT/installer/place.sh"
prefix=up

# A person who was added to the group docker a moment ago is not in it yet in this shell.
if ! docker version >/dev/null 2>&1 && [ "$(id -u)" != 0 ] && [ -z "${DRYDOCK_IN_GROUP:-}" ]; then
    DRYDOCK_IN_GROUP=yes exec sg docker -c "$ROOT/installer/up.sh"
fi

mkdir -p "$DATA" "$BESIDE"
chmod 700 "$BESIDE"

same_binary() {
    pid=$(server_pid) || return 1
    [ "$(stat -L -c %i:%Y:%s "/proc/$pid/exe")" = "$(stat -c %i:%Y:%s "$BINARY")" ]
}
answers() { curl --silent --fail --max-time 2 --output /dev/null "$URL/healthz"; }

ready_line() { grep '^ready ' "$LOG_FILE"; }
ready_or_dead() { ready_line >/dev/null 2>&1 || ! kill -0 "$started" 2>/dev/null; }

start_server() {
    say "starting the server; its log is $LOG_FILE"
    : >"$LOG_FILE"
    chmod 600 "$LOG_FILE"
    setsid "$BINARY" serve --data-dir "$DATA" --http "$HTTP" --s3 "$S3" --registry "$REGISTRY" >>"$LOG_FILE" 2>&1 </dev/null &
    started=$!
    printf '%s\n' "$started" >"$PID_FILE"
    wait_for 60 ready_or_dead || fail "The server is not ready after 60 s; see $LOG_FILE."
    if ! ready_line >/dev/null; then
        rm -f "$PID_FILE"
        tail -n 15 "$LOG_FILE" >&2
        fail "The server ended instead of getting ready; its last lines are above. Is another program on $HTTP, $S3 or $REGISTRY? (DRYDOCK_HTTP, DRYDOCK_S3 and DRYDOCK_REGISTRY choose others.)"
    fi
    say "$(ready_line)"
}

secret_file() { # secret_file FILE: takes standard input; only its owner reads it
    (umask 077 && cat >"$1")
}

make_admin() {
    [ -s "$PASSWORD_FILE" ] && return 0
    # 24 letters and digits: 140 bits.
    password=$(LC_ALL=C tr -dc 'a-zA-Z0-9' </dev/urandom | head -c 24)
    if ! printf '%s\n' "$password" | "$BINARY" admin create --data-dir "$DATA" --username admin --password-stdin; then
        fail "The admin account could not be made. If this data folder has one already, put its password into $PASSWORD_FILE, or set a new one: $BINARY admin reset-password --data-dir $DATA --username admin --password-stdin"
    fi
    printf '%s\n' "$password" | secret_file "$PASSWORD_FILE"
}

token_is_good() {
    [ -s "$TOKEN_FILE" ] && printf 'header = "Authorization: Bearer %s"\n' "$(cat "$TOKEN_FILE")" |
        curl --silent --fail --max-time 5 --output /dev/null --config - "$URL/api/v1/me"
}

make_token() {
    token_is_good && return 0
    "$BINARY" token create --data-dir "$DATA" --user admin --name "make up" | secret_file "$TOKEN_FILE"
    token_is_good || fail "The server does not accept the token it issued; see $LOG_FILE."
}

if same_binary && answers; then
    say "the server runs already (process $(server_pid))"
else
    stop_server
    start_server
fi
make_admin
make_token

say "the sample lifecycle"
DRYDOCK_URL=$URL DRYDOCK_TOKEN=$(cat "$TOKEN_FILE") "$BINARY" demo ||
    fail "The sample lifecycle failed; the step above says why. The server goes on running at $URL, its log is $LOG_FILE."

cat <<TEXT

  Drydock runs at   $URL
  log in as         admin
  password          $(cat "$PASSWORD_FILE")    (kept in $PASSWORD_FILE)
  mlflow            MLFLOW_TRACKING_URI=$URL  MLFLOW_TRACKING_TOKEN=\$(cat $TOKEN_FILE)
  stop it           make down

TEXT
