#!/bin/sh
# Builds drydock/runtime:1, the image that training jobs and model servers run in.
#
#   base      Debian 12 minbase by mmdebstrap, from the mirrors this machine's apt already uses
#   packages  wheels at the versions and hashes of runtime/requirements.txt, fetched here by pip
#   install   in a container without network
#
# Nothing happens when an image of the same recipe exists. Base and wheels are kept in ${XDG_CACHE_HOME:-~/.cache}/drydock.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
recipe_dir=$here/runtime
cache=${XDG_CACHE_HOME:-$HOME/.cache}/drydock/images
tag=drydock/runtime:1

say() { printf '%s\n' "image: $*"; }
fail() { printf '%s\n' "image: $*" >&2; exit 1; }
hash_of() { cat "$@" | sha256sum | cut -c1-16; }
need() { command -v "$1" >/dev/null 2>&1 || fail "$1 is missing: run 'installer/setup.sh run' first."; }

need docker
docker=docker
if ! docker version >/dev/null 2>&1; then
    docker='sudo docker'
    $docker version >/dev/null 2>&1 || fail "Docker does not answer: run 'installer/setup.sh run', or start the service docker."
fi

recipe=$(hash_of "$here/build.sh" "$recipe_dir/packages.txt" "$recipe_dir/requirements.txt" "$recipe_dir/installer.txt" \
    "$recipe_dir/install.sh")
built=$($docker image inspect --format '{{index .Config.Labels "drydock.recipe"}}' "$tag" 2>/dev/null || true)
if [ "$built" = "$recipe" ]; then
    say "$tag is up to date (recipe $recipe)"
    exit 0
fi
need mmdebstrap
need python3
mkdir -p "$cache"

# --- base -----------------------------------------------------------------------------------------------------------
packages=$(tr '\n' ',' <"$recipe_dir/packages.txt" | sed 's/,$//')
base=$cache/base-$(hash_of "$recipe_dir/packages.txt").tar
if [ ! -s "$base" ]; then
    say "1/3 base: Debian 12 by mmdebstrap (about a minute)"
    # Mirrors and proxy of this machine where it runs bookworm itself, mmdebstrap's default elsewhere.
    sources=
    if [ "$(. /etc/os-release && echo "${VERSION_CODENAME:-}")" = bookworm ]; then
        for file in /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list; do
            [ -s "$file" ] && grep -q bookworm "$file" && sources=$file && break
        done
    fi
    options=$(mktemp)
    apt-config dump 2>/dev/null | grep -E '^Acquire::https?::Proxy' >"$options" || true
    mmdebstrap --quiet --variant=minbase --format=tar --aptopt="$options" --include="$packages" \
        --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
        bookworm "$base.part" $sources || fail "mmdebstrap failed; its last lines above name the cause (often: no Debian mirror in reach)."
    rm -f "$options"
    mv "$base.part" "$base"
else
    say "1/3 base: kept from before"
fi

# --- wheels ---------------------------------------------------------------------------------------------------------
wheels=$cache/wheels-$(hash_of "$recipe_dir/requirements.txt" "$recipe_dir/installer.txt")
if [ ! -d "$wheels" ]; then
    say "2/3 wheels: $(grep -c == "$recipe_dir/requirements.txt") packages by pip"
    python3 -m pip --version >/dev/null 2>&1 || fail "pip is missing: run 'installer/setup.sh run' first."
    rm -rf "$wheels.part"
    for list in requirements.txt installer.txt; do
        python3 -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary=:all: \
            --python-version 3.11 --implementation cp --abi cp311 --abi abi3 --abi none \
            --platform manylinux_2_36_x86_64 --platform manylinux_2_34_x86_64 --platform manylinux_2_28_x86_64 \
            --platform manylinux_2_27_x86_64 --platform manylinux_2_24_x86_64 --platform manylinux_2_17_x86_64 \
            --platform manylinux2014_x86_64 --platform any \
            --dest "$wheels.part" -r "$recipe_dir/$list" || fail "pip could not fetch the wheels; its message is above."
    done
    mv "$wheels.part" "$wheels"
else
    say "2/3 wheels: kept from before"
fi

# --- install --------------------------------------------------------------------------------------------------------
say "3/3 install: in a container without network"
name=drydock-image-build-$$
base_tag=drydock/runtime-base:$recipe
trap '$docker rm --force "$name" >/dev/null 2>&1 || true; $docker rmi "$base_tag" >/dev/null 2>&1 || true' EXIT
$docker import --message "Debian 12 minbase" "$base" "$base_tag" >/dev/null
$docker run --name "$name" --network none --volume "$wheels:/wheels:ro" --volume "$recipe_dir:/recipe:ro" "$base_tag" \
    sh /recipe/install.sh || fail "installing the wheels failed; the lines above name the cause."
$docker commit --message "Python packages" \
    --change 'USER 10001:10001' --change 'WORKDIR /workspace' --change 'CMD ["python3"]' \
    --change 'ENV PATH=/scratch/.local/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
    --change 'ENV HOME=/tmp LANG=C.UTF-8 PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1' \
    --change 'ENV MLFLOW_DISABLE_TELEMETRY=true DO_NOT_TRACK=true GIT_PYTHON_REFRESH=quiet MPLCONFIGDIR=/tmp/matplotlib' \
    --change "LABEL drydock.recipe=$recipe" "$name" "$tag" >/dev/null
size=$($docker image inspect --format '{{.Size}}' "$tag")
say "$tag is ready: $((size / 1000000)) MB (recipe $recipe)"
