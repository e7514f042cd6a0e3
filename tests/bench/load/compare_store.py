#!/usr/bin/env python3
"""Drydock's store beside its peers, the same load on both in turns, and tables of medians: the S3 face beside Ceph's gateway,
the registry beside Debian's docker-registry.

    compare_store.py --drydock BINARY --ceph DRYDOCK-BENCH --scratch DIR [--rounds 3] [--seconds 3] [--keys 100000] [--our-keys 1000000] [--only s3 registry] [--json FILE]

All keep their data on the same disk and listen on loopback. Ceph and Drydock answer when a write is on the disk; docker-registry
does not wait for the disk. LIST is among --keys objects in Ceph, which takes half an hour to take a million, and among --our-keys in
Drydock, which is to its disadvantage. Ceph needs the packages ceph-mon, ceph-osd, ceph-mgr and radosgw; docker-registry its own.
"""

import argparse
import json
import pathlib
import shutil
import statistics
import subprocess
import sys

from compare_mlflow import Drydock, Memory, at, copied, shown
from peers import Ceph, DockerRegistry

HERE = pathlib.Path(__file__).resolve().parent

S3_ROWS = [
    ("PUT of 1 GiB in parts, MB/s", ("big_put", "mb_per_s"), True, 1.3),
    ("GET of 1 GiB in ranges, MB/s", ("big_get", "mb_per_s"), True, 1.3),
    ("GET of 1 GiB in one stream, MB/s", ("big_get_one_stream", "mb_per_s"), True, 1.3),
    ("10 KB objects PUT, per second, c=1", ("small_put_c1", "rps"), True, None),
    ("10 KB objects PUT, per second, c=8", ("small_put_c8", "rps"), True, 3),
    ("10 KB objects GET, per second, c=8", ("small_get_c8", "rps"), True, 2),
    ("10 KB objects HEAD, per second, c=8", ("small_head_c8", "rps"), True, None),
    ("LIST of 10,000 keys among {keys}, ms", ("list_10000", "median_ms"), False, 3),
    ("LIST with delimiter, ms", ("list_delimiter", "median_ms"), False, 3),
    ("10,000 uploads of the same 100 KB, per second", ("equal", "rps"), True, None),
    ("resident memory while doing all that, most, MB", ("memory", "most_mb"), False, None),
]
REGISTRY_ROWS = [
    ("push of 1 GiB, MB/s", ("big_push", "mb_per_s"), True, 1),
    ("pull of 1 GiB, MB/s", ("big_pull", "mb_per_s"), True, 1),
    ("10 KB blobs pushed, per second, c=1", ("small_push_c1", "rps"), True, None),
    ("10 KB blobs pushed, per second, c=8", ("small_push_c8", "rps"), True, 3),
    ("10 KB blobs pulled, per second, c=8", ("small_pull_c8", "rps"), True, 3),
    ("manifests PUT, per second, c=8", ("manifest_put_c8", "rps"), True, 3),
    ("manifests GET by tag, per second, c=8", ("manifest_get_tag_c8", "rps"), True, 3),
    ("manifests GET by digest, per second, c=8", ("manifest_get_digest_c8", "rps"), True, 3),
    ("blobs HEAD, per second, c=8", ("blob_head_c8", "rps"), True, 3),
    ("resident memory while doing all that, most, MB", ("memory", "most_mb"), False, None),
]


class Box(Drydock):
    """Drydock with an S3 key."""

    def __init__(self, program, scratch):
        super().__init__(program, scratch)
        command = self.process.args
        value = lambda flag: command[command.index(flag) + 1]
        self.data = pathlib.Path(value("--data-dir"))
        self.s3, self.registry = f"http://{value('--s3')}", f"http://{value('--registry')}"
        made = subprocess.run([program, "s3-key", "create", "--data-dir", str(self.data), "--user", "admin"], check=True,
                              text=True, stdout=subprocess.PIPE)
        key = json.loads(made.stdout)
        self.keys = (key["access_key"], key["secret_key"])

    def pids(self):
        return [self.process.pid]

    def stop(self):
        self.process.terminate()
        self.process.wait(60)

    def stored_bytes(self):
        done = subprocess.run(["du", "-sb", str(self.data)], check=True, text=True, stdout=subprocess.PIPE)
        return int(done.stdout.split()[0])


def run(name, program, *args):
    done = subprocess.run([sys.executable, str(HERE / program), *map(str, args)], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=False)
    if done.returncode:
        raise SystemExit(f"{name}: {done.stderr[-2000:]}")
    found = json.loads(done.stdout)
    for key, value in found.items():
        if isinstance(value, dict) and value.get("errors"):
            raise SystemExit(f"{name}: {key}: {value}")
    return found


def watched(server, work):
    memories = [Memory(pid) for pid in server.pids()]
    found = work()
    figures = [memory.figures() for memory in memories]
    found["memory"] = {key: round(sum(one[key] for one in figures), 1) for key in figures[0]}
    return found


def in_turn(sides, round_):
    """Each goes first in every other round: what comes second finds a warmer machine, or a busier disk."""
    return sides if round_ % 2 == 0 else sides[::-1]


def table(title, rows, theirs, ours, results, **named):
    lines = [f"{title:<52} {theirs:>26} {ours:>26} {'ratio':>8} {'goal':>6}"]
    for name, path, more_is_better, goal in rows:
        a = [value for one in results[theirs] if (value := at(one, path)) is not None]
        b = [value for one in results[ours] if (value := at(one, path)) is not None]
        if not a or not b:
            continue
        ratio = statistics.median(b) / statistics.median(a)
        ratio = ratio if more_is_better else 1 / ratio
        want = f"{goal}×" if goal else ""
        lines.append(f"{name.format(**named):<52} {shown(a):>26} {shown(b):>26} {ratio:>7.2f}× {want:>6}")
    return "\n".join(lines)


def s3(args, box, scratch):
    ceph = Ceph(args.ceph, scratch)
    results, copies = {"ceph": [], "drydock": []}, []
    try:
        sides = [(ceph, ceph.url), (box, box.s3)]
        common = ["--seconds", args.seconds]
        for (server, url), count in zip(sides, (args.keys, args.our_keys)):
            print(f"s3: filling {server.name} with {count} keys", file=sys.stderr, flush=True)
            keys = ["--access-key", server.keys[0], "--secret-key", server.keys[1]]
            run(server.name, "s3_load.py", url, *keys, "--keys", count, "--only", "fill")
        for round_ in range(args.rounds):
            for server, url in in_turn(sides, round_):
                print(f"s3: round {round_ + 1} of {args.rounds}: {server.name}", file=sys.stderr, flush=True)
                keys = ["--access-key", server.keys[0], "--secret-key", server.keys[1]]
                load = lambda: run(server.name, "s3_load.py", url, *keys, *common, "--only", "big", "small", "listing")
                results[server.name].append(watched(server, load))
            copies.append(copied(scratch))
        keys = ["--access-key", box.keys[0], "--secret-key", box.keys[1]]
        before = box.stored_bytes()
        results["drydock"][-1].update(run("drydock", "s3_load.py", box.s3, *keys, "--only", "equal"))
        grown = box.stored_bytes() - before
    finally:
        ceph.stop()
    puts = [at(one, ("big_put", "mb_per_s")) for one in results["drydock"]]
    share = statistics.median(puts) / statistics.median(copies)
    text = table("S3", S3_ROWS, "ceph", "drydock", results, keys=f"{args.keys:,} or {args.our_keys:,}")
    text += f"\n{'cp and fsync of 1 GiB, MB/s; our PUT to it':<52} {'':>26} {shown(copies):>26} {share:>7.2f}× {'0.7×':>6}"
    text += f"\n10,000 uploads of the same 100 KB: the data folder grew by {grown / 1e6:.1f} MB, their rows included"
    return text, results


def registry(args, box, scratch):
    peer = DockerRegistry(scratch)
    results = {"docker-registry": [], "drydock": []}
    try:
        sides = [(peer, [peer.url]), (box, [box.registry, "--token", box.token])]
        for round_ in range(args.rounds):
            for server, where in in_turn(sides, round_):
                print(f"registry: round {round_ + 1} of {args.rounds}: {server.name}", file=sys.stderr, flush=True)
                load = lambda: run(server.name, "registry_load.py", *where, "--seconds", args.seconds)
                results[server.name].append(watched(server, load))
    finally:
        peer.stop()
    return table("OCI registry", REGISTRY_ROWS, "docker-registry", "drydock", results), results


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--drydock", required=True)
    parser.add_argument("--ceph", help="the program drydock-bench, which starts Ceph", required=True)
    parser.add_argument("--scratch", required=True, type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--keys", type=int, default=100_000, help="objects in Ceph's bucket that is listed")
    parser.add_argument("--our-keys", type=int, default=1_000_000, help="objects in Drydock's")
    parser.add_argument("--only", nargs="+", default=["s3", "registry"])
    parser.add_argument("--json", help="all raw figures go here")
    args = parser.parse_args()
    scratch = args.scratch / "compare-store"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    raw, box = {}, Box(args.drydock, scratch)
    try:
        for part in args.only:
            text, raw[part] = {"s3": s3, "registry": registry}[part](args, box, scratch)
            print(text, flush=True)
    finally:
        box.stop()
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(raw, indent=1))
    shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
