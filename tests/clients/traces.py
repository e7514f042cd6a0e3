"""Traces through the unmodified clients: MLflow's tracing, its searches and judgements, and OpenTelemetry's own exporter. What
was logged is read back and compared; each call here is one that MLflow's own server answers alike."""

import gzip
import json
import os
import time

import mlflow
import requests
from mlflow import MlflowClient
from mlflow.entities import AssessmentSource, Feedback, SpanEvent
from mlflow.exceptions import MlflowException
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

url = os.environ["MLFLOW_TRACKING_URI"]
headers = {"Authorization": f"Bearer {os.environ['MLFLOW_TRACKING_TOKEN']}"}
experiment_id = mlflow.set_experiment("traces").experiment_id
client = MlflowClient()


def refused(call, code):
    try:
        call()
    except MlflowException as error:
        assert error.error_code == code, (error.error_code, error)
        return str(error)
    raise SystemExit(f"{call} was not refused")


@mlflow.trace(span_type="RETRIEVER")
def look_up(question):
    return ["a", {"b": None}]


@mlflow.trace(span_type="TOOL")
def breaks():
    raise ValueError("no such tool")


@mlflow.trace(name="answer", attributes={"big": 2**53 + 1})
def answer(question, fails=False):
    mlflow.update_current_trace(
        tags={"team": "search"}, metadata={"mlflow.trace.session": "s-1", "mlflow.trace.user": "ann"}
    )
    with mlflow.start_span("model", span_type="LLM") as span:
        span.set_inputs({"messages": [{"role": "user", "content": question}]})
        span.set_attribute("mlflow.chat.tokenUsage", {"input_tokens": 30, "output_tokens": 4, "total_tokens": 34})
        span.set_attributes({"temperature": 0.5, "nothing": None, "on": True, "list": [], "map": {}, "text": ""})
        span.add_event(SpanEvent("first token", attributes={"n": 1, "words": ["x"]}))
    look_up(question)
    if fails:
        breaks()
    return {"answer": 42}


# Logged in a run, read back whole.
with mlflow.start_run() as run:
    answer("What is six times seven?")
good = mlflow.get_last_active_trace_id()
mlflow.flush_trace_async_logging()
trace = mlflow.get_trace(good)
assert trace.info.state == "OK" and trace.info.experiment_id == experiment_id, trace.info
assert [span.name for span in trace.data.spans] == ["answer", "model", "look_up"], trace.data.spans
root, model, found = trace.data.spans
assert root.inputs == {"question": "What is six times seven?", "fails": False} and root.outputs == {"answer": 42}
assert root.get_attribute("big") == 2**53 + 1 and model.parent_id == root.span_id
assert found.span_type == "RETRIEVER" and found.outputs == ["a", {"b": None}]
for key, value in {"temperature": 0.5, "nothing": None, "on": True, "list": [], "map": {}, "text": ""}.items():
    assert model.get_attribute(key) == value, (key, model.get_attribute(key))
assert [(event.name, event.attributes["n"]) for event in model.events] == [("first token", 1)], model.events
assert trace.info.token_usage == {"input_tokens": 30, "output_tokens": 4, "total_tokens": 34}, trace.info.token_usage
assert trace.info.tags["team"] == "search" and trace.info.trace_metadata["mlflow.trace.session"] == "s-1"
assert trace.info.request_preview == '{"question": "What is six times seven?", "fails": false}', trace.info.request_preview

# One that fails keeps its error.
try:
    answer("And nine?", fails=True)
except ValueError:
    pass
bad = mlflow.get_last_active_trace_id()
mlflow.flush_trace_async_logging()
trace = mlflow.get_trace(bad)
assert trace.info.state == "ERROR", trace.info
broken = next(span for span in trace.data.spans if span.name == "breaks")
assert broken.status.status_code == "ERROR" and broken.events[0].name == "exception", broken.events

# Judgements.
feedback = mlflow.log_feedback(
    trace_id=good, name="correct", value="no", rationale="too short", metadata={"k": "v"},
    source=AssessmentSource("HUMAN", "ann"), span_id=model.span_id,
)
mlflow.log_feedback(trace_id=good, name="score", value=0.75, source=AssessmentSource("LLM_JUDGE", "judge"))
mlflow.log_feedback(trace_id=bad, name="score", error=RuntimeError("judge is away"))
expected = mlflow.log_expectation(trace_id=good, name="answer", value={"answer": [42]})
mlflow.update_assessment(good, feedback.assessment_id, Feedback(name="correct", value="maybe", rationale="think again"))
newer = mlflow.override_feedback(trace_id=good, assessment_id=feedback.assessment_id, value="yes")
old = mlflow.get_assessment(good, feedback.assessment_id)
assert old.value == "maybe" and old.rationale == "think again" and not old.valid and old.metadata == {"k": "v"}, old
assert newer.overrides == feedback.assessment_id and mlflow.get_assessment(good, newer.assessment_id).value == "yes"
assert mlflow.get_assessment(good, expected.assessment_id).value == {"answer": [42]}
assert len(mlflow.get_trace(good).info.assessments) == 4
mlflow.delete_assessment(trace_id=good, assessment_id=newer.assessment_id)
assert mlflow.get_assessment(good, feedback.assessment_id).valid
refused(lambda: mlflow.get_assessment(good, newer.assessment_id), "RESOURCE_DOES_NOT_EXIST")
refused(lambda: mlflow.log_feedback(trace_id="tr-none", name="x", value=1), "RESOURCE_DOES_NOT_EXIST")

# Tags and links.
client.set_trace_tag(good, "stage", "prod")
client.set_trace_tag(bad, "gone", "soon")
client.delete_trace_tag(bad, "gone")
refused(lambda: client.delete_trace_tag(bad, "gone"), "RESOURCE_DOES_NOT_EXIST")
with mlflow.start_run() as other:
    client.link_traces_to_run([bad], other.info.run_id)


# Searches.
def search(filter_string=None, **more):
    found = mlflow.search_traces(
        locations=[experiment_id], filter_string=filter_string, return_type="list", order_by=["timestamp ASC"], **more
    )
    return [trace.info.trace_id for trace in found]


both = [good, bad]
expectations = {
    None: both,
    "status = 'OK'": [good],
    "trace.status IN ('OK', 'ERROR')": both,
    "name = 'answer' AND tags.stage = 'prod'": [good],
    "name RLIKE '^ans.*r$'": both,
    "tags.stage IS NULL": [bad],
    "tags.team LIKE 'sea%' AND tags.team != 'x'": both,
    "metadata.`mlflow.trace.session` = 's-1'": both,
    "metadata.mlflow.trace.user ILIKE 'ANN'": both,
    "timestamp > 0 AND execution_time_ms < 100000": both,
    "end_time_ms < 5": [],
    f"request_id IN ('{good}')": [good],
    "span.name = 'breaks'": [bad],
    "span.name = 'breaks' AND span.status = 'ERROR'": [bad],
    "span.name = 'model' AND span.status = 'ERROR'": [],
    "span.type = 'RETRIEVER'": both,
    "span.attributes.temperature LIKE '%0.5%'": both,
    "span.content LIKE '%nine%'": [bad],
    "trace.text ILIKE '%SIX TIMES%'": [good],
    "feedback.correct = 'maybe'": [good],
    "feedback.score > 0.5": [good],
    "feedback.score <= 0.5": [],
    "feedback.correct IS NULL": [bad],
    "expectation.answer IS NOT NULL": [good],
    f"run_id = '{run.info.run_id}'": [good],
    f"run_id = '{other.info.run_id}'": [bad],
    f"metadata.`mlflow.sourceRun` = '{run.info.run_id}'": [good],
    "issue.id = 'x'": [],
}
for filter_string, wanted in expectations.items():
    assert search(filter_string) == wanted, (filter_string, search(filter_string), wanted)
found = mlflow.search_traces(run_id=run.info.run_id, return_type="list")
assert [trace.info.trace_id for trace in found] == [good] and len(found[0].data.spans) == 3
frame = mlflow.search_traces(locations=[experiment_id])
assert len(frame) == 2 and set(frame["state"]) == {"OK", "ERROR"}, frame
for filter_string in ["bogus = 1", "feedback.x > 'a'", "span.foo = 'a'", "name = 'a' OR name = 'b'", "name RLIKE '('"]:
    refused(lambda: search(filter_string), "INVALID_PARAMETER_VALUE")
first = client.search_traces(locations=[experiment_id], max_results=1, order_by=["execution_time DESC"])
assert len(first) == 1 and first.token
second = client.search_traces(
    locations=[experiment_id], max_results=1, order_by=["execution_time DESC"], page_token=first.token
)
assert {first[0].info.trace_id, second[0].info.trace_id} == set(both)

# By their ids, as the client's store and its judges ask: heads alone, and whole.
store = client._tracing_client.store
assert {info.trace_id for info in store.batch_get_trace_infos(["tr-none", bad, good])} == {good, bad}
assert {trace.info.trace_id: len(trace.data.spans) for trace in store.batch_get_traces([good, bad, "tr-none"])} == {good: 3, bad: 4}
assert store.get_trace(good).data.spans[0].name == "answer"

# What MLflow's own page reads.
page = requests.get(f"{url}/ajax-api/2.0/mlflow/get-trace-artifact", {"request_id": good}, headers=headers)
spans = page.json()["spans"]
assert page.headers["Content-Disposition"] == "attachment; filename=traces.json"
assert [span["name"] for span in spans] == ["answer", "model", "look_up"]
assert json.loads(spans[0]["attributes"]["mlflow.spanOutputs"]) == {"answer": 42}


def post(path, body):
    answer = requests.post(f"{url}/ajax-api/3.0/mlflow/traces/{path}", json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


counted = post("metrics", {
    "experiment_ids": [experiment_id], "view_type": "SPANS", "metric_name": "span_count",
    "aggregations": [{"aggregation_type": "COUNT"}], "dimensions": ["span_type"],
})
counts = {point["dimensions"]["span_type"]: point["values"]["COUNT"] for point in counted["data_points"]}
assert counts == {"UNKNOWN": 2, "LLM": 2, "RETRIEVER": 2, "TOOL": 1}, counts
tokens = post("metrics", {
    "experiment_ids": [experiment_id], "view_type": "TRACES", "metric_name": "total_tokens",
    "aggregations": [{"aggregation_type": "SUM"}, {"aggregation_type": "PERCENTILE", "percentile_value": 50}],
})
assert tokens["data_points"][0]["values"] == {"SUM": 68.0, "P50.0": 34.0}, tokens
related = post("calculate-filter-correlation", {
    "experiment_ids": [experiment_id], "filter_string1": "status = 'ERROR'", "filter_string2": "span.type = 'TOOL'",
})
assert related["npmi"] == 1.0 and related["joint_count"] == 1, related

# OpenTelemetry in JSON, compressed, as a collector sends it.
started = time.time_ns()
export = {"resourceSpans": [{
    "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]},
    "scopeSpans": [{"spans": [
        {"traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174", "name": "chat",
         "startTimeUnixNano": str(started), "endTimeUnixNano": str(started + 2_000_000_000),
         "attributes": [
             {"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}},
             {"key": "gen_ai.usage.input_tokens", "value": {"intValue": "3"}},
             {"key": "gen_ai.usage.output_tokens", "value": {"intValue": "4"}},
             {"key": "gen_ai.input.messages", "value": {"stringValue": "[{\"role\": \"user\", \"content\": \"hi\"}]"}},
         ]},
    ]}],
}]}
otlp = {**headers, "x-mlflow-experiment-id": experiment_id, "Content-Type": "application/json"}
sent = requests.post(
    f"{url}/v1/traces", gzip.compress(json.dumps(export).encode()), headers={**otlp, "Content-Encoding": "gzip"}
)
assert sent.status_code == 200, sent.text
foreign = mlflow.get_trace("tr-5b8efff798038103d269b633813fc60c")
assert foreign.info.execution_duration == 2000 and foreign.info.tags["service.name"] == "shop", foreign.info
assert foreign.info.token_usage["total_tokens"] == 7 and foreign.data.spans[0].span_type == "CHAT_MODEL"
assert foreign.data.spans[0].inputs == [{"role": "user", "content": "hi"}]
for body, more, status in [
    (b"xx", {"Content-Type": "text/plain"}, 400),
    (b"xx", {"Content-Encoding": "gzip"}, 400),
    (b"{}", {}, 400),
    (b"{}", {"x-mlflow-experiment-id": "999999"}, 400),
    (b"{}", {"x-mlflow-experiment-id": None}, 422),
]:
    answer = requests.post(f"{url}/v1/traces", body, headers={**otlp, **more})
    assert answer.status_code == status, (body, more, answer.status_code, answer.text)

# OpenTelemetry's own exporter, unmodified: one trace as it is sent by default, one compressed and set up by variables alone.
def exported_by(exporter, names):
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("test")
    with tracer.start_as_current_span(names[0]) as outer:
        with tracer.start_as_current_span(names[1], attributes={"n": 7, "words": ["a", "b"], "f": 0.5, "on": True}) as inner:
            inner.add_event("first token", {"index": 1})
    provider.shutdown()
    trace = mlflow.get_trace(f"tr-{outer.get_span_context().trace_id:032x}")
    assert [span.name for span in trace.data.spans] == names, trace.data.spans
    assert trace.info.state == "OK" and trace.info.experiment_id == experiment_id, trace.info
    child = trace.data.spans[1]
    assert child.parent_id == trace.data.spans[0].span_id and child.events[0].name == "first token"
    for key, value in {"n": 7, "words": ["a", "b"], "f": 0.5, "on": True}.items():
        assert child.get_attribute(key) == value, (key, child.get_attribute(key))


exported_by(OTLPSpanExporter(endpoint=f"{url}/v1/traces", headers={"x-mlflow-experiment-id": experiment_id, **headers}), ["outer", "inner"])
os.environ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] = f"{url}/v1/traces"
os.environ["OTEL_EXPORTER_OTLP_TRACES_HEADERS"] = f"x-mlflow-experiment-id={experiment_id},authorization=Bearer%20{os.environ['MLFLOW_TRACKING_TOKEN']}"
os.environ["OTEL_EXPORTER_OTLP_TRACES_COMPRESSION"] = "gzip"
exported_by(OTLPSpanExporter(), ["packed", "inside"])
for variable in ("ENDPOINT", "HEADERS", "COMPRESSION"):
    del os.environ[f"OTEL_EXPORTER_OTLP_TRACES_{variable}"]

# The calls of clients before 3.0.
old = requests.post(f"{url}/api/2.0/mlflow/traces", headers=headers, json={
    "experiment_id": experiment_id, "timestamp_ms": 1000, "tags": [{"key": "mlflow.traceName", "value": "old"}],
}).json()["trace_info"]
ended = requests.patch(f"{url}/api/2.0/mlflow/traces/{old['request_id']}", headers=headers, json={
    "timestamp_ms": 1500, "status": "OK", "request_metadata": [{"key": "a", "value": "b"}],
}).json()["trace_info"]
assert ended["execution_time_ms"] == 500 and ended["status"] == "OK", ended
key = f"{experiment_id}/traces/{old['request_id']}/artifacts/traces.json"
file = {"spans": [{
    "name": "old", "context": {"trace_id": "0xab", "span_id": "0x00000000000000ff"}, "parent_id": None,
    "start_time": 1_000_000_000, "end_time": 1_500_000_000, "status_code": "OK", "status_message": "",
    "attributes": {"mlflow.spanInputs": "{\"x\": 1}"}, "events": [],
}]}
put = requests.put(f"{url}/api/2.0/mlflow-artifacts/artifacts/{key}", json.dumps(file), headers=headers)
assert put.status_code == 200, put.text
detail = requests.get(f"{url}/api/v1/traces/{old['request_id']}", headers=headers).json()
assert [span["name"] for span in detail["spans"]] == ["old"], detail

# Deleting takes everything along.
assert client.delete_traces(experiment_id, trace_ids=[old["request_id"], "tr-none"]) == 1
listed = requests.get(f"{url}/api/2.0/mlflow-artifacts/artifacts", {"path": key.rsplit("/", 1)[0]}, headers=headers)
assert listed.json() == {}, listed.text
assert client.delete_traces(experiment_id, max_timestamp_millis=int(time.time() * 1000) + 5000, max_traces=1) == 1
refused(lambda: client.delete_traces(experiment_id, trace_ids=[bad], max_timestamp_millis=5), "INVALID_PARAMETER_VALUE")
left = client.delete_traces(experiment_id, max_timestamp_millis=int(time.time() * 1000) + 5000)
assert left >= 2, left
assert search() == []
assert mlflow.get_trace(good) is None
print("traces passed with mlflow", mlflow.__version__)
