"""Tracing of the 2.22 client: the head of a trace by version 2's calls, its spans as a file; searches, tags, deletion."""

import mlflow
from mlflow import MlflowClient

experiment_id = mlflow.set_experiment("traces of 2.22").experiment_id
client = MlflowClient()


@mlflow.trace(span_type="TOOL")
def inner(x):
    return {"y": x + 1}


@mlflow.trace(name="outer")
def outer(x):
    return inner(x)


with mlflow.start_run():
    outer(1)
id = mlflow.get_last_active_trace_id()
trace = client.get_trace(id)
assert [span.name for span in trace.data.spans] == ["outer", "inner"], trace.data.spans
assert trace.data.spans[0].outputs == {"y": 2} and trace.info.status == "OK", trace.info


def found(filter_string):
    traces = client.search_traces(experiment_ids=[experiment_id], filter_string=filter_string)
    return [trace.info.request_id for trace in traces]


assert found("name = 'outer' AND status = 'OK'") == [id]
client.set_trace_tag(id, "a", "b")
assert found("tags.a = 'b'") == [id]
client.delete_trace_tag(id, "a")
assert found("tags.a = 'b'") == []

# Started and ended by hand.
root = client.start_trace("manual", inputs={"q": 1}, tags={"t": "u"})
child = client.start_span("child", root.request_id, parent_id=root.span_id)
client.end_span(root.request_id, child.span_id, status="ERROR")
client.end_trace(root.request_id, outputs={"r": 2})
manual = client.get_trace(root.request_id)
assert manual.info.tags["t"] == "u" and len(manual.data.spans) == 2, manual
assert len(mlflow.search_traces(experiment_ids=[experiment_id])) == 2

assert client.delete_traces(experiment_id, request_ids=[id]) == 1
assert client.delete_traces(experiment_id, max_timestamp_millis=2**50, max_traces=10) == 1
assert found("") == []
print("traces passed with mlflow", mlflow.__version__)
