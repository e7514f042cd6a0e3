"""Makes a history with the real mlflow client: an `mlruns` folder, an SQLite store with its artifact folder, or into a server.

    make_mlflow_history.py TRACKING_URI [--runs N] [--artifacts DIR] [--only-describe] [--out FILE]

Prints one JSON object: what was made, as the client reads it back. `describe` alone is what tests compare two stores by.
"""

import argparse
import json
import math
import os
import sys
import tempfile

os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag, ViewType

V3 = int(mlflow.__version__.split(".")[0]) >= 3
# Tags that say where a trace's files are.
PLACES = {"mlflow.artifactLocation", "mlflow.trace.spansLocation"}
PYFUNC = "flavors:\n  python_function:\n    loader_module: mlflow.sklearn\n    python_version: 3.11.0\nmodel_uuid: 0\n"


def make(uri, runs, artifacts):
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    client = MlflowClient()
    location = (lambda name: os.path.join(os.path.abspath(artifacts), name)) if artifacts else (lambda name: None)
    wine = client.create_experiment("wine", location("wine"), {"team": "grapes", "mlflow.note.content": "Größe: ünï\nzweite"})
    gone = client.create_experiment("gone", location("gone"))
    first = None
    for number in range(runs):
        run = client.create_run(wine, start_time=1_700_000_000_000 + number, run_name=f"run {number}", tags={"n": str(number)})
        run_id = run.info.run_id
        first = first or run_id
        points = [Metric("loss", 1 / (step + 1), 1_700_000_000_000 + step, step) for step in range(5)]
        odd = [
            Metric("odd/nan", math.nan, 1_700_000_000_001, 0),
            Metric("odd/inf", math.inf, 1_700_000_000_002, 1),
            Metric("odd/ninf", -math.inf, 1_700_000_000_003, 2),
            Metric("odd/step", 0.1, 1_700_000_000_004, 2**62),
            Metric("odd/neg", 1e-300, 1_700_000_000_005, -7),
        ]
        params = [Param("lr", str(0.1 * number)), Param("model/depth", "3"), Param("text", "zwei Zeilen\nund ü")]
        client.log_batch(run_id, points + (odd if number == 0 else []), params, [RunTag("kind", "a" if number % 2 else "b")])
        if number == 0:
            # the same point twice, and an older one after a newer one
            client.log_metric(run_id, "loss", 9.0, 1_700_000_000_000, 0)
            client.log_metric(run_id, "loss", 9.0, 1_700_000_000_000, 0)
            client.log_text(run_id, "hello ü", "notes/a b.txt")
            client.log_dict(run_id, {"a": 1}, "config.json")
            with tempfile.TemporaryDirectory() as folder:
                with open(os.path.join(folder, "big.bin"), "wb") as file:
                    file.write(bytes(range(256)) * 1024)
                client.log_artifacts(run_id, folder, "data")
            client.log_text(run_id, PYFUNC, "model/MLmodel")
            client.log_text(run_id, "weights", "model/model.pkl")
            dataset = Dataset("grapes", "abc123", "local", '{"uri": "x"}', '{"s": 1}', '{"rows": 3}')
            client.log_inputs(run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])])
        client.set_terminated(run_id, ["FINISHED", "FAILED", "KILLED"][number % 3], 1_700_000_100_000 + number)
    deleted = client.create_run(wine, run_name="deleted run").info.run_id
    client.log_param(deleted, "p", "1")
    client.delete_run(deleted)
    client.create_run(wine, run_name="still going")
    inside = client.create_run(gone, run_name="in gone").info.run_id
    client.log_metric(inside, "m", 1.0)
    client.delete_experiment(gone)
    client.create_registered_model("grapes", {"stage": "lab"}, "All about grapes")
    client.create_registered_model("empty")
    for number in range(3):
        client.create_model_version("grapes", f"runs:/{first}/model", first, {"v": str(number)}, description=f"try {number}")
    client.delete_model_version("grapes", "2")
    client.set_registered_model_alias("grapes", "champion", "3")
    client.set_registered_model_alias("grapes", "old", "1")
    client.transition_model_version_stage("grapes", "1", "Production")
    if V3:
        make_v3(client, wine, first)
    else:
        make_traces_2(client, wine)


def make_traces_2(client, experiment):
    """Traces as clients before 3.0 log them: a head in the store, the spans as a file; one is still going."""
    mlflow.set_experiment(experiment_id=experiment)
    with mlflow.start_run(run_id=client.create_run(experiment, run_name="with a trace").info.run_id):
        root = client.start_trace("answer", inputs={"question": "größer?", "list": [1, 2.5, None]}, tags={"team": "grapes"})
        child = client.start_span("model", root.request_id, parent_id=root.span_id, span_type="LLM", inputs="[1, 2]", attributes={"temperature": 0.1, "on": True})
        client.end_span(root.request_id, child.span_id, outputs={"b": None})
        client.end_trace(root.request_id, outputs={"answer": 42})
    broken = client.start_trace("breaks", span_type="TOOL")
    client.end_trace(broken.request_id, status="ERROR")
    client.set_trace_tag(broken.request_id, "stage", "prod")


def make_v3(client, experiment, run_id):
    model = client.create_logged_model(experiment, "net", run_id, {"quality": "good"}, {"depth": "3"}, "sklearn")
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "MLmodel"), "w") as file:
            file.write(PYFUNC)
        client.log_model_artifacts(model.model_id, folder)
    client.finalize_logged_model(model.model_id, "READY")
    client.log_batch(run_id, [Metric("accuracy", 0.9, 1_700_000_000_900, 1, model_id=model.model_id)])
    client.create_model_version("grapes", model.model_uri, run_id, model_id=model.model_id)
    with mlflow.start_run(run_id=client.create_run(experiment, run_name="with output").info.run_id):
        mlflow.log_outputs([mlflow.entities.LoggedModelOutput(model.model_id, 4)])
    make_traces(client, experiment, run_id)


def make_traces(client, experiment, run_id):
    from mlflow.entities import AssessmentSource, SpanEvent

    mlflow.set_experiment(experiment_id=experiment)
    with mlflow.start_run(run_id=client.create_run(experiment, run_name="with a trace").info.run_id):
        with mlflow.start_span("answer", span_type="CHAIN") as root:
            root.set_inputs({"question": "größer?\n\"[1]\"", "list": [1, 2.5, None]})
            mlflow.update_current_trace(
                tags={"team": "grapes"}, metadata={"mlflow.trace.session": "s-1", "long": "x" * 240}, client_request_id="c-1"
            )
            with mlflow.start_span("model", span_type="LLM") as span:
                span.set_inputs("[1, 2]")
                span.set_attribute("mlflow.chat.tokenUsage", {"input_tokens": 30, "output_tokens": 4, "total_tokens": 34})
                span.set_attributes({"temperature": 0.1, "tiny": 1e-300, "nothing": None, "on": True, "big": 2**53 + 1, "map": {"z": 1, "a": []}})
                span.add_event(SpanEvent("first token", attributes={"n": 1, "words": ["x"]}))
            root.set_outputs({"answer": 42})
    good = mlflow.get_last_active_trace_id()
    try:
        with mlflow.start_span("breaks", span_type="TOOL"):
            raise ValueError("no such tool")
    except ValueError:
        pass
    bad = mlflow.get_last_active_trace_id()
    mlflow.flush_trace_async_logging()
    human = AssessmentSource("HUMAN", "ann")
    first = mlflow.log_feedback(
        trace_id=good, name="correct", value="no", rationale="too: short #1", metadata={"k": "1e5"}, source=human, span_id=span.span_id
    )
    mlflow.log_feedback(trace_id=good, name="score", value=0.75, source=AssessmentSource("LLM_JUDGE", "judge"))
    mlflow.log_feedback(trace_id=bad, name="score", error=RuntimeError("judge is away"))
    mlflow.log_expectation(trace_id=good, name="answer", value={"answer": [42], "a": "1e5"})
    mlflow.override_feedback(trace_id=good, assessment_id=first.assessment_id, value=True)
    client.set_trace_tag(bad, "stage", "prod")
    if mlflow.get_tracking_uri().startswith(("sqlite", "http")):
        client.link_traces_to_run([bad], run_id)


def describe_traces(experiment, first_run):
    """All traces of an experiment; where their files are may change."""
    told = {}
    for trace in mlflow.search_traces(locations=[experiment], return_type="list"):
        info = trace.info
        told[info.trace_id] = {
            "state": str(info.state), "start": info.request_time, "duration": info.execution_duration,
            "client_request_id": info.client_request_id, "request": info.request_preview, "response": info.response_preview,
            "tags": {k: v for k, v in info.tags.items() if k not in PLACES}, "metadata": info.trace_metadata,
            "usage": info.token_usage, "assessments": sorted((describe_assessment(a) for a in info.assessments), key=str),
            "spans": [
                {
                    "id": span.span_id, "parent": span.parent_id, "name": span.name, "type": span.span_type, "start": span.start_time_ns,
                    "end": span.end_time_ns, "status": str(span.status), "inputs": span.inputs, "outputs": span.outputs,
                    "attributes": span.attributes, "events": [[e.name, e.timestamp, {k: str(v) for k, v in e.attributes.items()}] for e in span.events],
                }
                for span in sorted(trace.data.spans, key=lambda span: span.start_time_ns)
            ],
        }
        assert mlflow.get_trace(info.trace_id).info.trace_id == info.trace_id
    if first_run:
        for trace in mlflow.search_traces(locations=[experiment], filter_string=f"run_id = '{first_run}'", return_type="list"):
            told[trace.info.trace_id]["linked to"] = first_run
    return told


def describe_traces_2(client, experiment):
    told = {}
    for info in (trace.info for trace in client.search_traces([experiment])):
        spans = client.get_trace(info.request_id).data.spans
        told[info.request_id] = {
            "status": str(info.status), "start": info.timestamp_ms, "duration": info.execution_time_ms, "metadata": info.request_metadata,
            "tags": {k: v for k, v in info.tags.items() if k not in PLACES},
            "spans": [
                [span.span_id, span.parent_id, span.name, span.span_type, span.start_time_ns, span.end_time_ns, str(span.status), span.inputs, span.outputs, span.attributes]
                for span in spans
            ],
        }
    return told


def describe_assessment(it):
    said = it.to_dictionary()
    if it.error:
        said["feedback"]["error"].pop("stack_trace", None)
    if it.expectation:
        # the client drops it where it reads an expectation from a server
        said.pop("valid", None)
    return said


def number(value):
    # MLflow's database keeps infinities as the largest double
    if abs(value) == sys.float_info.max:
        value = math.copysign(math.inf, value)
    return value if math.isfinite(value) else str(value)


def every(search, **how):
    found, token = [], None
    while True:
        page = search(page_token=token, **how)
        found += page
        token = page.token
        if not token:
            return found


def files(client, run_id, path=None):
    found = {}
    for entry in client.list_artifacts(run_id, path):
        if entry.is_dir:
            found.update(files(client, run_id, entry.path))
        else:
            found[entry.path] = entry.file_size
    return found


def describe(uri, contents=True):
    """All of a store as plain data; ids of experiments and places of artifacts left out, since those may change."""
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    client = MlflowClient()
    experiments = every(client.search_experiments, view_type=ViewType.ALL)
    told = {"experiments": {}, "runs": {}, "models": {}, "versions": {}, "logged_models": {}, "traces": {}}
    for experiment in experiments:
        told["experiments"][experiment.name] = {"stage": experiment.lifecycle_stage, "tags": {k: v for k, v in sorted(experiment.tags.items()) if not k.startswith("drydock.")}}
        ids = [experiment.experiment_id]
        for run in every(client.search_runs, experiment_ids=ids, run_view_type=ViewType.ALL):
            told["runs"][run.info.run_id] = describe_run(client, experiment.name, run, contents)
        if not V3:
            told["traces"].update(describe_traces_2(client, experiment.experiment_id))
        else:
            told["traces"].update(describe_traces(experiment.experiment_id, run_named(client, ids, "run 0")))
            for model in every(client.search_logged_models, experiment_ids=ids):
                told["logged_models"][model.model_id] = {
                    "name": model.name, "type": model.model_type, "run": model.source_run_id, "status": str(model.status),
                    "tags": {k: v for k, v in model.tags.items() if k != "mlflow.modelVersions"}, "params": model.params, "created": model.creation_timestamp,
                    "metrics": sorted([m.key, m.value, m.step, m.timestamp] for m in model.metrics or []),
                }
    for model in every(client.search_registered_models):
        aliases = {alias: str(version) for alias, version in sorted(model.aliases.items())}
        told["models"][model.name] = {"description": model.description or "", "tags": model.tags, "aliases": aliases, "created": model.creation_timestamp}
    for version in every(client.search_model_versions):
        full = client.get_model_version(version.name, version.version)
        told["versions"][f"{full.name}/{full.version}"] = {
            "run": full.run_id, "description": full.description or "", "tags": full.tags, "stage": full.current_stage,
            "aliases": sorted(full.aliases), "created": full.creation_timestamp, "status": full.status,
        }
    return told


def run_named(client, experiments, name):
    found = client.search_runs(experiments, f"attributes.run_name = '{name}'")
    return found[0].info.run_id if found else None


def describe_run(client, experiment, run, contents):
    info, data = run.info, run.data
    history = {}
    for key in data.metrics:
        points = {(m.step, m.timestamp, number(m.value)) for m in client.get_metric_history(info.run_id, key)}
        history[key] = sorted([list(point) for point in points], key=str)
    told = {
        "experiment": experiment, "name": info.run_name, "status": info.status, "stage": info.lifecycle_stage,
        "start": info.start_time, "end": info.end_time, "user": info.user_id, "params": data.params,
        "tags": {k: v for k, v in data.tags.items() if not k.startswith("drydock.")}, "metrics": {k: number(v) for k, v in data.metrics.items()}, "history": history,
        "datasets": [[d.dataset.name, d.dataset.digest, d.dataset.source, d.dataset.schema, [[t.key, t.value] for t in d.tags]] for d in run.inputs.dataset_inputs],
    }
    if V3 and run.outputs and run.outputs.model_outputs:
        told["outputs"] = [[o.model_id, o.step] for o in run.outputs.model_outputs]
    if contents:
        told["files"] = files(client, info.run_id)
        if "notes/a b.txt" in told["files"]:
            with tempfile.TemporaryDirectory() as folder:
                with open(client.download_artifacts(info.run_id, "notes/a b.txt", folder)) as file:
                    told["text"] = file.read()
    return told


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("uri")
    parser.add_argument("--runs", type=int, default=6)
    parser.add_argument("--artifacts")
    parser.add_argument("--only-describe", action="store_true")
    parser.add_argument("--out", help="file for the JSON instead of standard output")
    asked = parser.parse_args()
    if not asked.only_describe:
        make(asked.uri, asked.runs, asked.artifacts)
    with open(asked.out, "w") if asked.out else sys.stdout as out:
        json.dump(describe(asked.uri), out, sort_keys=True, indent=1)
