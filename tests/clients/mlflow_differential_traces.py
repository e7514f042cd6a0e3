"""Traces: the same requests, good and bad, to a real `mlflow server` and to Drydock, as in mlflow_differential.py, whose variables
it takes. Heads in versions 2 and 3, OpenTelemetry in protobuf and JSON, searches, tags, links, judgements, figures, deletion."""

import copy
import gzip
import json
import zlib

import mlflow_differential as base
from mlflow_differential import E, LONG, R, WRONG, call, left, right, spoilt
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

V2, V3 = "/api/2.0/mlflow/traces", "/api/3.0/mlflow/traces"
# Ids of traces as OpenTelemetry has them; a text of these letters becomes a name in answers.
CHAT, SHOP, LONE = "5b8efff798038103d269b633813fc60c", "0af7651916cd43dd8448eb211c80319c", "4bf92f3577b34da6a3ce929d0e0e4736"
KIND = base.KIND
DIFFERENCES = [
    (KIND, "stricter", "A value of a wrong kind is refused wherever it stands; MLflow reads over some and breaks over others."),
    (KIND + r"|without key|v2 (start|end): (tag|empty|no )|limit by v2: ", "words", "What is wrong is named where it is wrong."),
    (r"head( of)?: (empty|no |state|time|duration|tag (number|null)|metadata|location)|v2 (start|end): (no|tag|empty|status unknown|absent)|otlp: (deleted|a list)", "stricter", "So is what no trace can have, where MLflow breaks or takes another value for it."),
    (r"head: again", "both answer", "MLflow forgets the tags in this one answer; reading shows them."),
    (r"head of: (preview long|tag null)", "both answer", "A preview has 10,000 characters; a tag of null spoils nothing else."),
    (r"head of: location odd|v2 end: |is null$|otlp: identity|expectation of no|expectation of null|change: valid", "more", "What is left open is not refused."),
    (r"otlp: ", "both answer", "An answer to JSON is JSON."),
    (r"otlp: (span )?(trace|span) id|otlp: a list", "both refuse", "What is wrong with an id is said."),
    (r"^otlp chat( again)?: |^get: (whole|flag)", "both answer", "Links between spans are kept as they came."),
    (r"filter( by v2)?: |order( by v2)?: |token: |bad filter|filter bad", "words", "Errors in filters name the place."),
    (r"filter( by v2)?: |order( by v2)?: |token: |limit: |places( by v2)?: ", "stricter", "What is no condition, size or place is refused; MLflow reads over it or breaks over it."),
    (r"filter( by v2)?: (name (NOT )?IN|run_id IN|timestamp|text |.*tokenUsage|name <>)", "more", "IN works for names and runs, LIKE for tokens, <> is !=, a number may stand in quotes, and a word needs no prefix."),
    (r"filter( by v2)?: span.type|of spans|figures: SPANS span_count COUNT ..span_type", "both answer", "The type of a span is known by OpenInference's and GenAI's conventions, too; one without is UNKNOWN."),
    (r"filter( by v2)?: run_id != ", "both answer", "A trace of no run is of another run."),
    (r"filter( by v2)?: expectation.answer = '42'", "both answer", "A number is compared as one, as it is for feedback."),
    (r"order( by v2)?: ..(end_time|timestamp', 'timestamp_ms)", "more", "Sorting by the end works; two names of one key are one."),
    (r"limit: None", "more", "No size is the usual size."),
    (r"^batch( within)?: |get: without spans", "more", "A trace whose spans are not there yet is left out, or shown without them."),
    (r"batch infos: empty|places: deleted", "both answer", "These hold what MLflow had taken above and Drydock had not."),
    (r"trace file: ", "both refuse", "In other words."),
    (r"trace tag v.: absent trace", "both refuse", "A trace that is not there is 404, where MLflow's database throws."),
    (r"untag v.: by query", "more", "Some clients have the key in the query."),
    (r"link prompts: (no name|version (odd|number))", "stricter", "A prompt's version is named, and a number as text."),
    (r"assess( of)?: (no assessment_name|source odd|name long|metadata number|time odd|serialized no JSON)|change: (both|mask a number)", "stricter", "What no judgement can have is refused."),
    (r"assess: expectation of list|old judge|invalid from the start|assess: all|change: (unknown|source|read)", "both answer", "Numbers stay as they were sent, AI_JUDGE is the old name of LLM_JUDGE, and one can be invalid from the start."),
    (r"figures: .* P50 ", "words", "A wrong aggregation is named as often as it is asked for."),
    (r"figures: (view|aggregation) ?(unknown|empty)?|figures: percentile", "stricter", "A view or aggregation that is none is refused; MLflow takes the first it knows."),
    (r"figures: no aggregation", "both refuse", "In other words."),
    (r"correlation: same", "both answer", "MLflow's is 1 but for its rounding."),
]

# Where Drydock is wrong and known to be; goes as it is mended.
TO_MEND = [
]


def setting():
    """Experiments and runs; and what these servers give names to, has the same name on both."""
    for side in (left, right):
        side.names.update({"chat": CHAT, "shop": SHOP, "lone": LONE})
    for name in ("traced", "other", "gone", "bad"):
        call(f"set: {name}", "POST", E + "create", {"name": name}, save={name: "experiment_id"})
    for name in ("run_a", "run_b"):
        call(f"set: {name}", "POST", R + "create", {"experiment_id": "$traced", "run_name": name, "start_time": 1}, save={name: "run.info.run_id"})
    call("set: delete", "POST", E + "delete", {"experiment_id": "$gone"})


def head(trace_id="tr-x", experiment="$traced", **more):
    location = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment}}
    info = {"trace_id": trace_id, "trace_location": location, "request_time": "2026-01-01T00:00:00.500Z", "execution_duration": "1.500s", "state": "OK"}
    return {"trace": {"trace_info": {**info, **more}}}


def nested(label, method, path, good, place, fields, extra=None, fresh=dict):
    """The request with each field of an inner object absent and of wrong kinds."""

    def inner(body):
        for step in place:
            body = body[step]
        return body

    for field in fields:
        without = copy.deepcopy(good)
        inner(without).update(fresh())
        inner(without).pop(field, None)
        call(f"{label}: no {field}", method, path, without)
        was = inner(good).get(field)
        for kind, value in WRONG.items():
            if type(value) is type(was) and kind != "empty":
                continue
            spoiled = copy.deepcopy(without)
            inner(spoiled).update(fresh(), **{field: value})
            call(f"{label}: {field} is {kind}", method, path, spoiled)
    for name, change in (extra or {}).items():
        changed = copy.deepcopy(good)
        inner(changed).update({**fresh(), **change})
        call(f"{label}: {name}", method, path, changed)


def another():
    """An id that no trace has yet."""
    return {"trace_id": f"tr-s{base.SENT}"}


def heads():
    full = head(
        "tr-full", client_request_id="c-1", request_preview='{"q": 1}', response_preview="42",
        trace_metadata={"mlflow.trace.session": "s-1", "mlflow.trace.user": "ann", "mlflow.sourceRun": "$run_a", "long": "m" * 300,
                        "mlflow.trace.tokenUsage": '{"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}'},
        tags={"mlflow.traceName": "answer", "team": "search", "long": "v" * 5000},
        assessments=[{"assessment_name": "correct", "feedback": {"value": True}, "source": {"source_type": "HUMAN", "source_id": "ann"}}],
    )  # fmt: skip
    call("head: full", "POST", V3, full, save={"first_assessment": "trace.trace_info.assessments.0.assessment_id"})
    call("head: read", "GET", f"{V3}/tr-full")
    call("head: read ajax", "GET", "/ajax-api/3.0/mlflow/traces/tr-full")
    call("head: read by v2", "GET", f"{V2}/tr-full/info")
    call("head: absent", "GET", f"{V3}/tr-none")
    call("head: absent by v2", "GET", f"{V2}/tr-none/info")
    call("head: bare", "POST", V3, {"trace": {"trace_info": {"trace_id": "tr-bare", "trace_location": full["trace"]["trace_info"]["trace_location"]}}})
    call("head: bare read", "GET", f"{V3}/tr-bare")
    call("head: again", "POST", V3, head("tr-bare", state="ERROR", tags={"a": "1"}, trace_metadata={"b": "2"}, response_preview="no"))
    call("head: again, other tags", "POST", V3, head("tr-bare", state="OK", tags={"c": "1"}, request_time="2026-01-02T00:00:00Z"))
    call("head: again read", "GET", f"{V3}/tr-bare")
    call("head: in deleted", "POST", V3, head("tr-gone", "$gone"))
    call("head: in absent", "POST", V3, head("tr-absent", "99999999"))
    spoilt("head", "POST", V3, head("tr-spoilt", "$bad"), fields=["trace"], extra={"empty trace": {"trace": {}}, "empty head": {"trace": {"trace_info": {}}}, "no place": {"trace": {"trace_info": {"trace_id": "tr-np"}}}})
    nested("head of", "POST", V3, head("tr-spoilt", "$bad", client_request_id="c", request_preview="p", tags={"k": "v"}, trace_metadata={"k": "v"}), ["trace", "trace_info"],
           ["trace_id", "request_time", "execution_duration", "state", "client_request_id", "request_preview", "tags", "trace_metadata"], {
        "state unknown": {"state": "NOPE"}, "state lower": {"state": "ok"}, "state by number": {"state": 2}, "state in progress": {"state": "IN_PROGRESS"},
        "state unspecified": {"state": "STATE_UNSPECIFIED"}, "time with zone": {"request_time": "2026-01-01T01:00:00+01:00"}, "time without zone": {"request_time": "2026-01-01T01:00:00"},
        "time in nanoseconds": {"request_time": "2026-01-01T00:00:00.123456789Z"}, "time odd": {"request_time": "yesterday"}, "duration minutes": {"execution_duration": "1m"},
        "duration negative": {"execution_duration": "-0.5s"}, "duration in nanoseconds": {"execution_duration": "0.123456789s"}, "tag number": {"tags": {"k": 1}}, "tag null": {"tags": {"k": None}},
        "metadata list": {"trace_metadata": {"k": []}}, "tag key long": {"tags": {"k" * 251: "v"}}, "tag key bad": {"tags": {"a$b": "v"}}, "tag long": {"tags": {"k": "v" * 9000}},
        "name long": {"tags": {"mlflow.traceName": "n" * 5000}}, "preview long": {"request_preview": "p" * 20000}, "location of a table": {"trace_location": {"type": "INFERENCE_TABLE", "inference_table": {"full_table_name": "a.b"}}},
        "location odd": {"trace_location": {"type": "NOPE", "mlflow_experiment": {"experiment_id": "$bad"}}}, "experiment text": {"trace_location": {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "x"}}},
        "assessments text": {"assessments": "x"}, "assessment empty": {"assessments": [{}]}, "assessment without value": {"assessments": [{"assessment_name": "a"}]},
    }, another)  # fmt: skip


def old_heads():
    """Version 2: begun, then ended."""
    good = {"experiment_id": "$traced", "timestamp_ms": 1000, "request_metadata": [{"key": "a", "value": "b"}], "tags": [{"key": "mlflow.traceName", "value": "old"}]}
    call("v2: start", "POST", V2, good, save={"old": "trace_info.request_id"})
    call("v2: read", "GET", f"{V2}/$old/info")
    call("v2: read by v3", "GET", f"{V3}/$old")
    end = {"timestamp_ms": 1500, "status": "OK", "request_metadata": [{"key": "a", "value": "c"}, {"key": "d", "value": "e"}], "tags": [{"key": "t", "value": "u"}]}
    call("v2: end", "PATCH", f"{V2}/$old", end)
    call("v2: end again", "PATCH", f"{V2}/$old", {"timestamp_ms": 1700, "status": "ERROR"})
    call("v2: ended by v3", "GET", f"{V3}/$old")
    call("v2: end absent", "PATCH", f"{V2}/tr-none", end)
    call("v2: start another", "POST", V2, {**good, "experiment_id": "$bad"}, save={"old_bad": "trace_info.request_id"})
    spoilt("v2 end", "PATCH", f"{V2}/$old_bad", end, extra={"status unknown": {**end, "status": "NOPE"}, "status by number": {**end, "status": 1}, "tag without key": {**end, "tags": [{"value": "x"}]}, "empty": {}, "ends before it began": {**end, "timestamp_ms": 5}})
    good = {**good, "experiment_id": "$bad"}
    spoilt("v2 start", "POST", V2, good, extra={"absent experiment": {**good, "experiment_id": "99999999"}, "deleted experiment": {**good, "experiment_id": "$gone"}, "time as text": {**good, "timestamp_ms": "77"}, "tag without key": {**good, "tags": [{"value": "x"}]}, "tag a text": {**good, "tags": ["x"]}, "empty": {}, "name long": {**good, "tags": [{"key": "mlflow.traceName", "value": "n" * 5000}]}})


def attribute(key, value):
    kind = {str: "stringValue", bool: "boolValue", int: "intValue", float: "doubleValue"}.get(type(value))
    if isinstance(value, list):
        return {"key": key, "value": {"arrayValue": {"values": [attribute("", item)["value"] for item in value]}}}
    if isinstance(value, dict):
        return {"key": key, "value": {"kvlistValue": {"values": [attribute(k, v) for k, v in value.items()]}}}
    return {"key": key, "value": {kind: str(value) if kind == "intValue" else value}}


def span(trace, number, parent, name, begin, end, **attributes):
    """Times in milliseconds of 1 January 2026."""
    at = 1_767_225_600_000_000_000
    made = {"traceId": trace, "spanId": f"{number:016x}", "name": name, "kind": 1, "startTimeUnixNano": str(at + begin * 1_000_000), "endTimeUnixNano": str(at + end * 1_000_000),
            "attributes": [attribute(key.replace("__", "."), value) for key, value in attributes.items()]}
    if parent:
        made["parentSpanId"] = f"{parent:016x}"
    return made


def export(*spans, **resource):
    return {"resourceSpans": [{"resource": {"attributes": [attribute(k.replace("__", "."), v) for k, v in resource.items()]}, "scopeSpans": [{"scope": {"name": "lib", "version": "1"}, "spans": list(spans)}]}]}


def protobuf(body):
    message = ExportTraceServiceRequest()
    for resource_spans in body["resourceSpans"]:
        into = message.resource_spans.add()
        for spans in resource_spans["scopeSpans"]:
            scope = into.scope_spans.add()
            for one in spans["spans"]:
                made = scope.spans.add(trace_id=bytes.fromhex(one["traceId"]), span_id=bytes.fromhex(one["spanId"]), name=one["name"], kind=one["kind"],
                                       parent_span_id=bytes.fromhex(one.get("parentSpanId", "")), start_time_unix_nano=int(one["startTimeUnixNano"]), end_time_unix_nano=int(one["endTimeUnixNano"]))
                for pair in one["attributes"]:
                    if "stringValue" in pair["value"]:
                        made.attributes.add(key=pair["key"]).value.string_value = pair["value"]["stringValue"]
    return message.SerializeToString()


def send(label, data, **headers):
    headers = {"x-mlflow-experiment-id": "$traced", "Content-Type": "application/json", **{k.replace("_", "-"): v for k, v in headers.items()}}
    if isinstance(data, (dict, list)):
        data = json.dumps(data)
    call(f"otlp: {label}", "POST", "/v1/traces", data=data, headers={k: v for k, v in headers.items() if v is not None})


def read(label, trace):
    """The trace as every call shows it."""
    call(f"{label}: head", "GET", f"{V3}/{trace}")
    call(f"{label}: whole", "GET", f"{V3}/get", {"trace_id": trace, "allow_partial": "true"})
    call(f"{label}: file", "GET", "/ajax-api/2.0/mlflow/get-trace-artifact", {"request_id": trace})


def otlp():
    chat = [
        span(CHAT, 1, 0, "agent", 0, 2400, mlflow__spanType="AGENT", mlflow__spanInputs='{"question": "größer?"}', mlflow__spanOutputs='{"answer": 42}', session__id="s-2", user__id="ann"),
        span(CHAT, 2, 1, "look up", 20, 480, openinference__span__kind="RETRIEVER", input__value="where", output__value="there", n=2**53 + 1, f=0.5, on=True, words=["a", "b"], map={"k": 1}),
        span(CHAT, 3, 1, "chat", 500, 2000, gen_ai__operation__name="chat", gen_ai__usage__input_tokens=30, gen_ai__usage__output_tokens=4, gen_ai__request__model="llama", gen_ai__provider__name="meta"),
    ]
    chat[1]["status"] = {"code": 2, "message": "no such table"}
    chat[1]["events"] = [{"name": "exception", "timeUnixNano": chat[1]["endTimeUnixNano"], "attributes": [attribute("exception.type", "ValueError"), attribute("n", 5)]}]
    chat[2]["links"] = [{"traceId": SHOP, "spanId": "00000000000000aa", "attributes": [attribute("a", "b")]}]
    send("chat", export(*chat, service__name="shop", host="h"))
    read("otlp chat", f"tr-{CHAT}")
    send("chat again", export(*chat, service__name="shop", host="h"))
    read("otlp chat again", f"tr-{CHAT}")
    # The child first, then the root; compressed; as protobuf.
    child, root = span(SHOP, 2, 1, "inner", 100, 200, k="v"), span(SHOP, 1, 0, "outer", 0, 1000, llm__model_name="gpt")
    send("a child alone", protobuf(export(child)), Content_Type="application/x-protobuf")
    read("otlp child alone", f"tr-{SHOP}")
    call("otlp child alone: not whole", "GET", f"{V3}/batchGet", {"trace_ids": f"tr-{SHOP}"})
    send("the root", gzip.compress(protobuf(export(root))), Content_Type="application/x-protobuf", Content_Encoding="gzip")
    read("otlp whole", f"tr-{SHOP}")
    send("by deflate", zlib.compress(json.dumps(export(span(LONE, 1, 0, "lone", 5000, 5001))).encode()), Content_Encoding="deflate", x_mlflow_run_id="$run_b")
    read("otlp lone", f"tr-{LONE}")
    call("head: after spans", "POST", V3, head(f"tr-{LONE}", request_preview="asked", tags={"mlflow.traceName": "lonely"}, trace_metadata={"mlflow.trace.session": "s-1"}))
    read("otlp head after spans", f"tr-{LONE}")
    def bad(name, data, **headers):
        send(name, data, **{"x_mlflow_experiment_id": "$bad", **headers})

    good = export(span("11111111111111111111111111111111", 1, 0, "x", 0, 1))
    for name, data, headers in [
        ("no experiment", good, {"x_mlflow_experiment_id": None}), ("absent experiment", good, {"x_mlflow_experiment_id": "99999999"}), ("odd experiment", good, {"x_mlflow_experiment_id": "x"}),
        ("deleted experiment", good, {"x_mlflow_experiment_id": "$gone"}), ("text", b"xx", {"Content_Type": "text/plain"}), ("no type", b"xx", {"Content_Type": None}), ("charset", good, {"Content_Type": "application/json; charset=utf-8"}),
        ("not JSON", b"xx", {}), ("a list", [], {}), ("nothing", {}, {}), ("no spans", {"resourceSpans": []}, {}), ("empty scope", export(), {}), ("empty body", b"", {}),
        ("not protobuf", b"\xff\xff\xff", {"Content_Type": "application/x-protobuf"}), ("empty protobuf", b"", {"Content_Type": "application/x-protobuf"}), ("not gzip", b"xx", {"Content_Encoding": "gzip"}),
        ("not deflate", b"xx", {"Content_Encoding": "deflate"}), ("unknown encoding", good, {"Content_Encoding": "br"}), ("identity", good, {"Content_Encoding": "identity"}), ("unknown field", {**good, "x": 1}, {}), ("absent run", good, {"x_mlflow_run_id": "nope"}),
    ]:  # fmt: skip
        bad(name, data, **headers)
    one = good["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    for name, change in {
        "trace id short": {"traceId": "aa"}, "trace id odd": {"traceId": "zz"}, "trace id empty": {"traceId": ""}, "trace id number": {"traceId": 5}, "trace id zero": {"traceId": "0" * 32}, "span id empty": {"spanId": ""}, "span id long": {"spanId": "1" * 34},
        "no name": {"name": None}, "name number": {"name": 5}, "name long": {"name": "n" * 5000}, "time text": {"startTimeUnixNano": "x"}, "time number": {"startTimeUnixNano": 1767225600000000000}, "time negative": {"startTimeUnixNano": "-1"}, "no end": {"endTimeUnixNano": None},
        "ends before": {"endTimeUnixNano": "1"}, "status odd": {"status": {"code": 9}}, "status text": {"status": "x"}, "status by name": {"status": {"code": "STATUS_CODE_ERROR"}}, "attributes text": {"attributes": "x"}, "attribute without value": {"attributes": [{"key": "a"}]},
        "attribute of bytes": {"attributes": [{"key": "a", "value": {"bytesValue": "AQI="}}]}, "attribute of null": {"attributes": [{"key": "a", "value": {}}]}, "int as number": {"attributes": [{"key": "a", "value": {"intValue": 5}}]}, "double NaN": {"attributes": [{"key": "a", "value": {"doubleValue": "NaN"}}]}, "events text": {"events": "x"},
    }.items():  # fmt: skip
        changed = {**one, "traceId": f"{abs(hash(name)) % 16**8:08x}" + "2" * 24, **change}
        bad(f"span {name}", export({k: v for k, v in changed.items() if v is not None}))


FILTERS = [
    "status = 'OK'", "status != 'OK'", "trace.status = 'ERROR'", "attributes.status = 'OK'", "attribute.status = 'OK'", "status IN ('OK', 'ERROR')", "status NOT IN ('OK')", "status LIKE 'O%'", "status ILIKE 'o%'", "status = 'NOPE'", "status > 'A'", "status = OK", "status = 1", "status RLIKE '^O'", "status IS NULL",
    "name = 'answer'", "name != 'answer'", "name LIKE 'a%'", "name ILIKE 'A%'", "name RLIKE '^a'", "name IN ('answer', 'agent')", "name NOT IN ('answer')", "name > 'a'", "name IS NULL", "name IS NOT NULL", "trace.name = 'agent'", "attributes.name = 'agent'", "tags.`mlflow.traceName` = 'answer'", "tags.mlflow.traceName = 'answer'",
    "timestamp > 0", "timestamp_ms > 0", "timestamp >= 1767225600500", "timestamp < 5000", "timestamp = 1000", "timestamp != 1000", "timestamp = '1000'", "timestamp = 'x'", "timestamp LIKE '1'", "timestamp IN (1000)", "timestamp > 1.5", "trace.timestamp_ms = 1000",
    "execution_time > 100", "execution_time_ms > 100", "execution_time = 1500", "execution_time < 1", "trace.execution_time_ms >= 1500", "execution_time IS NULL", "end_time > 0", "end_time_ms > 0", "end_time < 5000", "end_time_ms = 1767225602000",
    "request_id = 'tr-full'", "request_id != 'tr-full'", "request_id IN ('tr-full', 'tr-bare')", "request_id NOT IN ('tr-full')", "request_id LIKE 'tr-%'", "request_id IN ()", "trace.request_id = 'tr-full'", "client_request_id = 'c-1'", "client_request_id LIKE 'c%'", "client_request_id IN ('c-1')", "client_request_id != 'c-1'",
    "tags.team = 'search'", "tag.team = 'search'", "tags.team != 'x'", "tags.team LIKE 'se%'", "tags.team ILIKE 'SE%'", "tags.team RLIKE 's.*h'", "tags.team IN ('search')", "tags.team IS NULL", "tags.team IS NOT NULL", "tags.team > 'a'", "tags.`team` = 'search'", "tags.\"team\" = 'search'", "tags.nope = 'x'", "tags.nope != 'x'", "tags.team = 1", "tags. = 'x'",
    "metadata.`mlflow.trace.session` = 's-1'", "metadata.mlflow.trace.session = 's-1'", "request_metadata.long LIKE 'm%'", "metadata.long != 'x'", "metadata.a = 'c'", "metadata.a IS NULL", "metadata.a IS NOT NULL", "metadata.`mlflow.trace.user` = 'ann'", "metadata.`mlflow.trace.session` IS NULL", "metadata.a > 'b'", "metadata.`mlflow.trace.session` LIKE 's%'", "metadata.`mlflow.trace.tokenUsage` LIKE '%7%'", "metadata.`mlflow.trace.session` ILIKE 'S-1'",
    "run_id = '$run_a'", "run_id = '$run_b'", "run_id IN ('$run_a')", "run_id != '$run_a'", "run_id LIKE '$run_a'", "run_id = 'nope'", "trace.run_id = '$run_a'", "metadata.`mlflow.sourceRun` = '$run_a'",
    "span.name = 'look up'", "span.name != 'look up'", "span.name LIKE 'look%'", "span.name ILIKE 'LOOK%'", "span.name RLIKE '^look'", "span.name IN ('look up', 'chat')", "span.name NOT IN ('look up')", "span.name > 'a'", "span.type = 'RETRIEVER'", "span.type IN ('AGENT', 'LLM')", "span.type != 'AGENT'", "span.status = 'ERROR'", "span.status = 'OK'", "span.status = 'UNSET'",
    "span.name = 'look up' AND span.status = 'ERROR'", "span.name = 'chat' AND span.status = 'ERROR'", "span.attributes.n LIKE '%9007%'", "span.attributes.gen_ai.request.model LIKE '%llama%'", "span.attributes.f LIKE '%0.5%'", "span.attributes.nope LIKE '%x%'", "span.attributes.f > 0.1", "span.attributes. = 'x'", "span.nope = 'x'", "spans.name = 'x'",
    "span.content LIKE '%größer%'", "span.content ILIKE '%GPT%'", "span.content = 'x'", "trace.text LIKE '%größer%'", "trace.text ILIKE '%where%'", "text LIKE '%x%'", "trace.text = 'x'", "text LIKE '%100\\%%'",
    "feedback.correct = 'true'", "feedback.correct = 'false'", "feedback.correct = 'yes'", "feedback.score > 0.5", "feedback.score >= '0.75'", "feedback.score = 0.75", "feedback.score < 0.75", "feedback.score != 0.5", "feedback.correct IS NULL", "feedback.correct IS NOT NULL", "feedback.correct LIKE 'y%'", "feedback.correct IN ('yes')", "feedback.score > 'a'", "feedback.nope = 'x'", "feedback. = 'x'", "feedback.`correct` = 'true'",
    "expectation.answer = '42'", "expectation.answer IS NOT NULL", "expectation.answer LIKE '%4%'", "issue.id = 'x'", "issue.id != 'x'", "issue.name = 'x'", "assessment.correct = 'true'", "prompt = 'p/1'", "prompt = 'p'", "prompt LIKE 'p/%'", "prompt != 'p/1'",
    "name = 'answer' AND status = 'OK'", "name = 'answer' OR status = 'OK'", "name = 'answer' AND", "AND", "name", "name =", "= 'x'", "()", "(name = 'answer')", "name = 'answer", "name == 'answer'", "name = \"answer\"", "nope = 'x'", "foo.bar = 'x'", "metrics.a > 1", "params.a = 'x'", "name='answer'and status='OK'", "NAME = 'answer'", "name = 'it''s'", "status is null", "name = 'a' name = 'b'", "name <> 'answer'", "experiment_id = '$traced'",
]  # fmt: skip


def search(label, **body):
    call(label, "POST", f"{V3}/search", {"locations": [{"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "$traced"}}], "max_results": 100, **body})


def searches():
    call("trace: link a prompt", "POST", f"{V2}/link-prompts", {"trace_id": "tr-full", "prompt_versions": [{"name": "p", "version": "1"}]})
    for name, assessment in {"score": {"feedback": {"value": 0.75}}, "answer": {"expectation": {"value": 42}}}.items():
        call(f"trace: judged {name}", "POST", f"{V3}/tr-full/assessments", {"assessment": {"assessment_name": name, **assessment, "source": {"source_type": "CODE", "source_id": "c"}}})
    search("trace search: all")
    for text in FILTERS:
        search(f"trace filter: {text}", filter=text)
        call(f"trace filter by v2: {text}", "GET", V2, {"experiment_ids": "$traced", "filter": text, "max_results": 100})
    for order in (["timestamp"], ["timestamp ASC"], ["timestamp_ms DESC"], ["timestamp asc"], ["execution_time DESC"], ["execution_time_ms ASC"], ["end_time ASC"], ["end_time_ms DESC"], ["status ASC"], ["name"], ["name DESC"], ["request_id DESC"], ["run_id"], ["run_id DESC"], ["experiment_id"], ["tags.team"], ["tags.team DESC"], ["tag.team"], ["metadata.`mlflow.trace.session` DESC"],
                  ["metadata.a"], ["metadata.`mlflow.trace.tokenUsage`"], ["trace.status"], ["attributes.status DESC"], ["nope"], ["foo.bar"], ["span.name"], ["feedback.score"], ["timestamp UP"], [""], ["timestamp ASC, name DESC"], ["timestamp", "timestamp_ms"], ["timestamp", "name"], ["status", "timestamp ASC"], ["client_request_id"], ["text"], ["prompt"], ["timestamp ASC ASC"], ["`status` DESC"], ["metrics.a"]):
        search(f"trace order: {order}", order_by=order)
        call(f"trace order by v2: {order}", "GET", V2, {"experiment_ids": "$traced", "order_by": order, "max_results": 100})
    for limit in (0, -1, 1, "2", 500, 501, "x", 1.5, None, 2**40):
        search(f"trace limit: {limit}", max_results=limit, order_by=["timestamp ASC"])
        call(f"trace limit by v2: {limit}", "GET", V2, {"experiment_ids": "$traced", "max_results": limit, "order_by": "timestamp ASC"})
    search("trace page 1", max_results=2, order_by=["timestamp ASC"], filter="status = 'OK'")
    both = [side.send("POST", f"{V3}/search", {"locations": [{"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "$traced"}}], "max_results": 2, "order_by": ["timestamp ASC"]}, None, None, None).json() for side in (left, right)]
    for side, answer in zip((left, right), both):
        side.names["token"] = answer["next_page_token"]
    search("trace page 2", max_results=2, order_by=["timestamp ASC"], page_token="$token")
    for token in ("!!", "e30=", "eyJvZmZzZXQiOiAtMX0=", "", "W10="):
        search(f"trace token: {token}", page_token=token)
    place = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "$other"}}
    for name, locations in {"other": [place], "none": [], "null": None, "text": "x", "number": [5], "empty": [{}], "no id": [{"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {}}], "table": [{"type": "INFERENCE_TABLE", "inference_table": {"full_table_name": "a.b"}}],
                            "absent": [{"mlflow_experiment": {"experiment_id": "99999999"}}], "deleted": [{"mlflow_experiment": {"experiment_id": "$gone"}}], "odd": [{"mlflow_experiment": {"experiment_id": "x"}}], "both": [place, {"mlflow_experiment": {"experiment_id": "$traced"}}]}.items():
        search(f"trace places: {name}", locations=locations)
    for name, ids in {"none": None, "absent": "99999999", "odd": "x", "both": ["$traced", "$other"], "empty": ""}.items():
        call(f"trace places by v2: {name}", "GET", V2, {"experiment_ids": ids} if ids is not None else {})
    spoilt("trace search", "POST", f"{V3}/search", {"locations": [{"mlflow_experiment": {"experiment_id": "$traced"}}], "filter": "status = 'OK'", "max_results": 3, "order_by": ["timestamp ASC"], "page_token": ""}, fields=["filter", "order_by", "page_token"])


def many():
    """Traces by their ids."""
    for name, ids in {"one": "tr-full", "two": [f"tr-{CHAT}", "tr-full"], "absent": "tr-none", "some": [f"tr-{SHOP}", "tr-none", f"tr-{SHOP}"], "empty": ""}.items():
        call(f"batch: {name}", "GET", f"{V3}/batchGet", {"trace_ids": ids})
        call(f"batch infos: {name}", "POST", f"{V3}/batchGetInfos", {"trace_ids": ids if isinstance(ids, list) else [ids]})
        call(f"batch within: {name}", "GET", f"{V3}/batchGet", {"trace_ids": ids, "experiment_ids": "$traced"})
        call(f"batch elsewhere: {name}", "GET", f"{V3}/batchGet", {"trace_ids": ids, "experiment_ids": "$other"})
        call(f"batch infos elsewhere: {name}", "POST", f"{V3}/batchGetInfos", {"trace_ids": ids if isinstance(ids, list) else [ids], "experiment_ids": ["$other"]})
    call("batch: no ids", "GET", f"{V3}/batchGet", {})
    spoilt("batch infos", "POST", f"{V3}/batchGetInfos", {"trace_ids": ["tr-full"], "experiment_ids": ["$traced"]}, extra={"number": {"trace_ids": [1]}, "experiment number": {"trace_ids": ["tr-full"], "experiment_ids": [1]}, "experiment absent": {"trace_ids": ["tr-full"], "experiment_ids": ["99999999"]}, "experiment odd": {"trace_ids": ["tr-full"], "experiment_ids": ["x"]}, "no experiments": {"trace_ids": ["tr-full"], "experiment_ids": []}})
    call("get: whole", "GET", f"{V3}/get", {"trace_id": f"tr-{CHAT}"})
    for name, query in {"no id": {}, "empty": {"trace_id": ""}, "absent": {"trace_id": "tr-none"}, "absent in part": {"trace_id": "tr-none", "allow_partial": "true"}, "without spans in part": {"trace_id": "tr-full", "allow_partial": "true"}, "odd flag": {"trace_id": f"tr-{CHAT}", "allow_partial": "perhaps"}, "flag False": {"trace_id": f"tr-{CHAT}", "allow_partial": "False"}}.items():
        call(f"get: {name}", "GET", f"{V3}/get", query)
    for name, query in {"no id": {}, "absent": {"request_id": "tr-none"}, "no spans": {"request_id": "tr-full"}, "attachment climbing": {"request_id": f"tr-{CHAT}", "path": "../x"}, "attachment absent": {"request_id": f"tr-{CHAT}", "path": "00000000-0000-0000-0000-000000000000"}, "attachment odd": {"request_id": f"tr-{CHAT}", "path": "x"}}.items():
        for version in ("2.0", "3.0"):
            call(f"trace file: {name} {version}", "GET", f"/ajax-api/{version}/mlflow/get-trace-artifact", query)


def tags_and_links():
    for version, path in {"v2": V2, "v3": V3}.items():
        good = {"key": f"k-{version}", "value": "v"}
        spoilt(f"trace tag {version}", "PATCH", f"{path}/tr-full/tags", good, extra={
            "good": good, "again": good, "long": {"key": "l", "value": LONG}, "key long": {"key": "k" * 251, "value": ""}, "key longest": {"key": "k" * 250, "value": ""}, "key bad": {"key": "a$b", "value": "v"}, "key climbs": {"key": "../x", "value": "v"}, "name": {"key": "mlflow.traceName", "value": "renamed"},
            "name long": {"key": "mlflow.traceName", "value": "n" * 5000}, "server's": {"key": "mlflow.trace.spansLocation", "value": "x"}, "archive": {"key": "mlflow.trace.archiveLocation", "value": "x"}, "failure": {"key": "mlflow.trace.archivalFailure", "value": "x"}, "location": {"key": "mlflow.artifactLocation", "value": "mlflow-artifacts:/x"}})  # fmt: skip
        call(f"trace tag {version}: back", "PATCH", f"{path}/tr-full/tags", {"key": "mlflow.artifactLocation", "value": "mlflow-artifacts:/$traced/traces/tr-full/artifacts"})
        call(f"trace tag {version}: absent trace", "PATCH", f"{path}/tr-none/tags", good)
        call(f"trace tag {version}: read", "GET", f"{V3}/tr-full")
        spoilt(f"trace untag {version}", "DELETE", f"{path}/tr-full/tags", {"key": f"k-{version}"}, extra={"good": good, "again": good, "server's": {"key": "mlflow.trace.spansLocation"}, "failure": {"key": "mlflow.trace.archivalFailure"}})
        call(f"trace untag {version}: by query", "DELETE", f"{path}/tr-full/tags?key=l")
        call(f"trace untag {version}: absent trace", "DELETE", f"{path}/tr-none/tags", good)
    spoilt("link run", "POST", f"{V2}/link-to-run", {"trace_ids": ["tr-bare"], "run_id": "$run_b"}, extra={
        "good": {"trace_ids": ["tr-bare"], "run_id": "$run_b"}, "again": {"trace_ids": ["tr-bare", f"tr-{CHAT}"], "run_id": "$run_b"}, "absent run": {"trace_ids": ["tr-bare"], "run_id": "nope"}, "absent trace": {"trace_ids": ["tr-none"], "run_id": "$run_b"}, "many": {"trace_ids": [f"tr-{i}" for i in range(101)], "run_id": "$run_b"}, "number": {"trace_ids": [1], "run_id": "$run_b"}})  # fmt: skip
    search("linked: search", filter="run_id = '$run_b'", order_by=["timestamp ASC"])
    prompts = [{"name": "p", "version": "2"}]
    spoilt("link prompts", "POST", f"{V2}/link-prompts", {"trace_id": "tr-bare", "prompt_versions": prompts}, extra={
        "good": {"trace_id": "tr-bare", "prompt_versions": prompts}, "again": {"trace_id": "tr-bare", "prompt_versions": prompts}, "absent trace": {"trace_id": "tr-none", "prompt_versions": prompts}, "no name": {"trace_id": "tr-bare", "prompt_versions": [{"version": "2"}]}, "version odd": {"trace_id": "tr-bare", "prompt_versions": [{"name": "p", "version": "x"}]},
        "version number": {"trace_id": "tr-bare", "prompt_versions": [{"name": "p", "version": 2}]}, "empty": {"trace_id": "tr-bare", "prompt_versions": []}})  # fmt: skip
    search("linked prompts: search", filter="prompt = 'p/2'")


def assessments():
    path = f"{V3}/tr-{SHOP}/assessments"
    source = {"source_type": "HUMAN", "source_id": "ann"}
    feedback = {"assessment": {"assessment_name": "ok", "feedback": {"value": "yes"}, "source": source, "rationale": "because", "metadata": {"k": "v"}, "span_id": "0000000000000001"}}
    call("assess: feedback", "POST", path, feedback, save={"fb": "assessment.assessment_id"})
    call("assess: read", "GET", f"{path}/$fb")
    for name, value in {"number": 1, "fraction": 0.5, "true": True, "null": None, "list": [1, "a", None], "map": {"a": {"b": [1.5]}}, "empty text": "", "unicode": "größe"}.items():
        call(f"assess: feedback of {name}", "POST", path, {"assessment": {"assessment_name": f"f {name}", "feedback": {"value": value}, "source": source}})
        if name == "null":
            continue
        call(f"assess: expectation of {name}", "POST", path, {"assessment": {"assessment_name": f"e {name}", "expectation": {"value": value}, "source": source}})
    serialized = {"serialized_value": {"serialization_format": "JSON_FORMAT", "value": '{"answer": [42]}'}}
    call("assess: expectation serialized", "POST", path, {"assessment": {"assessment_name": "exp", "expectation": serialized, "source": source}}, save={"exp": "assessment.assessment_id"})
    call("assess: expectation read", "GET", f"{path}/$exp")
    error = {"error": {"error_code": "RuntimeError", "error_message": "judge is away", "stack_trace": "line 1"}}
    call("assess: error", "POST", path, {"assessment": {"assessment_name": "err", "feedback": error, "source": source}}, save={"err": "assessment.assessment_id"})
    call("assess: error read", "GET", f"{path}/$err")
    call("assess: another trace", "POST", V3, head("tr-judged", "$bad"))
    nested("assess of", "POST", f"{V3}/tr-judged/assessments", feedback, ["assessment"], ["assessment_name", "feedback", "source", "rationale", "metadata", "span_id"], {
        "both kinds": {"expectation": {"value": 1}}, "neither": {"feedback": None}, "source odd": {"source": {"source_type": "NOPE", "source_id": "x"}}, "source empty": {"source": {}}, "source without id": {"source": {"source_type": "HUMAN"}}, "judge": {"source": {"source_type": "LLM_JUDGE", "source_id": "j"}},
        "old judge": {"source": {"source_type": "AI_JUDGE", "source_id": "j"}}, "code": {"source": {"source_type": "CODE"}}, "source by number": {"source": {"source_type": 1, "source_id": "x"}}, "overrides absent": {"overrides": "a-none"}, "name long": {"assessment_name": "n" * 251}, "metadata number": {"metadata": {"k": 1}}, "own id": {"assessment_id": "a-mine"}, "times": {"create_time": "2026-01-01T00:00:00Z", "last_update_time": "2026-01-02T00:00:00Z"},
        "time odd": {"create_time": "x"}, "invalid from the start": {"valid": False}, "format odd": {"feedback": None, "expectation": {"serialized_value": {"serialization_format": "XML", "value": "x"}}}, "serialized no JSON": {"feedback": None, "expectation": {"serialized_value": {"serialization_format": "JSON_FORMAT", "value": "{"}}},
        "expectation of null": {"feedback": None, "expectation": {"value": None}}, "expectation of nothing": {"feedback": None, "expectation": {}}, "issue": {"feedback": None, "issue": {"issue_name": "slow"}}, "trace id of another": {"trace_id": "tr-full"}, "run id": {"run_id": "$run_a"}, "unknown field": {"nope": 1},
    })  # fmt: skip
    spoilt("assess", "POST", f"{V3}/tr-judged/assessments", feedback, fields=["assessment"])
    call("assess: absent trace", "POST", f"{V3}/tr-none/assessments", feedback)
    call("assess: read absent", "GET", f"{path}/a-none")
    call("assess: read of absent trace", "GET", f"{V3}/tr-none/assessments/a-none")
    call("assess: read of another trace", "GET", f"{V3}/tr-full/assessments/$fb")

    # Changes.
    def change(label, body, mask, of="$fb"):
        call(f"assess change: {label}", "PATCH", f"{path}/{of}", {"assessment": body, "update_mask": mask})

    change("feedback", {"feedback": {"value": "no"}}, "feedback")
    change("feedback and rationale", {"feedback": {"value": 3}, "rationale": "again"}, "feedback,rationale")
    change("name", {"assessment_name": "fine"}, "assessmentName")
    change("name by its other spelling", {"assessment_name": "fine"}, "assessment_name")
    change("metadata", {"metadata": {"k": "w", "l": "x"}}, "metadata")
    change("not in the mask", {"rationale": "hidden", "feedback": {"value": 1}}, "metadata")
    change("error", {"feedback": error}, "feedback")
    change("rationale empty", {"rationale": ""}, "rationale")
    change("expectation on feedback", {"expectation": {"value": 1}}, "expectation")
    change("feedback on expectation", {"feedback": {"value": 1}}, "feedback", "$exp")
    change("expectation", {"expectation": {"value": "new"}}, "expectation", "$exp")
    change("expectation serialized", {"expectation": serialized}, "expectation", "$exp")
    call("assess: a third", "POST", f"{V3}/tr-judged/assessments", {"assessment": {"assessment_name": "ok", "feedback": {"value": "yes"}, "source": source}}, save={"bad_fb": "assessment.assessment_id"})
    change("both", {"expectation": {"value": 1}, "feedback": {"value": 1}}, "expectation,feedback")
    call("assess change: valid", "PATCH", f"{V3}/tr-judged/assessments/$bad_fb", {"assessment": {"valid": False}, "update_mask": "valid"})
    change("unknown in the mask", {"rationale": "r"}, "nope")
    change("source", {"source": {"source_type": "CODE", "source_id": "x"}}, "source")
    change("empty mask", {"rationale": "r"}, "")
    change("mask a number", {"rationale": "r"}, 5)
    change("absent", {"rationale": "r"}, "rationale", "a-none")
    call("assess change: no mask", "PATCH", f"{path}/$fb", {"assessment": {"rationale": "r"}})
    call("assess change: no assessment", "PATCH", f"{path}/$fb", {"update_mask": "rationale"})
    call("assess change: absent trace", "PATCH", f"{V3}/tr-none/assessments/a-none", {"assessment": {"rationale": "r"}, "update_mask": "rationale"})
    call("assess change: read", "GET", f"{path}/$fb")
    call("assess: override", "POST", path, {"assessment": {"assessment_name": "fine", "feedback": {"value": "yes"}, "source": source, "overrides": "$fb"}}, save={"over": "assessment.assessment_id"})
    call("assess: overridden", "GET", f"{path}/$fb")
    call("assess: all", "GET", f"{V3}/tr-{SHOP}")
    call("assess delete: overriding", "DELETE", f"{path}/$over")
    call("assess delete: again", "DELETE", f"{path}/$over")
    call("assess delete: counts again", "GET", f"{path}/$fb")
    call("assess delete: absent", "DELETE", f"{path}/a-none")
    call("assess delete: absent trace", "DELETE", f"{V3}/tr-none/assessments/a-none")


def figures():
    good = {"experiment_ids": ["$traced"], "view_type": "TRACES", "metric_name": "trace_count", "aggregations": [{"aggregation_type": "COUNT"}]}
    path = f"{V3}/metrics"
    call("figures: count", "POST", path, good)
    for view, metric, dimensions in [("TRACES", "trace_count", ["trace_status"]), ("TRACES", "latency", ["trace_name"]), ("TRACES", "total_tokens", []), ("TRACES", "input_tokens", []), ("SPANS", "span_count", ["span_type"]), ("SPANS", "span_count", ["span_name", "span_status"]), ("SPANS", "latency", ["span_name"]), ("ASSESSMENTS", "assessment_count", ["assessment_name"]), ("ASSESSMENTS", "assessment_value", ["assessment_name"])]:
        for kind in ("COUNT", "SUM", "AVG", "MIN", "MAX"):
            call(f"figures: {view} {metric} {kind} {dimensions}", "POST", path, {**good, "view_type": view, "metric_name": metric, "dimensions": dimensions, "aggregations": [{"aggregation_type": kind}]})
        call(f"figures: {view} {metric} P50 {dimensions}", "POST", path, {**good, "view_type": view, "metric_name": metric, "dimensions": dimensions, "aggregations": [{"aggregation_type": "PERCENTILE", "percentile_value": 50}, {"aggregation_type": "PERCENTILE", "percentile_value": 99.5}]})
    call("figures: over time", "POST", path, {**good, "time_interval_seconds": 3600, "start_time_ms": 1767225600000, "end_time_ms": 1767232800000})
    call("figures: from to", "POST", path, {**good, "start_time_ms": 1767225600000, "end_time_ms": 1767225600400})
    spoilt("figures", "POST", path, good, extra={
        "view unknown": {**good, "view_type": "NOPE"}, "metric unknown": {**good, "metric_name": "nope"}, "metric of another view": {**good, "metric_name": "span_count"}, "aggregation unknown": {**good, "aggregations": [{"aggregation_type": "NOPE"}]}, "no aggregation": {**good, "aggregations": []}, "aggregation empty": {**good, "aggregations": [{}]}, "percentile without value": {**good, "metric_name": "latency", "aggregations": [{"aggregation_type": "PERCENTILE"}]},
        "percentile 101": {**good, "metric_name": "latency", "aggregations": [{"aggregation_type": "PERCENTILE", "percentile_value": 101}]}, "dimension unknown": {**good, "dimensions": ["nope"]}, "interval without times": {**good, "time_interval_seconds": 60}, "limit": {**good, "metric_name": "trace_count", "dimensions": ["trace_name"], "max_results": 1}, "experiment absent": {**good, "experiment_ids": ["99999999"]}, "experiment odd": {**good, "experiment_ids": ["x"]}, "filter": {**good, "filters": ["trace.status = 'OK'"]}, "filter bad": {**good, "filters": ["nope"]}})  # fmt: skip
    both = {"experiment_ids": ["$traced"], "filter_string1": "status = 'OK'", "filter_string2": "name = 'answer'"}
    spoilt("correlation", "POST", f"{V3}/calculate-filter-correlation", both, extra={
        "good": both, "with a base": {**both, "base_filter": "timestamp > 5000"}, "none fits": {**both, "filter_string2": "name = 'nobody'"}, "same": {**both, "filter_string2": "status = 'OK'"}, "bad filter": {**both, "filter_string1": "nope = 1"}, "elsewhere": {**both, "experiment_ids": ["$other"]}, "of spans": {**both, "filter_string2": "span.type = 'RETRIEVER'"}})  # fmt: skip


def deletion():
    path = f"{V2}/delete-traces"
    for index in range(4):
        call(f"del: make {index}", "POST", V3, head(f"tr-d{index}", "$other", request_time=f"2026-01-01T00:00:0{index}Z"))
    for name, body in {
        "nothing said": {"experiment_id": "$other"}, "both": {"experiment_id": "$other", "max_timestamp_millis": 5, "request_ids": ["tr-d0"]}, "ids and limit": {"experiment_id": "$other", "request_ids": ["tr-d0"], "max_traces": 1}, "limit zero": {"experiment_id": "$other", "max_timestamp_millis": 5, "max_traces": 0}, "limit negative": {"experiment_id": "$other", "max_timestamp_millis": 5, "max_traces": -1},
        "no experiment": {"request_ids": ["tr-d0"]}, "experiment number": {"experiment_id": 1, "request_ids": ["tr-d0"]}, "experiment odd": {"experiment_id": "x", "request_ids": ["tr-d0"]}, "experiment absent": {"experiment_id": "99999999", "request_ids": ["tr-d0"]}, "time text": {"experiment_id": "$other", "max_timestamp_millis": "x"}, "ids text": {"experiment_id": "$other", "request_ids": "x"}, "id number": {"experiment_id": "$other", "request_ids": [1]},
        "absent id": {"experiment_id": "$other", "request_ids": ["tr-none"]}, "of another experiment": {"experiment_id": "$traced", "request_ids": ["tr-d0"]}, "one of two": {"experiment_id": "$other", "request_ids": ["tr-d0", "tr-none"]}, "again": {"experiment_id": "$other", "request_ids": ["tr-d0"]}, "oldest": {"experiment_id": "$other", "max_timestamp_millis": 1767225609000, "max_traces": 1}, "by time": {"experiment_id": "$other", "max_timestamp_millis": "1767225602000"},
    }.items():  # fmt: skip
        call(f"del: {name}", "POST", path, body)
    call("del: left", "POST", f"{V3}/search", {"locations": [{"mlflow_experiment": {"experiment_id": "$other"}}]})
    call("del: by v3", "POST", f"{V3}/delete-traces", {"experiment_id": "$other", "request_ids": ["tr-d3"]})
    call("del: gone", "GET", f"{V3}/tr-d3")
    call("del: with spans", "POST", path, {"experiment_id": "$traced", "request_ids": [f"tr-{CHAT}"]})
    call("del: assessments with it", "GET", f"{V3}/tr-{CHAT}/assessments/a-none")
    call("del: spans with it", "GET", f"{V3}/batchGet", {"trace_ids": f"tr-{CHAT}"})


if __name__ == "__main__":
    base.main([setting, heads, old_heads, otlp, searches, many, tags_and_links, assessments, figures, deletion], DIFFERENCES, TO_MEND)
