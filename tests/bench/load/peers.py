"""Servers that Drydock's store is measured beside: Ceph's S3 gateway and Debian's docker-registry, one node each, on loopback,
with their data below a scratch folder. They are started here and ended by their process ids."""

import pathlib
import subprocess
import time
import urllib.error
import urllib.request
import uuid

from compare_mlflow import free_port

CEPH = """[global]
fsid = {fsid}
mon_host = [v1:127.0.0.1:{mon}]
ms_bind_msgr2 = false
public_network = 127.0.0.0/8
cluster_network = 127.0.0.0/8
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
run_dir = {at}/run
pid_file = {at}/run/$name.pid
admin_socket = {at}/run/$cluster-$name.asok
log_file = {at}/log/$name.log
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 8
mon_max_pg_per_osd = 1000
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_warn_on_pool_no_redundancy = false
mon_data_avail_crit = 1
mon_data_avail_warn = 2
[mon.a]
mon_data = {at}/mon
[mgr.x]
mgr_data = {at}/mgr
[osd.0]
osd_data = {at}/osd0
osd_objectstore = bluestore
bluestore_block_size = {disk}
osd_memory_target = 1073741824
[client.rgw]
rgw_frontends = beast endpoint=127.0.0.1:{port}
rgw_crypt_require_ssl = false
rgw_enable_apis = s3
"""


def answers(url):
    try:
        urllib.request.urlopen(url, timeout=2).read()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


class Ceph:
    """Ceph answers a write when its journal is on disk: durable, as ours."""

    name = "ceph"

    def __init__(self, scratch, disk_bytes=16 << 30):
        at = scratch / "ceph"
        for name in ("run", "log", "osd0", "mgr"):
            (at / name).mkdir(parents=True)
        port = free_port()
        self.at, self.url, self.keys = at, f"http://127.0.0.1:{port}", ("benchaccess", "benchsecretkey12")
        self.conf = at / "ceph.conf"
        self.conf.write_text(CEPH.format(at=at, port=port, mon=free_port(), fsid=uuid.uuid4(), disk=disk_bytes))
        self.log = open(at / "log" / "start", "wb")
        mon = [line for line in self.conf.read_text().splitlines() if line.startswith("mon_host")][0].split("= ")[1]
        fsid = [line for line in self.conf.read_text().splitlines() if line.startswith("fsid")][0].split("= ")[1]
        self.call("monmaptool", "--create", "--fsid", fsid, "--addv", "a", mon, "--clobber", at / "monmap", conf=False)
        self.call("ceph-mon", "--mkfs", "-i", "a", "--monmap", at / "monmap")
        self.call("ceph-mon", "-i", "a")
        self.until(lambda: self.says("ceph", "-s"), "the monitor")
        osd = str(uuid.uuid4())
        self.call("ceph", "osd", "new", osd)
        self.call("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd)
        self.until(self.osd_starts, "the disk's server")
        self.call("ceph-mgr", "-i", "x")
        self.until(lambda: b"1 up" in (self.says("ceph", "osd", "stat") or b""), "the disk")
        self.call("radosgw-admin", "user", "create", "--uid=bench", "--display-name=bench",
                  f"--access-key={self.keys[0]}", f"--secret-key={self.keys[1]}")
        self.call("radosgw", "-n", "client.rgw")
        self.until(lambda: answers(self.url), "the gateway")

    def osd_starts(self):
        # On a busy machine it may ask before the monitor's map has reached it, and ends ("wrong fsid").
        try:
            self.call("ceph-osd", "-i", "0")
        except subprocess.CalledProcessError:
            return False
        return True

    def call(self, program, *args, conf=True):
        command = [program, *(["-c", str(self.conf)] if conf else []), *map(str, args)]
        subprocess.run(command, check=True, stdout=self.log, stderr=subprocess.STDOUT, timeout=180)

    def says(self, program, *args):
        try:
            done = subprocess.run([program, "-c", str(self.conf), *args], stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL, timeout=10)
        except subprocess.TimeoutExpired:
            return None
        return done.stdout if done.returncode == 0 else None

    def until(self, good, what):
        end = time.monotonic() + 180
        while not good():
            if time.monotonic() > end:
                raise SystemExit(f"Ceph: {what} does not answer; see {self.at}/log")
            time.sleep(0.5)

    def pids(self):
        found = []
        for path in sorted((self.at / "run").glob("*.pid")):
            if text := path.read_text().strip():
                found.append(int(text))
        return found

    def stop(self):
        for pid in self.pids():
            subprocess.run(["kill", str(pid)], check=False)
        self.log.close()


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
