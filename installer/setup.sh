#!/bin/sh
# Installs what this machine lacks to build, run and test Drydock. Running it again changes nothing.
#
#   setup.sh build   compiler for the server and for the dashboard
#   setup.sh run     Docker Engine (and starts it), what builds the runtime image
#   setup.sh test    browser, Python environment, load generator, Prometheus
#   setup.sh lint    formatter
#
# For Debian 12 and its relatives, as root or with sudo. Only Debian's packages and PyPI are asked.
set -eu
ROOT=$(cd "$(dirname "$0")/.." && pwd)
. "$ROOT/installer/lib.sh"
prefix=setup

apt_updated=
install() { # install PACKAGE…: those that are not installed yet
    missing=
    for package in "$@"; do
        [ "$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    command -v apt-get >/dev/null 2>&1 || fail "This is not a Debian system. Install the equivalents of:$missing"
    say "installing$missing"
    if [ -z "$apt_updated" ]; then
        as_root apt-get -qq update || fail "apt-get update failed: check this machine's mirrors and network, then run again."
        apt_updated=yes
    fi
    # shellcheck disable=SC2086  # one word per package
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install $missing >"$log" 2>&1 || {
        tail -n 20 "$log" >&2
        fail "apt-get could not install$missing; its last lines are above, all of them in $log."
    }
}

stage_build() {
    install build-essential pkg-config ca-certificates
    if ! command -v cargo >/dev/null 2>&1; then
        # Debian's own current compiler: it builds both halves, and no foreign host has to be reachable.
        install rustc-web cargo-web rust-web-src
    fi
    rust=$(rustc --version 2>/dev/null | cut -d' ' -f2)
    newest=$(printf '%s\n' "$MIN_RUST" "${rust:-0}" | sort -V | tail -n 1)
    [ "$newest" = "${rust:-0}" ] || fail "rustc $rust is older than $MIN_RUST: run 'rustup update', or remove Debian's rustc and cargo and run this again."

    # The dashboard needs a compiler that knows wasm32: this one, or else Debian's with the sources of its library.
    if [ ! -d "$(rustc --print sysroot)/lib/rustlib/wasm32-unknown-unknown" ]; then
        install rustc-web cargo-web rust-web-src
        [ -n "$(find "$(rustc --print sysroot)/lib/rustlib" -name rust-lld -print -quit)" ] || install lld-19
    fi
    say "build: rustc $rust"
}

stage_run() {
    install docker.io iptables mmdebstrap python3 python3-pip curl ca-certificates
    [ -d /run/systemd/system ] || install cgroupfs-mount
    start_docker
}

docker_answers() { docker version >/dev/null 2>&1 || as_root docker version >/dev/null 2>&1; }

start_docker() {
    if ! docker_answers; then
        say "starting Docker"
        if [ -d /run/systemd/system ]; then
            as_root systemctl enable --now docker >/dev/null 2>&1 || fail "Docker does not start; 'journalctl -u docker' tells why."
        else
            start_dockerd
        fi
        wait_for 60 docker_answers || {
            as_root tail -n 15 "$dockerd_log" >&2 2>/dev/null || true
            fail "Docker does not answer after 60 s; the end of its log is above ($dockerd_log)."
        }
    fi
    # The server runs as the user who calls this, and reaches Docker through its group.
    if [ "$(id -u)" != 0 ] && ! id -nG "$(id -un)" | grep -qw docker; then
        say "adding $(id -un) to the group docker"
        as_root usermod --append --groups docker "$(id -un)"
    fi
    say "run: Docker $(docker version --format '{{.Server.Version}}' 2>/dev/null || as_root docker version --format '{{.Server.Version}}')"
}

dockerd_log=/var/log/drydock-dockerd.log

# A machine without systemd (a container, a chroot): the daemon by hand, with the folders it expects.
start_dockerd() {
    if ! mountpoint -q /sys/fs/cgroup; then
        as_root cgroupfs-mount || say "cgroups could not be mounted; Docker may refuse to start"
    fi
    # A pid file that outlived its daemon keeps the next one from starting.
    pid=$(as_root cat /var/run/docker.pid 2>/dev/null || true)
    if [ -n "$pid" ] && ! as_root kill -0 "$pid" 2>/dev/null; then
        as_root rm -f /var/run/docker.pid
    fi
    as_root sh -c "setsid dockerd >>$dockerd_log 2>&1 </dev/null &"
    sleep 3
    if ! docker_answers && as_root grep -qiE 'iptables.*(failed|not supported|permission)' "$dockerd_log" 2>/dev/null && ! as_root pgrep -x dockerd >/dev/null; then
        say "this kernel lacks nftables: using iptables-legacy"
        as_root update-alternatives --set iptables /usr/sbin/iptables-legacy >/dev/null
        as_root sh -c "setsid dockerd >>$dockerd_log 2>&1 </dev/null &"
    fi
}

stage_test() {
    install python3 python3-venv python3-pip chromium chromium-driver busybox-static skopeo podman e2fsprogs mount wrk curl git rclone strace iproute2 socat
    # an S3 cluster that is not ours, to keep content in
    install openssl ceph-mon ceph-osd ceph-mgr radosgw
    environment=$CACHE/clients-$(hash_of "$ROOT/tests/clients/requirements.txt" "$ROOT/tests/clients/axe.txt")
    if [ ! -f "$environment/ready" ]; then
        say "Python environment with the real clients (mlflow, axe-core)"
        rm -rf "$environment"
        mkdir -p "$CACHE"
        # Debian's interpreter: another one on the path may not be the version the pins are for.
        /usr/bin/python3 -m venv "$environment"
        for list in requirements.txt axe.txt; do
            "$environment/bin/pip" --disable-pip-version-check install --quiet --only-binary=:all: --no-deps \
                -r "$ROOT/tests/clients/$list" || fail "pip could not install the clients; its message is above."
        done
        touch "$environment/ready"
    fi
    ln -sfn "$environment" "$CACHE/clients"
    older=$CACHE/clients-2.22-$(hash_of "$ROOT/tests/clients/requirements-2.22.txt")
    if [ ! -f "$older/ready" ]; then
        say "Python environment with the mlflow client of 2.22"
        rm -rf "$older"
        /usr/bin/python3 -m venv "$older"
        "$older/bin/pip" --disable-pip-version-check install --quiet --only-binary=:all: --no-deps \
            -r "$ROOT/tests/clients/requirements-2.22.txt" || fail "pip could not install the client of 2.22; its message is above."
        touch "$older/ready"
    fi
    ln -sfn "$older" "$CACHE/clients-2.22"
    for set in s3 dvc oci index openai; do
        others=$CACHE/clients-$set-$(hash_of "$ROOT/tests/clients/requirements-$set.txt")
        if [ ! -f "$others/ready" ]; then
            say "Python environment with clients of S3, of registries, of package indexes and of OpenAI ($set)"
            rm -rf "$others"
            /usr/bin/python3 -m venv "$others"
            # what dvc is made of is partly source alone
            "$others/bin/pip" --disable-pip-version-check install --quiet --no-deps --use-pep517 \
                -r "$ROOT/tests/clients/requirements-$set.txt" || fail "pip could not install the clients ($set); its message is above."
            touch "$others/ready"
        fi
        ln -sfn "$others" "$CACHE/clients-$set"
    done
    # Unpacked beside the system: installed, its package would leave services running on this machine.
    if [ ! -x "$CACHE/prometheus/usr/bin/prometheus" ]; then
        say "Prometheus and promtool out of Debian's package"
        unpacked=$CACHE/prometheus.new
        rm -rf "$unpacked" "$CACHE/prometheus"
        mkdir -p "$unpacked/package"
        if [ -z "$apt_updated" ] && ! apt-cache show prometheus >/dev/null 2>&1; then
            as_root apt-get -qq update || fail "apt-get update failed: check this machine's mirrors and network, then run again."
            apt_updated=yes
        fi
        (cd "$unpacked/package" && apt-get -qq download prometheus 2>"$log") || fail "apt-get could not fetch prometheus; $log tells why."
        dpkg-deb --extract "$unpacked"/package/prometheus_*.deb "$unpacked"
        rm -rf "$unpacked/package"
        mv "$unpacked" "$CACHE/prometheus"
    fi
    say "test: $(/usr/bin/chromium --version 2>/dev/null | cut -d' ' -f1,2), clients in $environment"
}

# Programs that Drydock is measured beside.
stage_bench() {
    if ! command -v docker-registry >/dev/null; then
        install docker-registry
        # Its service would take port 5000; the benchmark starts one of its own.
        [ ! -d /run/systemd/system ] || as_root systemctl disable --now docker-registry >/dev/null 2>&1 || true
    fi
}

stage_lint() {
    cargo fmt --version >/dev/null 2>&1 || install rustfmt-web
}

[ $# -gt 0 ] || fail "usage: setup.sh build|run|test|bench|lint …"
log=$(mktemp)
for stage in "$@"; do
    case $stage in
        build) stage_build ;;
        run) stage_run ;;
        test) stage_test ;;
        bench) stage_bench ;;
        lint) stage_lint ;;
        *) fail "unknown stage '$stage': build, run, test, bench or lint" ;;
    esac
done
rm -f "$log"
