"""The work where the Python load program is slower than Drydock, measured with clients in C: curl for the artifact of 1 GiB, wrk for
small artifacts and for batches of points. The same requests go to both servers."""

import json
import os
import pathlib
import re
import subprocess
import tempfile
import time
import urllib.request

API = "/api/2.0/mlflow"
FILES = "/api/2.0/mlflow-artifacts/artifacts"

# Each connection goes through the files in turn.
GET = """
local n = 0
function request()
  n = n + 1
  return wrk.format("GET", string.format("%s/small/%d.bin", FILES, n % 100))
end
"""

# 10 keys with 100 steps each; no two requests log the same points.
BATCH = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
local n = 0
function request()
  local points = {}
  for i = 0, 999 do
    points[i + 1] = string.format('{"key":"metric_%d","value":%.6f,"timestamp":%d,"step":%d}',
      i % 10, i / 7, 1700000000000 + n, n * 100 + math.floor(i / 10))
  end
  n = n + 1
  return wrk.format(nil, PATH, nil, '{"run_id":"' .. RUN .. '","metrics":[' .. table.concat(points, ",") .. "]}")
end
"""


def call(server, method, path, body=None):
    data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
    headers = {"Content-Type": "application/octet-stream" if isinstance(body, bytes) else "application/json"}
    if server.token:
        headers["Authorization"] = f"Bearer {server.token}"
    request = urllib.request.Request(server.url + path, data=data, method=method, headers=headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.read()


def curl(server, path, *more):
    """Seconds that a transfer took."""
    command = ["curl", "--silent", "--show-error", "--fail", "--output", "/dev/null", "--header", "Expect:", *more, server.url + path]
    if server.token:
        command[1:1] = ["--header", f"Authorization: Bearer {server.token}"]
    begin = time.perf_counter()
    subprocess.run(command, check=True)
    return time.perf_counter() - begin


def wrk(server, seconds, script):
    """Answers per second from eight connections; every one of them must be a success."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script)
        file.flush()
        command = ["wrk", "-t1", "-c8", f"-d{max(1, round(seconds))}", "--timeout", "30", "-s", file.name, server.url]
        if server.token:
            command[1:1] = ["-H", f"Authorization: Bearer {server.token}"]
        said = subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout
    if "Non-2xx" in said or "Socket errors" in said:
        raise SystemExit(f"{server.name}: {said}")
    return float(re.search(r"Requests/sec:\s*([\d.]+)", said).group(1))


def measure(server, seconds, gib: pathlib.Path):
    found = {}
    size = gib.stat().st_size
    os.sync()
    found["up_mb_per_s"] = round(size / curl(server, f"{FILES}/large.bin", "--upload-file", str(gib)) / 1e6, 1)
    found["down_mb_per_s"] = round(size / curl(server, f"{FILES}/large.bin") / 1e6, 1)
    for n in range(100):
        call(server, "PUT", f"{FILES}/small/{n}.bin", os.urandom(10 * 1024))
    found["get_10kb_rps"] = wrk(server, seconds, f'local FILES = "{FILES}"\n{GET}')
    run = json.loads(call(server, "POST", f"{API}/runs/create", {"experiment_id": "0"}))["run"]["info"]["run_id"]
    script = f'local PATH, RUN = "{API}/runs/log-batch", "{run}"\n{BATCH}'
    found["points_per_s"] = round(1000 * wrk(server, seconds, script))
    return found
