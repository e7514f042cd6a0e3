"""Reads what a deployment captured with pandas, out of its bucket: how many rows, and that they are what was asked and answered."""

import io
import os
import sys

import pandas
import requests

base, headers = os.environ["MLFLOW_TRACKING_URI"], {"Authorization": "Bearer " + os.environ["MLFLOW_TRACKING_TOKEN"]}
name = sys.argv[1]


def get(path):
    answer = requests.get(base + path, headers=headers, timeout=30)
    answer.raise_for_status()
    return answer


files = get(f"/api/v1/deployments/{name}/captured/files").json()["items"]
listed = get(f"/api/v1/buckets/drydock-captured/objects?prefix={name}/&search=.parquet").json()
assert {one["key"] for one in listed["objects"]} == {one["key"] for one in files}, (listed, files)
frames = [pandas.read_parquet(io.BytesIO(get(one["download"]).content)) for one in files]
assert [len(frame) for frame in frames] == [one["rows"] for one in files], files
frame = pandas.concat(frames)
assert "input.secret" not in frame.columns and not frame.to_csv().count("hidden"), frame.columns
assert str(frame["at"].dtype).startswith("datetime64[ms, UTC"), frame.dtypes
good = frame[frame["status"] == 200]
assert (good["prediction.0"] == good["input.x"].map(lambda x: "high" if x > 50 else "low")).all(), good
assert set(good["version"]) == {1} and set(good["caller"]) == {"admin"}, good
assert (good["latency_ms"] > 0).all() and good["request_id"].notna().all()
print("rows", len(frame), "good", len(good))
