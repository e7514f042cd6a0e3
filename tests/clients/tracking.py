"""Runs, params, metrics, tags, artifacts and search, through the unmodified client; then read back and compared."""

import math
import pathlib

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException

experiment_id = mlflow.set_experiment("tracking").experiment_id
client = MlflowClient()

with mlflow.start_run(run_name="first", tags={"team": "a"}) as run:
    mlflow.log_param("depth", 3)
    mlflow.log_params({"rate": 0.1, "name": "Ä – ü"})
    for step in range(5):
        mlflow.log_metric("loss", 1 / (step + 1), step=step)
    mlflow.log_metrics({"accuracy": 0.9, "odd": math.nan}, step=4)
    mlflow.set_tag("stage", "dev")
    mlflow.log_text("hello", "notes/hello.txt")
    mlflow.log_dict({"a": [1, 2]}, "config.json")
    pathlib.Path("big.bin").write_bytes(bytes(range(256)) * 40_000)
    mlflow.log_artifact("big.bin", "data")

found = client.get_run(run.info.run_id)
assert found.info.status == "FINISHED" and found.info.run_name == "first", found.info
assert found.data.params == {"depth": "3", "rate": "0.1", "name": "Ä – ü"}, found.data.params
assert found.data.metrics["loss"] == 0.2 and math.isnan(found.data.metrics["odd"]), found.data.metrics
assert found.data.tags["team"] == "a" and found.data.tags["stage"] == "dev"

history = client.get_metric_history(run.info.run_id, "loss")
assert [(point.step, point.value) for point in history] == [(s, 1 / (s + 1)) for s in range(5)], history

names = {entry.path for entry in client.list_artifacts(run.info.run_id)}
assert names == {"notes", "config.json", "data"}, names
inner = client.list_artifacts(run.info.run_id, "data")
assert [(entry.path, entry.file_size, entry.is_dir) for entry in inner] == [("data/big.bin", 10_240_000, False)], inner
assert mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/notes/hello.txt") == "hello"
assert mlflow.artifacts.load_dict(f"runs:/{run.info.run_id}/config.json") == {"a": [1, 2]}
path = mlflow.artifacts.download_artifacts(f"runs:/{run.info.run_id}/data/big.bin")
assert pathlib.Path(path).read_bytes() == bytes(range(256)) * 40_000

# A parameter is written once; the same value again is fine.
client.log_param(run.info.run_id, "depth", "3")
try:
    client.log_param(run.info.run_id, "depth", "4")
    raise SystemExit("a parameter was overwritten")
except MlflowException as error:
    assert error.error_code == "INVALID_PARAMETER_VALUE", error.error_code

# A batch, twice: the second changes nothing.
with mlflow.start_run(run_name="second") as second:
    for _ in range(2):
        client.log_batch(
            second.info.run_id,
            metrics=[Metric("loss", 0.5, 1_000, 0), Metric("loss", 0.05, 2_000, 1)],
            params=[Param("depth", "5")],
            tags=[RunTag("team", "b")],
        )
assert len(client.get_metric_history(second.info.run_id, "loss")) == 2

# A run that fails says so.
try:
    with mlflow.start_run(run_name="broken") as broken:
        raise ValueError("on purpose")
except ValueError:
    pass
assert client.get_run(broken.info.run_id).info.status == "FAILED"


def names_of(query, **more):
    runs = client.search_runs([experiment_id], query, **more)
    return [run.info.run_name for run in runs]


assert names_of("metrics.loss < 0.1") == ["second"]
assert names_of("params.depth = '3' and tags.team = 'a'") == ["first"]
assert names_of("attributes.status = 'FAILED'") == ["broken"]
assert names_of("tags.team LIKE '%'", order_by=["metrics.loss DESC"]) == ["first", "second"]
assert set(names_of("")) == {"first", "second", "broken"}
page = client.search_runs([experiment_id], max_results=2)
assert len(page) == 2 and page.token
assert len(client.search_runs([experiment_id], max_results=2, page_token=page.token)) == 1
frame = mlflow.search_runs(["%s" % experiment_id], "metrics.accuracy > 0.8")
assert list(frame["params.depth"]) == ["3"], frame

# Deleting and bringing back.
client.delete_run(broken.info.run_id)
assert "broken" not in names_of("")
client.restore_run(broken.info.run_id)
assert "broken" in names_of("")

for bad in ["no such run", "0" * 32]:
    try:
        client.get_run(bad)
        raise SystemExit("a run that is not there was found")
    except MlflowException as error:
        assert error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"), error.error_code

assert mlflow.get_experiment_by_name("tracking").experiment_id == experiment_id
assert "tracking" in [one.name for one in client.search_experiments()]
print("tracking: all as logged")
