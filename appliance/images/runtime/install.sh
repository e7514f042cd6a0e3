#!/bin/sh
# Runs inside a container of the bare base, without network: installs the wheels and makes the base the runtime image.
set -eu
site=/usr/local/lib/python3.11/dist-packages
pip_wheel=$(echo /wheels/pip-*.whl)

# pip runs straight from its own wheel, and stays: jobs and builds install from the box's package index with it.
PYTHONPATH=$pip_wheel python3 -m pip install --quiet --no-index --find-links /wheels --no-deps --no-compile --no-cache-dir \
    --break-system-packages --root-user-action ignore --require-hashes -r /recipe/requirements.txt -r /recipe/installer.txt

# The packages' own test suites: 100 MB that no job imports.
for package in matplotlib numpy pandas scipy sklearn; do
    find "$site/$package" -depth -type d -name tests -exec rm -rf {} +
done

# The root file system is read-only in every container, so Python could not keep its byte code: it is all made here.
python3 -m compileall -q -j 0 "$site"

groupadd --gid 10001 drydock
useradd --uid 10001 --gid 10001 --home-dir /tmp --no-create-home --shell /usr/sbin/nologin drydock
mkdir -p /workspace
# An image built from this one installs as the same user: what pip writes has to be what jobs find. In a container it is read-only.
chown -R 10001:10001 /usr/local
chown 10001:10001 /workspace

rm -rf /root/.cache /var/cache/apt/* /var/lib/apt/lists/* /var/log/* /usr/share/man/* /usr/share/locale/*
