#!/usr/bin/env python3
"""Drydock beside MLflow's own server, the same load on both in turns, and a table of medians.

    compare_mlflow.py --drydock BINARY --mlflow ENVIRONMENT/bin/mlflow --scratch DIR [--rounds 3] [--seconds 3] [--json FILE]

Both servers keep their data on the same disk and listen on loopback. MLflow runs as `mlflow server` starts by itself (its
default workers, SQLite, proxied artifacts, no login); Drydock as `drydock serve` does, with a token checked on every request.
Each round runs the phases on one server, then on the other (A B A B …); figures are medians over the rounds, with the least
and the greatest beside them. Everything is bounded in count or time, and both servers are ended at the end.
"""

import argparse
import json
import os
import pathlib
import shutil
import socket
import statistics
import subprocess
import sys
import threading
import time
import urllib.request

import fast_client

HERE = pathlib.Path(__file__).resolve().parent
LOAD = HERE / "mlflow_load.py"
PASSWORD = "correct horse battery staple"
PHASES = ["health", "create", "log_metric", "log_batch", "get", "history", "artifacts"]

# name, where in the load program's answer, whether more is better, goal as a ratio
ROWS = [
    ("GET /health, per second, c=8", ("health_c8", "rps"), True, None),
    ("runs/create, per second, c=8", ("runs_create_c8", "rps"), True, 20),
    ("log-metric, per second, c=8", ("log_metric_c8", "rps"), True, 20),
    ("log-batch, points per second, c=8", ("log_batch_1000_c8", "points_per_s"), True, 20),
    ("runs/get with 50 params and metrics, per second, c=8", ("runs_get_c8", "rps"), True, 20),
    ("runs/search over 10,000 runs, p50 ms, c=1", ("runs_search_c1", "p50_ms"), False, None),
    ("runs/search over 10,000 runs, p99 ms, c=1", ("runs_search_c1", "p99_ms"), False, 20),
    ("runs/search over 10,000 runs, p99 ms, c=8", ("runs_search_c8", "p99_ms"), False, 20),
    ("history of 100,000 points, p50 ms, c=1", ("get_history_c1", "p50_ms"), False, 10),
    ("artifact of 1 GiB up, MB/s", ("artifact_upload", "mb_per_s"), True, 1),
    ("artifact of 1 GiB down, MB/s", ("artifact_download", "mb_per_s"), True, 3),
    ("artifacts of 10 KB PUT, per second, c=8", ("artifact_10kb_put_c8", "rps"), True, 8),
    ("artifacts of 10 KB GET, per second, c=8", ("artifact_10kb_get_c8", "rps"), True, 20),
    ("curl: artifact of 1 GiB up, MB/s", ("fast", "up_mb_per_s"), True, 1),
    ("curl: artifact of 1 GiB down, MB/s", ("fast", "down_mb_per_s"), True, 3),
    ("wrk: artifacts of 10 KB GET, per second, c=8", ("fast", "get_10kb_rps"), True, 20),
    ("wrk: log-batch, points per second, c=8", ("fast", "points_per_s"), True, 20),
    ("resident memory while doing all that, most, MB", ("memory", "most_mb"), False, 10),
    ("resident memory while doing all that, median, MB", ("memory", "median_mb"), False, 10),
    ("resident memory after it all, MB", ("usage_after", "rss_mb"), False, 10),
]


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def wait_for(url, process, seconds=120):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            raise SystemExit(f"the server for {url} ended with {process.returncode}")
        try:
            urllib.request.urlopen(url, timeout=2).read()
            return
        except OSError:
            time.sleep(0.2)
    raise SystemExit(f"{url} does not answer")


class MLflow:
    name = "mlflow"
    token = None

    def __init__(self, program, scratch):
        data = scratch / "mlflow"
        data.mkdir()
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        quiet = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
        # These slow a current numpy down on some machines; the server's work must not suffer from them.
        for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
            quiet.pop(name, None)
        self.process = subprocess.Popen(
            [program, "server", "--port", str(port), "--backend-store-uri", f"sqlite:///{data}/mlflow.db",
             "--artifacts-destination", str(data / "artifacts"), "--serve-artifacts"],
            cwd=data, env=quiet, stdout=open(data / "log", "wb"), stderr=subprocess.STDOUT,
        )
        wait_for(f"{self.url}/health", self.process)


class Drydock:
    name = "drydock"

    def __init__(self, program, scratch):
        data = scratch / "drydock"
        http, s3, registry = (f"127.0.0.1:{free_port()}" for _ in range(3))
        self.url = f"http://{http}"
        at = ["--data-dir", str(data)]
        subprocess.run([program, "admin", "create", *at, "--username", "admin", "--password-stdin"],
                       input=f"{PASSWORD}\n", text=True, check=True, stdout=subprocess.DEVNULL)
        made = subprocess.run([program, "token", "create", *at, "--user", "admin", "--name", "bench"],
                              check=True, text=True, stdout=subprocess.PIPE)
        self.token = made.stdout.strip()
        self.process = subprocess.Popen(
            [program, "serve", *at, "--http", http, "--s3", s3, "--registry", registry],
            stdout=open(scratch / "drydock.log", "wb"), stderr=subprocess.STDOUT,
        )
        wait_for(f"{self.url}/healthz", self.process)


class Memory(threading.Thread):
    """Resident memory of a server and its children, twice a second, until it is asked for. What several of them share counts once
    for each, as in the load program's figure."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.over, self.seen = pid, threading.Event(), []
        self.start()

    def run(self):
        while not self.over.wait(0.5):
            self.seen.append(sum(map(self.resident, self.tree(self.pid))) / 1e6)

    def tree(self, pid):
        try:
            children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        except OSError:
            return []
        return [pid, *(one for child in children for one in self.tree(int(child)))]

    @staticmethod
    def resident(pid):
        try:
            return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except OSError:
            return 0

    def figures(self):
        self.over.set()
        self.join()
        return {"most_mb": round(max(self.seen), 1), "median_mb": round(statistics.median(self.seen), 1)}


def load(server, seconds, *more):
    command = [sys.executable, str(LOAD), server.url, "--pid", str(server.process.pid), "--quickack",
               "--seconds", str(seconds), "--concurrency", "1", "8", *more]
    if server.token:
        command += ["--token", server.token]
    done = subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    found = json.loads(done.stdout)
    failed = {key: value for key, value in found.items() if key.endswith("_failed")}
    if failed:
        raise SystemExit(f"{server.name}: {failed}")
    for key, value in found.items():
        if isinstance(value, dict) and value.get("errors"):
            raise SystemExit(f"{server.name}: {key}: {value}")
    return found


def gib_of_noise(scratch):
    source = scratch / "source"
    if not source.exists():
        with open(source, "wb") as file:
            for _ in range(1024):
                file.write(os.urandom(1 << 20))
    return source


def copied(scratch):
    """MB/s of `cp` and fsync of 1 GiB, for comparison with uploads."""
    source, copy = gib_of_noise(scratch), scratch / "copy"
    os.sync()
    begin = time.perf_counter()
    subprocess.run(["cp", source, copy], check=True)
    with open(copy, "rb") as file:
        os.fsync(file.fileno())
    took = time.perf_counter() - begin
    copy.unlink()
    return round((1 << 30) / took / 1e6, 1)


def at(found, path):
    for key in path:
        found = found.get(key) if isinstance(found, dict) else None
    return found


def shown(values):
    middle = statistics.median(values)
    return f"{middle:,.1f} ({min(values):,.1f}–{max(values):,.1f})"


def table(results, copies):
    lines = [f"{'work':<54} {'mlflow':>26} {'drydock':>26} {'ratio':>8} {'goal':>6}"]
    for name, path, more_is_better, goal in ROWS:
        theirs = [value for one in results["mlflow"] if (value := at(one, path)) is not None]
        ours = [value for one in results["drydock"] if (value := at(one, path)) is not None]
        if not theirs or not ours:
            continue
        a, b = statistics.median(theirs), statistics.median(ours)
        ratio = b / a if more_is_better else a / b
        want = f"{goal}×" if goal else ""
        lines.append(f"{name:<54} {shown(theirs):>26} {shown(ours):>26} {ratio:>7.1f}× {want:>6}")
    ups = [value for one in results["drydock"] if (value := at(one, ("fast", "up_mb_per_s")))]
    if ups and copies:
        share = statistics.median(ups) / statistics.median(copies)
        name = "cp and fsync of 1 GiB, MB/s; our upload by curl to it"
        lines.append(f"{name:<54} {'':>26} {shown(copies):>26} {share:>7.2f}× {'0.7×':>6}")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--drydock", required=True)
    parser.add_argument("--mlflow", required=True)
    parser.add_argument("--scratch", required=True, type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--runs", type=int, default=10_000, help="runs to search over")
    parser.add_argument("--phases", nargs="+", default=PHASES)
    parser.add_argument("--json", help="all raw figures go here")
    args = parser.parse_args()

    scratch = args.scratch / "compare-mlflow"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    servers = []
    results = {"mlflow": [], "drydock": []}
    copies = []
    try:
        servers = [MLflow(args.mlflow, scratch), Drydock(args.drydock, scratch)]
        experiments = {}
        for round_ in range(args.rounds):
            for server in servers:
                print(f"round {round_ + 1} of {args.rounds}: {server.name}", file=sys.stderr, flush=True)
                memory = Memory(server.process.pid)
                found = load(server, args.seconds, "--only", *args.phases) if args.phases else {}
                if args.runs:
                    known = experiments.get(server.name)
                    again = ["--search-experiment", known] if known else []
                    searched = load(server, args.seconds, "--only", "search", "--runs", str(args.runs), *again)
                    experiments[server.name] = searched["search_experiment"]
                    found = {**searched, **{key: value for key, value in found.items() if key not in ("usage_after",)},
                             "usage_after": searched["usage_after"]}
                if "artifacts" in args.phases:
                    found["fast"] = fast_client.measure(server, args.seconds, gib_of_noise(scratch))
                found["memory"] = memory.figures()
                results[server.name].append(found)
            if "artifacts" in args.phases:
                copies.append(copied(scratch))
    finally:
        for server in servers:
            server.process.terminate()
        for server in servers:
            try:
                server.process.wait(30)
            except subprocess.TimeoutExpired:
                server.process.kill()
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps({"results": results, "copies": copies}, indent=1))
    shutil.rmtree(scratch, ignore_errors=True)
    print(table(results, copies))


if __name__ == "__main__":
    main()
