"""Servers that Drydock's store is measured beside: Ceph's S3 gateway and Debian's docker-registry, one node each, on loopback,
with their data below a scratch folder. They are started here and ended by their process ids."""

import json
import os
import pathlib
import subprocess
import time
import urllib.error
import urllib.request

from compare_mlflow import free_port


def answers(url):
    try:
        urllib.request.urlopen(url, timeout=2).read()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


class Ceph:
    """Ceph answers a write when its journal is on disk: durable, as ours. `drydock-bench ceph` starts the one that the
    tests use, too, and ends it when its input ends."""

    name = "ceph"

    def __init__(self, program, scratch):
        at = scratch / "ceph"
        at.mkdir()
        self.process = subprocess.Popen([program, "ceph"], env={**os.environ, "TMPDIR": str(at)}, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"Ceph did not start: {program} ended with {self.process.wait(30)}")
        told = json.loads(line)
        self.url, self.keys = told["url"], (told["access_key"], told["secret_key"])
        self.processes = [int(pid) for pid in told["pids"]]

    def pids(self):
        return self.processes

    def stop(self):
        self.process.stdin.close()
        self.process.wait(60)


REGISTRY = """version: 0.1
log: {{level: error}}
storage:
  filesystem: {{rootdirectory: {at}/data}}
  delete: {{enabled: true}}
http: {{addr: 127.0.0.1:{port}}}
"""


class DockerRegistry:
    """Debian's docker-registry with files on the same disk. It answers before its files are on disk: no fsync."""

    name = "docker-registry"
    user = None

    def __init__(self, scratch):
        at = scratch / "docker-registry"
        at.mkdir()
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        config = at / "config.yml"
        config.write_text(REGISTRY.format(at=at, port=port))
        self.process = subprocess.Popen(["docker-registry", "serve", str(config)], stdout=open(at / "log", "wb"),
                                        stderr=subprocess.STDOUT)
        end = time.monotonic() + 60
        while not answers(f"{self.url}/v2/"):
            if self.process.poll() is not None or time.monotonic() > end:
                raise SystemExit(f"docker-registry did not start: {pathlib.Path(at / 'log').read_text()}")
            time.sleep(0.2)

    def pids(self):
        return [self.process.pid]

    def stop(self):
        self.process.terminate()
        self.process.wait(30)
