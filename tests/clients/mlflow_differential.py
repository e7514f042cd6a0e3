"""The same requests, good and bad, to a real `mlflow server` (MLFLOW_REFERENCE_URI, no login) and to the server of
MLFLOW_TRACKING_URI with MLFLOW_TRACKING_TOKEN. Status, error_code, message and body must be the same once ids and times are
given names. Both servers must be fresh. What may differ is in DIFFERENCES, each with its reason; a reason that is not needed
any more fails as well, so that the list stays true. `-v` prints every answer."""

import copy
import json
import os
import re
import sys
import time

import requests

MLFLOW = os.environ["MLFLOW_REFERENCE_URI"].rstrip("/")
DRYDOCK = os.environ["MLFLOW_TRACKING_URI"].rstrip("/")
TOKEN = os.environ["MLFLOW_TRACKING_TOKEN"]
VERBOSE = "-v" in sys.argv
TIMES = {
    "creation_time", "last_update_time", "start_time", "end_time", "creation_timestamp", "last_updated_timestamp",
    "creation_timestamp_ms", "last_updated_timestamp_ms",
}  # fmt: skip
INSTANTS = {"create_time", "last_update_time", "timestamp"}
ABSENT = object()
# Ids, times, made-up names, and the database's own words in messages.
NAMED = [
    (r"mlflow-artifacts:/[1-9]\d*(?=/|$)", "mlflow-artifacts:/<n>"),
    (r"\bm-[0-9a-f]{32}\b", "<model>"),
    (r"\b[0-9a-f]{32}\b", "<hex>"),
    (r"\b([Ii][dD]\W{1,3}|experiment )[1-9]\d*\b", r"\1<n>"),
    (r"\b\d{13}\b", "<time>"),
    (r"\b[a-z]+-[a-z]+-\d{1,3}\b", "<random>"),
    (r"(No such artifact|not a file): '[1-9]\d*/", r"\1: '<n>/"),
    (r" ?(Error: )?\((sqlite3\.|raised as).*", ""),
]


class Side:
    """One of the two servers, with the ids that it gave so far."""

    def __init__(self, url, token=None):
        self.url, self.names = url, {}
        self.http = requests.Session()
        self.http.trust_env = False
        if token:
            self.http.headers["Authorization"] = f"Bearer {token}"

    def fill(self, thing):
        if isinstance(thing, str):
            return re.sub(r"\$(\w+)", lambda match: str(self.names.get(match[1], match[0])), thing)
        if isinstance(thing, list):
            return [self.fill(item) for item in thing]
        if isinstance(thing, dict):
            return {key: self.fill(value) for key, value in thing.items()}
        return thing

    def send(self, method, path, body, query, data, headers):
        sent = {"params": self.fill(query)} if query else {}
        if data is not None:
            sent["data"] = self.fill(data) if isinstance(data, str) else data
        elif body is not ABSENT:
            sent["json"] = self.fill(body)
        for last in (False, True):
            try:
                return self.http.request(method, self.url + self.fill(path), headers=self.fill(headers or {}), timeout=60, **sent)
            except requests.ConnectionError:
                # The real server drops connections after some of its own exceptions.
                if last:
                    raise

    def plain(self, value, key=None):
        """The value without this server's own ids and times."""
        if isinstance(value, dict):
            # The real server leaves some empty texts out and keeps others: absent and "" are alike to clients. It knows nobody,
            # where ours says who asked; and it forgets which logged model a version is of.
            left_out = [("user_id", "admin"), *([("model_id", value.get("model_id"))] if "current_stage" in value else [])]
            return {k: self.plain(v, k) for k, v in sorted(value.items()) if v != "" and (k, v) not in left_out}
        if isinstance(value, list):
            items = [self.plain(item) for item in value]
            if items and all(isinstance(item, dict) and ("key" in item or "alias" in item or "entity" in item) for item in items):
                items.sort(key=lambda item: json.dumps(item, sort_keys=True))
            return items
        if key in TIMES and isinstance(value, int) and value > 10**12:
            return "<time>"
        if isinstance(value, float) and value.is_integer():
            return int(value)
        if key in INSTANTS and isinstance(value, str):
            return "<instant>" if re.match(r"20\d\d-\d\d-\d\dT", value) else value
        if isinstance(value, str):
            if key in ("page_token", "next_page_token"):
                return "<token>"
            for name, known in sorted(self.names.items(), key=lambda pair: -len(str(pair[1]))):
                if len(str(known)) > 4:
                    value = value.replace(str(known), f"<{name}>")
            if key in ("experiment_id", "experimentId") and value.isdigit() and value != "0":
                value = "<n>"
            if value.startswith('[{"') and key == "value":
                # A text that is JSON is compared as such.
                return self.plain(json.loads(value))
            for pattern, named in NAMED:
                value = re.sub(pattern, named, value, flags=re.DOTALL)
            if key == "message":
                # Python's sets have no order.
                value = re.sub(r"[{(\[][^{}()\[\]]*, [^{}()\[\]]*[})\]]", lambda m: m[0][0] + ", ".join(sorted(m[0][1:-1].split(", "))) + m[0][-1], value)
        return value


left, right = Side(MLFLOW), Side(DRYDOCK, TOKEN)
SENT, FAULTS, USED, TO_MEND = 0, [], set(), []

KIND = r" is (int|float|text|list|dict|bool|null|empty|list of int)$"
# (pattern over the label, how the answers may differ, why)
DIFFERENCES = [
    (KIND, "stricter", "A value of a wrong kind is refused wherever it stands; MLflow reads over some and breaks over others."),
    (r"(without|number|a text|of wrong kind|fraction|true|value text|time text|step text|value  1|value 1_0|no dataset)", "stricter", "The same, within lists and for numbers."),
    (KIND + "|without key|key number", "words", "What is wrong is named where it is wrong."),
    (r"(limit|limit .*|view|token|finalize|update|text): |limit text|status unknown", "stricter", "So are sizes, views, page tokens and states that are none."),
    (r"limit: ", "words", "How many are too many is said in the registry's own words."),
    (r"token: ", "words", "Page tokens are opaque; ours say what is wrong with them in our words."),
    (r"models page: other search", "more", "A page token of logged models is an offset, as everywhere else."),
    (r"(filter|order): ", "words", "Errors in filters name the place."),
    (r"(filter|order): ", "stricter", "MLflow reads over, or breaks over, what is no condition; ours says where."),
    (r"filter: (attributes?|attr)\.|order: .*(attribute|creation_timestamp|tags)", "more", "An attribute may be called by any of its prefixes in every search."),
    (r"order: \['timestamp', 'last_updated_timestamp'\]", "more", "These are two names of one key; it sorts."),
    (r"filter: .*(a-b|a/b|a:b|<>|creation_time > 1.5|filter:    $)|filter:    $", "more", "Names with these characters need no quotes; <> is !=; a doubled quote is one quote."),
    (r"filter: .*''", "both answer", "A doubled quote is one quote."),
    (r"models filter: (status|experiment_id|name = |.*= 1$|attribute)", "both answer", "A logged model's status is searched by its word."),
    (r"models datasets: ", "both answer", "A dataset is found by its name alone; MLflow then wants a model without a digest."),
    (r"nan metric", "both answer", "NaN of a logged model stays NaN; MLflow's is 0."),
    (r"run create: .*(start_time|time too large)", "both answer", "A run that says no start time, or one that no clock shows, started now."),
    (r"run create: (no experiment_id|experiment_id is (null|empty)|empty|same tag twice)", "more", "A run without an experiment is in the default one; the last of two equal tags counts."),
    (r"run create: long tag key", "stricter", "Keys have 250 characters everywhere."),
    (r"exp create: location (file|relative)", "stricter", "The server's disk is no place for artifacts."),
    (r"exp create: location long", "words", "Ours has no environment variable to change."),
    (r"exp get: huge|exp update: taken|exp deleted: rename|metric: absent model|model params: changed|stage: archive into none", "both refuse", "Wrong requests are 4xx with what is wrong, where MLflow's database throws."),
    (r"batch: (metrics|params|tags) is null|search limit: None|outputs: again", "more", "Nothing is nothing, and the same again is the same."),
    (r"^(bulk|datasets:|model file) ?/?api/2.0", "more", "MLflow's page alone has these; here clients have them, too."),
    (r"^(datasets|bulk|model file).*api/2.0", "both refuse", "The same."),
    (r"datasets: (.*api.*mlflow)", "more", "Under both spellings."),
    (r"bulk .*two", "both answer", "NaN is a text: the bare word of MLflow's is no JSON."),
    (r"model (finalize|params): no id", "more", "The id in the path is enough."),
    (r"model file .*none|get-artifact|art: get folder|ver uri|regs? (get|create): long|rename: long", "both refuse", "In other words, or for a name that MLflow's other databases would refuse."),
    (r"reg create: long", "stricter", "Names have 256 characters, the width of MLflow's own column."),
    (r"ver create: (models absent|models of absent|file|relative|climbing)", "words", "The source is named as it was sent, not as a path of the server."),
    (r"ver create: (http|logged model alone)", "more", "A source elsewhere is a text that nobody fetches; a logged model names itself."),
    (r"art list.*(root|empty)", "both answer", "An empty file has 0 bytes."),
    (r"presigned get|mpu create: good", "more", "Drydock takes uploads in parts and gives artifacts in ranges."),
    (r"graphql: search runs$", "both answer", "An enum in a query's variables is read; MLflow breaks over it."),
    (r"graphql: (bad filter|skip and include)", "both answer", "Errors in filters in our words; @skip and @include are known."),
    (r"graphql: (not GraphQL|unclosed)", "more", "A syntax error is an answer, not a 500."),
    (r"^server-info", "both answer", "Uploads in parts are offered, an AI gateway is not."),
    (r"alias: model", "both answer", "The newest versions say which aliases point at them."),
    (r"ver create: tag long", "both answer", "The number of the version: more of them were taken before."),
    (r"version is (int|float)", "both refuse", "A version's number may come as a number."),
    (r"route: wrong method", "status", "405 without a page."),
]


def view(side, answer):
    kind = answer.headers.get("content-type", "").split(";")[0]
    if kind == "application/json" or answer.content[:1] == b"{":
        try:
            body = answer.json()
        except ValueError:
            return answer.status_code, None, None, answer.text[:300]
        if isinstance(body, dict) and "error_code" in body:
            return answer.status_code, body["error_code"], side.plain(body.get("message"), "message"), None
        return answer.status_code, None, None, side.plain(body)
    return answer.status_code, None, None, f"<{kind}>" if answer.status_code >= 400 else answer.text[:300]


def call(label, method, path, body=ABSENT, query=None, data=None, headers=None, save=None):
    """Sends to both, compares, and keeps what `save` names: {name: path into the answer}."""
    global SENT
    SENT += 1
    if method in ("GET", "HEAD") and body is not ABSENT:
        query, body = body, ABSENT
    answers = [side.send(method, path, body, query, data, headers) for side in (left, right)]
    for side, answer in zip((left, right), answers):
        for name, place in (save or {}).items():
            found = answer.json()
            for step in place.split("."):
                found = found[int(step)] if step.isdigit() else found[step]
            side.names[name] = found
    one, two = view(left, answers[0]), view(right, answers[1])
    if VERBOSE:
        print(f"{label}: {one}")
    compare(label, one, two)
    return answers


LEVELS = {
    # The same answer in other words.
    "words": lambda one, two: one[:2] == two[:2] and two[0] >= 400,
    "status": lambda one, two: one[0] == two[0],
    # We refuse what MLflow takes for something else, or breaks over.
    "stricter": lambda one, two: (one[0] < 300 or one[0] >= 500) and two[:2] == (400, "INVALID_PARAMETER_VALUE"),
    # We answer what MLflow refuses, or breaks over.
    "more": lambda one, two: one[0] >= 400 and two[0] == 200,
    "both refuse": lambda one, two: one[0] >= 400 and 400 <= two[0] < 500,
    "both answer": lambda one, two: one[0] == two[0] == 200,
    "any": lambda one, two: two[0] < 500,
}


def compare(label, one, two):
    if one == two:
        return
    for index, (pattern, level, _why) in enumerate(DIFFERENCES):
        if re.search(pattern, label) and LEVELS[level](one, two):
            USED.add(index)
            return
    if any(re.search(pattern, label) and LEVELS[level](one, two) for pattern, level, _why in TO_MEND):
        return
    FAULTS.append(label)
    print(f"--- {label}")
    if one[:3] == two[:3] and one[3] and two[3]:
        for place, ours, theirs in leaves("", one[3], two[3]):
            print(f"    at {place}: mlflow {show(ours)}, drydock {show(theirs)}", flush=True)
    else:
        print(f"    mlflow : {show(one)}\n    drydock: {show(two)}", flush=True)


def show(answer):
    return json.dumps(answer, ensure_ascii=False, default=str)[:600]


def leaves(place, one, two):
    """Where two bodies differ."""
    if isinstance(one, dict) and isinstance(two, dict):
        for key in sorted({*one, *two}):
            yield from leaves(f"{place}.{key}", one.get(key), two.get(key))
    elif isinstance(one, list) and isinstance(two, list) and len(one) == len(two):
        for index, pair in enumerate(zip(one, two)):
            yield from leaves(f"{place}[{index}]", *pair)
    elif isinstance(one, list) and isinstance(two, list):
        yield f"{place} (in one alone)", [item for item in one if item not in two], [item for item in two if item not in one]
    elif one != two:
        yield place, one, two


WRONG = {"int": 123, "float": 1.5, "text": "abc", "list": [], "dict": {}, "bool": True, "null": None, "empty": "", "list of int": [1]}


def spoilt(label, method, path, good, fields=None, extra=None):
    """The good request, then the same with each field absent and of each wrong kind, then unknown fields."""
    for field in fields or good:
        without = {key: value for key, value in good.items() if key != field}
        call(f"{label}: no {field}", method, path, without)
        for kind, value in WRONG.items():
            if method == "GET" and not isinstance(value, str):
                continue
            if type(value) is type(good.get(field)) and kind not in ("empty",) and not isinstance(value, (list, dict)):
                continue
            if isinstance(value, list) and isinstance(good.get(field), list) and kind != "list of int":
                continue
            call(f"{label}: {field} is {kind}", method, path, {**without, field: value})
    call(f"{label}: unknown field", method, path, {**good, "nobody_knows": 1})
    for name, value in (extra or {}).items():
        call(f"{label}: {name}", method, path, value)


E, R, M, L = "/api/2.0/mlflow/experiments/", "/api/2.0/mlflow/runs/", "/api/2.0/mlflow/metrics/", "/api/2.0/mlflow/logged-models"
G, V = "/api/2.0/mlflow/registered-models/", "/api/2.0/mlflow/model-versions/"
LONG = "x" * 30_000


def bodies():
    """How bodies are read, whatever the call."""
    path = E + "create"
    call("body: absent", "POST", path)
    call("body: not JSON", "POST", path, data="no json", headers={"Content-Type": "application/json"})
    call("body: no content type", "POST", path, data=b'{"name": "a"}', headers={"Content-Type": ""})
    call("body: other content type", "POST", path, data="{}", headers={"Content-Type": "text/plain"})
    call("body: charset", "POST", path, data='{"name": 1}', headers={"Content-Type": "application/json; charset=utf-8"})
    call("body: double JSON", "POST", path, data=json.dumps('{"name": 5}'), headers={"Content-Type": "application/json"})
    call("body: both spellings", "POST", path, {"name": "z1", "artifact_location": "s3://b/a", "artifactLocation": "s3://b/c"})
    call("body: camel case", "POST", R + "create", {"experimentId": "0", "runName": "camel", "startTime": 5}, save={"camel": "run.info.run_id"})
    call("body: camel case read", "GET", R + "get", {"run_id": "$camel"})
    call("route: unknown", "GET", "/api/2.0/mlflow/nope")
    call("route: unknown POST", "POST", "/api/2.0/mlflow/nope", {})
    call("route: unknown 3.0", "GET", "/api/3.0/mlflow/nope")
    call("route: unknown ajax", "GET", "/ajax-api/2.0/mlflow/nope")
    call("route: wrong method", "GET", E + "create")
    call("route: wrong method on get", "POST", R + "get", {})
    call("route: wrong method delete", "DELETE", R + "search")
    call("version", "GET", "/version")
    call("health", "GET", "/health")


def experiments():
    call("exp: create", "POST", E + "create", {"name": "one", "tags": [{"key": "a", "value": "b"}]}, save={"exp": "experiment_id"})
    call("exp: get", "GET", E + "get", {"experiment_id": "$exp"})
    call("exp: get ajax", "GET", "/ajax-api/2.0/mlflow/experiments/get", {"experiment_id": "$exp"})
    call("exp: by name", "GET", E + "get-by-name", {"experiment_name": "one"})
    call("exp: location of its own", "POST", E + "create", {"name": "elsewhere", "artifact_location": "s3://bucket/x"}, save={"s3exp": "experiment_id"})
    call("exp: get s3", "GET", E + "get", {"experiment_id": "$s3exp"})
    spoilt("exp create", "POST", E + "create", {"name": "sp", "artifact_location": "s3://b/x", "tags": [{"key": "k", "value": "v"}]}, extra={
        "taken": {"name": "one"},
        "long name": {"name": "n" * 501},
        "longest name": {"name": "n" * 500},
        "slashes in name": {"name": "a/b"},
        "blank name": {"name": "  "},
        "unicode name": {"name": "größe 测试"},
        "tag without key": {"name": "t1", "tags": [{"value": "x"}]},
        "tag long": {"name": "t2", "tags": [{"key": "k", "value": LONG}]},
        "tag key long": {"name": "t3", "tags": [{"key": "k" * 251, "value": "x"}]},
        "tag key bad": {"name": "t4", "tags": [{"key": "a$b", "value": "x"}]},
        "location with query": {"name": "t6", "artifact_location": "s3://b/x?a=../b"},
        "location with fragment": {"name": "t7", "artifact_location": "s3://b/x#frag"},
        "location file": {"name": "t8", "artifact_location": "file:///etc"},
        "location long": {"name": "t9", "artifact_location": "s3://b/" + "x" * 3000},
        "location relative": {"name": "t10", "artifact_location": "mlflow-artifacts:/a/../b"},
        "location runs": {"name": "t11", "artifact_location": "runs:/a/b"},
    })
    spoilt("exp get", "GET", E + "get", {"experiment_id": "$exp"}, extra={
        "absent": {"experiment_id": "99999999"}, "negative": {"experiment_id": "-1"}, "huge": {"experiment_id": "9" * 30}})
    spoilt("exp by name", "GET", E + "get-by-name", {"experiment_name": "one"}, extra={"absent": {"experiment_name": "nobody"}})
    spoilt("exp update", "POST", E + "update", {"experiment_id": "$exp", "new_name": "one b"}, extra={
        "taken": {"experiment_id": "$exp", "new_name": "elsewhere"}, "long": {"experiment_id": "$exp", "new_name": "n" * 501},
        "absent": {"experiment_id": "99999999", "new_name": "x"}})
    call("exp update: good", "POST", E + "update", {"experiment_id": "$exp", "new_name": "one c"})
    spoilt("exp set tag", "POST", E + "set-experiment-tag", {"experiment_id": "$exp", "key": "k", "value": "v"}, extra={
        "long": {"experiment_id": "$exp", "key": "k", "value": LONG}, "key long": {"experiment_id": "$exp", "key": "k" * 251, "value": ""},
        "longest": {"experiment_id": "$exp", "key": "k", "value": "v" * 5000},
        "key bad": {"experiment_id": "$exp", "key": "../x", "value": ""}, "absent": {"experiment_id": "99999999", "key": "k", "value": ""}})
    call("exp set tag: again", "POST", E + "set-experiment-tag", {"experiment_id": "$exp", "key": "k", "value": "w"})
    call("exp get: tags", "GET", E + "get", {"experiment_id": "$exp"})
    spoilt("exp delete tag", "POST", E + "delete-experiment-tag", {"experiment_id": "$exp", "key": "k"}, extra={
        "again": {"experiment_id": "$exp", "key": "k"}, "absent": {"experiment_id": "99999999", "key": "k"}})
    for name in ("del a", "del b"):
        call(f"exp create {name}", "POST", E + "create", {"name": name}, save={name.replace(" ", "_"): "experiment_id"})
    call("exp run before delete", "POST", R + "create", {"experiment_id": "$del_a", "run_name": "r", "start_time": 1}, save={"del_run": "run.info.run_id"})
    call("exp delete", "POST", E + "delete", {"experiment_id": "$del_a"})
    call("exp deleted: get", "GET", E + "get", {"experiment_id": "$del_a"})
    call("exp deleted: by name", "GET", E + "get-by-name", {"experiment_name": "del a"})
    call("exp deleted: again", "POST", E + "delete", {"experiment_id": "$del_a"})
    call("exp deleted: run", "GET", R + "get", {"run_id": "$del_run"})
    call("exp deleted: create run", "POST", R + "create", {"experiment_id": "$del_a", "run_name": "r"})
    call("exp deleted: rename", "POST", E + "update", {"experiment_id": "$del_a", "new_name": "zz"})
    call("exp deleted: tag", "POST", E + "set-experiment-tag", {"experiment_id": "$del_a", "key": "k", "value": "v"})
    call("exp deleted: untag", "POST", E + "delete-experiment-tag", {"experiment_id": "$del_a", "key": "k"})
    call("exp deleted: name taken", "POST", E + "create", {"name": "del a"})
    call("exp deleted: logged model", "POST", L, {"experiment_id": "$del_a", "name": "m"})
    spoilt("exp delete", "POST", E + "delete", {"experiment_id": "99999999"})
    spoilt("exp restore", "POST", E + "restore", {"experiment_id": "$del_a"}, extra={
        "absent": {"experiment_id": "99999999"}, "alive": {"experiment_id": "$exp"}})
    call("exp restored: run", "GET", R + "get", {"run_id": "$del_run"})
    call("exp: delete default", "POST", E + "delete", {"experiment_id": "0"})
    call("exp: restore default", "POST", E + "restore", {"experiment_id": "0"})


def experiment_search():
    for index in range(4):
        call(f"exps: create {index}", "POST", E + "create", {"name": f"s{index}", "tags": [{"key": "n", "value": f"v{index % 2}"}]}, save={f"s{index}": "experiment_id"})
    call("exps: delete", "POST", E + "delete", {"experiment_id": "$s3"})
    base = {"max_results": 100, "order_by": ["name ASC"]}
    filters = [
        "name LIKE 's%'", "name ILIKE 'S%'", "name = 's1'", "name != 's1' AND name LIKE 's_'", "tags.n = 'v1'", "tag.n = 'v0'", "tags.`n` LIKE 'v%'",
        "attribute.name = 's0'", "attributes.name = 's0'", "attr.name = 's0'", "creation_time > 0", "last_update_time >= 0 AND name = 's1'",
        "experiment_id IN ('$s1', '$s2')", "experiment_id NOT IN ('$s1')  AND name LIKE 's%'", "experiment_id = '$s1'", "tags.n IS NULL AND name LIKE 's%'",
        "tags.n IS NOT NULL", "name IN ('s1')", "name = s1", "name > 's1'", "name = 1", "creation_time = 'x'", "creation_time LIKE 1", "nope = 's1'",
        "foo.name = 'x'", "metrics.a > 1", "params.a = 'b'", "name = 's1' OR name = 's2'", "name", "name =", "= 's1'", "name = 's1' AND", "AND", "name LIKE 's",
        "name = \"s1\"", "name = 's1'; DROP TABLE experiments", "name == 's1'", "tags.n > 'v'", "name IS NULL", "name = 's1' name = 's2'", "()", "name = ('s1')",
        "experiment_id IN ('x')", "experiment_id IN ()", "experiment_id IN ('$s1',)", "experiment_id IN (1)", "`name` = 's1'", "attribute.`name` = 's1'",
        "creation_time > 1.5", "name LIKE '%'", "tags.\"n\" = 'v1'", "tags.n='v1'and name='s1'", "name = 's''1'", "NAME = 's1'", "name is null",
    ]  # fmt: skip
    for text in filters:
        narrow = f"{text} AND name LIKE 's_'" if text in ("AND", "creation_time > 0", "creation_time > 1.5", "name LIKE '%'") else text
        call(f"exps filter: {text}", "POST", E + "search", {**base, "filter": narrow})
    for order in (["name"], ["name DESC"], ["name asc"], ["creation_time ASC"], ["experiment_id DESC"], ["last_update_time"], ["nope"], ["name UP"], ["name", "name DESC"],
                  ["tags.n"], [""], ["name ASC, experiment_id DESC"], ["attribute.name DESC"], ["attributes.name"], ["name ASC ASC"], ["metrics.a"], ["`name` DESC"]):
        call(f"exps order: {order}", "POST", E + "search", {"filter": "name LIKE 's_'", "max_results": 10, "order_by": order})
    for limit in (0, -1, 1, "2", 50000, 50001, "x", 1.5, None, 2**40):
        call(f"exps limit: {limit}", "POST", E + "search", {"filter": "name LIKE 's_'", "max_results": limit, "order_by": ["name"]})
    call("exps limit: absent", "POST", E + "search", {"filter": "name LIKE 's_'"})
    call("exps: by GET", "GET", E + "search", {"filter": "name LIKE 's_'", "max_results": 5, "order_by": "name DESC"})
    call("exps: by GET, no limit", "GET", E + "search", {})
    for wanted in ("ACTIVE_ONLY", "DELETED_ONLY", "ALL", 1, 2, 3, 9, "NOPE", "1", None):
        call(f"exps view: {wanted}", "POST", E + "search", {"filter": "name LIKE 's_'", "max_results": 10, "view_type": wanted, "order_by": ["name"]})
    call("exps view: GET", "GET", E + "search", {"filter": "name LIKE 's_'", "max_results": 10, "view_type": "ALL", "order_by": "name"})
    call("exps page 1", "POST", E + "search", {"filter": "name LIKE 's_'", "max_results": 2, "order_by": ["name"]}, save={"token": "next_page_token"})
    call("exps page 2", "POST", E + "search", {"filter": "name LIKE 's_'", "max_results": 2, "order_by": ["name"], "page_token": "$token"})
    for token in ("!!", "e30=", "eyJvZmZzZXQiOiAtMX0=", "eyJvZmZzZXQiOiAieCJ9", "", "bm8ganNvbg==", "W10="):
        call(f"exps token: {token}", "POST", E + "search", {"max_results": 2, "page_token": token, "filter": "name LIKE 's_'"})
    spoilt("exps", "POST", E + "search", {"filter": "name LIKE 's_'", "max_results": 10, "order_by": ["name"], "page_token": ""}, fields=["filter", "order_by", "page_token"])


def runs():
    call("run: create", "POST", R + "create", {"experiment_id": "$exp", "user_id": "ann", "run_name": "first", "start_time": 1000,
         "tags": [{"key": "mlflow.user", "value": "ann"}, {"key": "t", "value": "1"}]}, save={"run": "run.info.run_id"})
    call("run: get", "GET", R + "get", {"run_id": "$run"})
    call("run: get by uuid", "GET", R + "get", {"run_uuid": "$run"})
    call("run: both ids", "GET", R + "get", {"run_uuid": "nope", "run_id": "$run"})
    call("run: ajax", "GET", "/ajax-api/2.0/mlflow/runs/get", {"run_id": "$run"})
    spoilt("run create", "POST", R + "create", {"experiment_id": "$exp", "run_name": "sp", "start_time": 5, "user_id": "bob", "tags": [{"key": "k", "value": "v"}]}, extra={
        "empty": {}, "absent experiment": {"experiment_id": "99999999"}, "names differ": {"experiment_id": "$exp", "run_name": "a", "start_time": 1, "tags": [{"key": "mlflow.runName", "value": "b"}]},
        "names agree": {"experiment_id": "$exp", "run_name": "a", "start_time": 1, "tags": [{"key": "mlflow.runName", "value": "a"}]},
        "named by tag": {"experiment_id": "$exp", "start_time": 1, "tags": [{"key": "mlflow.runName", "value": "tagged"}]},
        "time as text": {"experiment_id": "$exp", "run_name": "t", "start_time": "77"}, "negative time": {"experiment_id": "$exp", "run_name": "t", "start_time": -5},
        "long tag": {"experiment_id": "$exp", "run_name": "t", "start_time": 1, "tags": [{"key": "k", "value": "v" * 8500}]},
        "bad tag key": {"experiment_id": "$exp", "run_name": "t", "start_time": 1, "tags": [{"key": "a$b", "value": "v"}]},
        "long tag key": {"experiment_id": "$exp", "run_name": "t", "start_time": 1, "tags": [{"key": "k" * 251, "value": "v"}]},
        "tag without key": {"experiment_id": "$exp", "run_name": "t", "start_time": 1, "tags": [{"value": "v"}]},
        "tag without value": {"experiment_id": "$exp", "run_name": "t", "start_time": 1, "tags": [{"key": "v"}]},
        "time too large": {"experiment_id": "$exp", "run_name": "t", "start_time": 2**63}, "time a fraction": {"experiment_id": "$exp", "run_name": "t", "start_time": 1.5},
        "time a whole float": {"experiment_id": "$exp", "run_name": "t", "start_time": 5.0},
        "long name": {"experiment_id": "$exp", "run_name": "n" * 300, "start_time": 1},
        "same tag twice": {"experiment_id": "$exp", "run_name": "t", "start_time": 1, "tags": [{"key": "k", "value": "1"}, {"key": "k", "value": "2"}]},
        "tag of wrong kind": {"experiment_id": "$exp", "run_name": "t", "start_time": 1, "tags": ["x"]},
    })
    spoilt("run get", "GET", R + "get", {"run_id": "$run"}, extra={"absent": {"run_id": "nope"}, "odd": {"run_id": "../x"}, "empty": {}})
    spoilt("run update", "POST", R + "update", {"run_id": "$run", "status": "FINISHED", "end_time": 2000, "run_name": "second"}, extra={
        "nothing": {"run_id": "$run"}, "status by number": {"run_id": "$run", "status": 4}, "status unknown": {"run_id": "$run", "status": "NOPE"},
        "status number unknown": {"run_id": "$run", "status": 9}, "status lower": {"run_id": "$run", "status": "failed"}, "empty name": {"run_id": "$run", "run_name": ""},
        "absent": {"run_id": "nope", "status": "FINISHED"}, "running again": {"run_id": "$run", "status": "RUNNING"}, "end as text": {"run_id": "$run", "end_time": "3000", "status": "KILLED"},
        "end zero": {"run_id": "$run", "end_time": 0}, "by uuid": {"run_uuid": "$run", "status": "FINISHED", "end_time": 2000, "run_name": "second"},
    })
    call("run: after updates", "GET", R + "get", {"run_id": "$run"})
    spoilt("run set tag", "POST", R + "set-tag", {"run_id": "$run", "key": "k", "value": "v"}, extra={
        "long": {"run_id": "$run", "key": "k", "value": LONG}, "key long": {"run_id": "$run", "key": "k" * 251, "value": ""}, "key bad": {"run_id": "$run", "key": "a$b", "value": ""},
        "key climbs": {"run_id": "$run", "key": "a/../b", "value": ""}, "absent": {"run_id": "nope", "key": "k", "value": "v"}, "name": {"run_id": "$run", "key": "mlflow.runName", "value": "third"},
        "empty name": {"run_id": "$run", "key": "mlflow.runName", "value": ""},
        "by uuid": {"run_uuid": "$run", "key": "by", "value": "uuid"}, "slash": {"run_id": "$run", "key": "/abs", "value": ""}, "longest": {"run_id": "$run", "key": "L", "value": "v" * 8000}})
    call("run: after tags", "GET", R + "get", {"run_id": "$run"})
    spoilt("run delete tag", "POST", R + "delete-tag", {"run_id": "$run", "key": "k"}, extra={
        "absent tag": {"run_id": "$run", "key": "nope"}, "absent run": {"run_id": "nope", "key": "k"}, "name tag": {"run_id": "$run", "key": "mlflow.runName"}})
    call("run: delete", "POST", R + "create", {"experiment_id": "$exp", "run_name": "gone", "start_time": 1}, save={"gone": "run.info.run_id"})
    spoilt("run delete", "POST", R + "delete", {"run_id": "$gone"}, extra={"again": {"run_id": "$gone"}, "absent": {"run_id": "nope"}})
    for name, path, body in [
        ("set tag", "set-tag", {"key": "a", "value": "b"}), ("delete tag", "delete-tag", {"key": "a"}), ("update", "update", {"status": "FINISHED"}),
        ("metric", "log-metric", {"key": "m", "value": 1, "timestamp": 1}), ("param", "log-parameter", {"key": "m", "value": "1"}),
        ("batch", "log-batch", {"metrics": [{"key": "m", "value": 1, "timestamp": 1, "step": 0}]}), ("inputs", "log-inputs", {"datasets": []}),
        ("outputs", "outputs", {"models": [{"model_id": "m-1", "step": 0}]}),
    ]:
        call(f"run deleted: {name}", "POST", R + path, {"run_id": "$gone", **body})
    call("run deleted: get", "GET", R + "get", {"run_id": "$gone"})
    call("run deleted: restore", "POST", R + "restore", {"run_id": "$gone"})
    call("run restored: get", "GET", R + "get", {"run_id": "$gone"})
    spoilt("run restore", "POST", R + "restore", {"run_id": "$run"}, extra={"absent": {"run_id": "nope"}})


def logging():
    call("log: run", "POST", R + "create", {"experiment_id": "$exp", "run_name": "logs", "start_time": 3000}, save={"logs": "run.info.run_id"})
    spoilt("metric", "POST", R + "log-metric", {"run_id": "$logs", "key": "m", "value": 0.5, "timestamp": 10, "step": 1}, extra={
        **{f"value {value}": {"run_id": "$logs", "key": "v" + re.sub(r"\W", "", value), "value": value, "timestamp": 1} for value in ("NaN", "Infinity", "-Infinity", "1e308", "1e400", "inf", "nan", "0x1", "1_0", " 1", "1.5")},
        "step as text": {"run_id": "$logs", "key": "s", "value": 1, "timestamp": "12", "step": "9007199254740993"}, "step negative": {"run_id": "$logs", "key": "s", "value": 1, "timestamp": 1, "step": -3},
        "step too large": {"run_id": "$logs", "key": "s", "value": 1, "timestamp": 1, "step": 2**63}, "time negative": {"run_id": "$logs", "key": "s", "value": 1, "timestamp": -1},
        "time a fraction": {"run_id": "$logs", "key": "s", "value": 1, "timestamp": 1.5}, "key long": {"run_id": "$logs", "key": "k" * 251, "value": 1, "timestamp": 1},
        "longest key": {"run_id": "$logs", "key": "k" * 250, "value": 1, "timestamp": 1}, "key bad": {"run_id": "$logs", "key": "a$b", "value": 1, "timestamp": 1},
        "key climbs": {"run_id": "$logs", "key": "../a", "value": 1, "timestamp": 1}, "value a large int": {"run_id": "$logs", "key": "big", "value": 2**60, "timestamp": 1},
        "value true": {"run_id": "$logs", "key": "true", "value": True, "timestamp": 1}, "by uuid": {"run_uuid": "$logs", "key": "u", "value": 1, "timestamp": 1},
        "absent run": {"run_id": "nope", "key": "m", "value": 1, "timestamp": 1}, "absent model": {"run_id": "$logs", "key": "mm", "value": 1, "timestamp": 1, "model_id": "m-none"},
        "dataset": {"run_id": "$logs", "key": "md", "value": 1, "timestamp": 1, "dataset_name": "d", "dataset_digest": "x"}, "run of odd form": {"run_id": "a/b", "key": "m", "value": 1, "timestamp": 1},
    })
    spoilt("param", "POST", R + "log-parameter", {"run_id": "$logs", "key": "p", "value": "1"}, extra={
        "changed": {"run_id": "$logs", "key": "p", "value": "2"}, "again": {"run_id": "$logs", "key": "p", "value": "1"}, "long": {"run_id": "$logs", "key": "long", "value": "v" * 6500},
        "key long": {"run_id": "$logs", "key": "k" * 251, "value": "1"}, "key bad": {"run_id": "$logs", "key": "a,b", "value": "1"}, "empty value": {"run_id": "$logs", "key": "e", "value": ""},
        "absent run": {"run_id": "nope", "key": "p", "value": "1"}, "unicode": {"run_id": "$logs", "key": "größe/ä", "value": "ü"}})
    good = {"run_id": "$logs", "metrics": [{"key": "b", "value": 1.5, "timestamp": 1, "step": 2}], "params": [{"key": "bp", "value": "1"}], "tags": [{"key": "bt", "value": "1"}]}
    metric, param = good["metrics"][0], good["params"][0]
    run = {"run_id": "$logs"}
    spoilt("batch", "POST", R + "log-batch", good, extra={
        "empty": run, "metric without key": {**run, "metrics": [{"value": 1, "timestamp": 1}]}, "metric without value": {**run, "metrics": [{"key": "b", "timestamp": 1, "step": 0}]},
        "metric without time": {**run, "metrics": [{"key": "b", "value": 1, "step": 0}]}, "metric without step": {**run, "metrics": [{"key": "nostep", "value": 1, "timestamp": 1}]},
        "metric value text": {**run, "metrics": [{**metric, "value": "abc"}]}, "metric value NaN": {**run, "metrics": [{**metric, "key": "nan", "value": "NaN"}]},
        "metric key number": {**run, "metrics": [{**metric, "key": 5}]}, "metric time text": {**run, "metrics": [{**metric, "timestamp": "x"}]}, "metric step text": {**run, "metrics": [{**metric, "step": "x"}]},
        "metric time negative": {**run, "metrics": [metric, {**metric, "timestamp": -1}]}, "metric key bad": {**run, "metrics": [{**metric, "key": "a$b"}]}, "metric key long": {**run, "metrics": [{**metric, "key": "k" * 251}]},
        "metric a text": {**run, "metrics": ["x"]}, "metric empty": {**run, "metrics": [{}]},
        "param without key": {**run, "params": [{"value": "1"}]}, "param without value": {**run, "params": [{"key": "nov"}]}, "param value number": {**run, "params": [{"key": "n", "value": 5}]},
        "param changed": {**run, "params": [{"key": "bp", "value": "2"}]}, "params changed": {**run, "params": [{"key": "bp", "value": "2"}, {"key": "p", "value": "9"}]}, "param twice": {**run, "params": [param, {"key": "bp", "value": "1"}]},
        "param long": {**run, "params": [{"key": "plong", "value": "v" * 6500}]}, "param key bad": {**run, "params": [param, {"key": "a$b", "value": ""}]},
        "tag without key": {**run, "tags": [{"value": "1"}]}, "tag without value": {**run, "tags": [{"key": "tnov"}]}, "tag key bad": {**run, "tags": [{"key": "a$b", "value": ""}]}, "tag long": {**run, "tags": [{"key": "tl", "value": "v" * 8500}]},
        "tag value number": {**run, "tags": [{"key": "tn", "value": 5}]}, "tag key long": {**run, "tags": [{"key": "k" * 251, "value": ""}]},
        "too many metrics": {**run, "metrics": [metric] * 1001}, "too many params": {**run, "params": [{"key": f"k{i}", "value": ""} for i in range(101)]},
        "too many tags": {**run, "tags": [{"key": f"k{i}", "value": ""} for i in range(101)]}, "too much together": {**run, "metrics": [metric] * 1000, "params": [param]},
        "absent run": {**good, "run_id": "nope"}, "odd run": {**good, "run_id": "a/b"}, "name by tag": {**run, "tags": [{"key": "mlflow.runName", "value": "renamed"}]},
    })
    call("log: a run with good things only", "POST", R + "create", {"experiment_id": "$exp", "run_name": "tidy", "start_time": 1}, save={"tidy": "run.info.run_id"})
    call("log: good things", "POST", R + "log-batch", {"run_id": "$tidy", "metrics": [{"key": "m", "value": v, "timestamp": 5, "step": i} for i, v in enumerate([1, "NaN", 2.5])] + [{"key": "big", "value": "Infinity", "timestamp": 1, "step": "9007199254740993"}],
         "params": [{"key": "long", "value": "v" * 6500}, {"key": "größe/ä", "value": "ü"}], "tags": [{"key": "tl", "value": "v" * 8500}, {"key": "mlflow.runName", "value": "renamed"}]})
    call("log: what is kept of it", "GET", R + "get", {"run_id": "$tidy"})
    dataset = {"name": "d", "digest": "abc", "source_type": "local", "source": "{}", "schema": "s", "profile": "p"}
    spoilt("inputs", "POST", R + "log-inputs", {"run_id": "$logs", "datasets": [{"dataset": dataset, "tags": [{"key": "mlflow.data.context", "value": "train"}]}]}, extra={
        **{f"dataset without {field}": {"run_id": "$logs", "datasets": [{"dataset": {k: v for k, v in dataset.items() if k != field}}]} for field in dataset},
        **{f"dataset long {field}": {"run_id": "$logs", "datasets": [{"dataset": {**dataset, field: "v" * length}}]} for field, length in {"name": 501, "digest": 37, "source": 70_000}.items()},
        "no dataset": {"run_id": "$logs", "datasets": [{}]}, "tag long": {"run_id": "$logs", "datasets": [{"dataset": dataset, "tags": [{"key": "k", "value": "v" * 501}]}]},
        "tag key long": {"run_id": "$logs", "datasets": [{"dataset": dataset, "tags": [{"key": "k" * 256, "value": "v"}]}]},
        "other context": {"run_id": "$logs", "datasets": [{"dataset": {**dataset, "name": "d2"}, "tags": []}]}, "absent run": {"run_id": "nope", "datasets": [{"dataset": dataset}]}, "models": {"run_id": "$logs", "models": [{"model_id": "m-x"}]},
        "model without id": {"run_id": "$logs", "models": [{}]}})
    spoilt("outputs", "POST", R + "outputs", {"run_id": "$logs", "models": [{"model_id": "m-out", "step": 3}]}, extra={
        "absent run": {"run_id": "nope", "models": [{"model_id": "m-1"}]}, "no step": {"run_id": "$logs", "models": [{"model_id": "m-2"}]}, "again": {"run_id": "$logs", "models": [{"model_id": "m-out", "step": 3}]}})
    model = {"artifact_path": "model", "flavors": {"sklearn": {"a": 1}}, "utc_time_created": "2026-01-01", "run_id": "r", "model_uuid": "u"}
    spoilt("log model", "POST", R + "log-model", {"run_id": "$logs", "model_json": json.dumps(model)}, extra={
        "not JSON": {"run_id": "$logs", "model_json": "no"}, "incomplete": {"run_id": "$logs", "model_json": '{"run_id": "x"}'}, "one missing": {"run_id": "$logs", "model_json": json.dumps({k: v for k, v in model.items() if k != "flavors"})},
        "absent run": {"run_id": "nope", "model_json": json.dumps(model)}})
    call("log: an experiment for datasets", "POST", E + "create", {"name": "datasets"}, save={"dexp": "experiment_id"})
    call("log: a run with datasets", "POST", R + "create", {"experiment_id": "$dexp", "run_name": "d", "start_time": 1}, save={"drun": "run.info.run_id"})
    call("log: datasets", "POST", R + "log-inputs", {"run_id": "$drun", "datasets": [{"dataset": dataset, "tags": [{"key": "mlflow.data.context", "value": "train"}]}, {"dataset": {**dataset, "name": "other"}}], "models": [{"model_id": "m-in"}]})
    call("log: outputs", "POST", R + "outputs", {"run_id": "$drun", "models": [{"model_id": "m-out", "step": 3}]})
    call("log: a model's record", "POST", R + "log-model", {"run_id": "$drun", "model_json": json.dumps(model)})
    call("log: the run with all of it", "GET", R + "get", {"run_id": "$drun"})
    for prefix in ("/api/2.0", "/ajax-api/2.0"):
        for spelling in ("/mlflow", "mlflow"):
            call(f"datasets: {prefix}{spelling}", "POST", f"{prefix}{spelling}/experiments/search-datasets", {"experiment_ids": ["$dexp"]})
    base = "/ajax-api/2.0/mlflow/experiments/search-datasets"
    for name, ids in {"none": [], "many": [str(i) for i in range(21)], "absent": ["99999999"], "number": [1], "text": "1", "null": None, "odd": ["x"]}.items():
        call(f"datasets: {name}", "POST", base, {"experiment_ids": ids})
    call("datasets: no field", "POST", base, {})


def histories():
    call("history: run", "POST", R + "create", {"experiment_id": "$exp", "run_name": "h", "start_time": 1}, save={"h": "run.info.run_id"})
    call("history: second run", "POST", R + "create", {"experiment_id": "$exp", "run_name": "h2", "start_time": 1}, save={"h2": "run.info.run_id"})
    points = [{"key": "loss", "value": i / 2, "timestamp": 100 + i, "step": i} for i in range(60)]
    call("history: log", "POST", R + "log-batch", {"run_id": "$h", "metrics": [*points, {"key": "loss", "value": "NaN", "timestamp": 500, "step": 60}, {"key": "loss", "value": "Infinity", "timestamp": 501, "step": 61}]})
    call("history: log second", "POST", R + "log-batch", {"run_id": "$h2", "metrics": points[:10]})
    call("history: same points again", "POST", R + "log-batch", {"run_id": "$h2", "metrics": points[:5] * 2})
    good = {"run_id": "$h", "metric_key": "loss"}
    spoilt("history", "GET", M + "get-history", good, extra={
        "whole": good, "limit": {**good, "max_results": "7"}, "limit zero": {**good, "max_results": "0"}, "limit negative": {**good, "max_results": "-2"}, "limit text": {**good, "max_results": "x"},
        "absent key": {**good, "metric_key": "nope"}, "absent run": {**good, "run_id": "nope"}, "by uuid": {"run_uuid": "$h", "metric_key": "loss"}, "bad token": {**good, "max_results": "5", "page_token": "!!"}, "nothing": {}})
    call("history: page 1", "GET", M + "get-history", {**good, "max_results": "50"}, save={"token": "next_page_token"})
    call("history: page 2", "GET", M + "get-history", {**good, "max_results": "50", "page_token": "$token"})
    call("history: token alone", "GET", M + "get-history", {**good, "page_token": "$token"})
    for name, query in {
        "one": {"run_id": "$h2", "metric_key": "loss"}, "two": {"run_id": ["$h", "$h2"], "metric_key": "loss"}, "limit": {"run_id": ["$h2"], "metric_key": "loss", "max_results": "3"}, "none": {}, "no key": {"run_id": "$h"},
        "absent": {"run_id": "nope", "metric_key": "loss"}, "no such key": {"run_id": "$h", "metric_key": "x"}, "many": {"run_id": ["r"] * 101, "metric_key": "loss"},
    }.items():
        for prefix in ("/api/2.0", "/ajax-api/2.0"):
            call(f"bulk {prefix}: {name}", "GET", f"{prefix}/mlflow/metrics/get-history-bulk", query)
    for name, query in {
        "one": {"run_ids": "$h2", "metric_key": "loss"}, "two": {"run_ids": ["$h2", "$h"], "metric_key": "loss"}, "sampled": {"run_ids": ["$h", "$h2"], "metric_key": "loss", "max_results": "7"},
        "sampled 1": {"run_ids": "$h", "metric_key": "loss", "max_results": "1"}, "sampled 10": {"run_ids": "$h", "metric_key": "loss", "max_results": "10"}, "range": {"run_ids": "$h", "metric_key": "loss", "start_step": "10", "end_step": "20"},
        "range sampled": {"run_ids": "$h", "metric_key": "loss", "start_step": "10", "end_step": "40", "max_results": "5"}, "range open": {"run_ids": "$h", "metric_key": "loss", "start_step": "10"},
        "range reversed": {"run_ids": "$h", "metric_key": "loss", "start_step": "10", "end_step": "1"}, "range negative": {"run_ids": "$h", "metric_key": "loss", "start_step": "-5", "end_step": "3"}, "range text": {"run_ids": "$h", "metric_key": "loss", "start_step": "a", "end_step": "b"},
        "limit zero": {"run_ids": "$h", "metric_key": "loss", "max_results": "0"}, "limit big": {"run_ids": "$h", "metric_key": "loss", "max_results": "2501"}, "limit text": {"run_ids": "$h", "metric_key": "loss", "max_results": "x"},
        "no runs": {"metric_key": "loss"}, "no key": {"run_ids": "$h"}, "many": {"run_ids": ["r"] * 101, "metric_key": "loss"}, "absent": {"run_ids": "nope", "metric_key": "loss"}, "no such key": {"run_ids": "$h", "metric_key": "x"}, "nothing": {},
    }.items():
        for prefix in ("/api/2.0", "/ajax-api/2.0"):
            call(f"interval {prefix}: {name}", "GET", f"{prefix}/mlflow/metrics/get-history-bulk-interval", query)


def run_search():
    call("search: experiment", "POST", E + "create", {"name": "searched"}, save={"sexp": "experiment_id"})
    rows = [("a", 0.9, "0.1", "ann"), ("b", 0.5, "0.1", "bob"), ("c", "NaN", "0.01", "Ann"), ("d", None, "x y", "o'neil"), ("e", "Infinity", "1", None), ("f", -1, None, "100%")]
    for index, (name, acc, rate, owner) in enumerate(rows):
        call(f"search: run {name}", "POST", R + "create", {"experiment_id": "$sexp", "run_name": name, "user_id": "u" + name, "start_time": 1000 + index // 2}, save={f"run_{name}": "run.info.run_id"})
        batch = {"run_id": f"$run_{name}", "metrics": [], "params": [], "tags": [{"key": "my tag", "value": name}]}
        if acc is not None:
            batch["metrics"] = [{"key": "acc", "value": acc, "timestamp": 1, "step": 0}, {"key": "a b", "value": index, "timestamp": 1, "step": 0}]
        if rate is not None:
            batch["params"] = [{"key": "lr", "value": rate}, {"key": "a.b", "value": "dot"}]
        if owner is not None:
            batch["tags"] += [{"key": "owner", "value": owner}, {"key": "mlflow.source.name", "value": "s.py"}]
        call(f"search: log {name}", "POST", R + "log-batch", batch)
    dataset = {"name": "iris", "digest": "d1", "source_type": "local", "source": "{}"}
    call("search: input", "POST", R + "log-inputs", {"run_id": "$run_a", "datasets": [{"dataset": dataset, "tags": [{"key": "mlflow.data.context", "value": "train"}]}]})
    call("search: finish", "POST", R + "update", {"run_id": "$run_b", "status": "FINISHED", "end_time": 5000})
    # A total order, since equal start times fall back on random ids.
    base = {"experiment_ids": ["$sexp"], "order_by": ["attributes.run_name ASC"]}
    filters = [
        "", "   ", "metrics.acc > 0.4", "metrics.acc >= 0.9", "metrics.acc != 0.5", "metrics.acc = 0.5", "metrics.acc < 0", "metrics.acc <= 0.5", "metric.acc > 0.4", "metrics.acc > -2", "metrics.acc > 1e-1", "metrics.acc > .4",
        "metrics.`a b` > 1", "metrics.\"a b\" = 1", "metrics.acc > 1e400", "params.lr = '0.1'", "params.lr != '0.1'", "param.lr = \"x y\"", "parameters.lr = '0.1'", "parameter.lr LIKE '0%'", "params.lr ILIKE 'X%'",
        "params.`a.b` = 'dot'", "params.a.b = 'dot'", "params.\"a.b\" = 'dot'", "params.lr IS NULL", "params.lr IS NOT NULL", "params.none IS NULL", "tags.owner = 'ann'", "tags.owner LIKE 'ann'", "tags.owner LIKE 'a%'", "tags.owner ILIKE 'a%'",
        "tags.owner LIKE '_nn'", "tags.owner = \"o'neil\"", "tags.owner = 'o''neil'", "tags.owner LIKE '100%'", "tags.owner LIKE '100\\%'", "tag.owner != 'ann'", "tags.`my tag` = 'b'", "tags.\"my tag\" = 'c'", "tags.'my tag' = 'c'",
        "tags.mlflow.source.name = 's.py'", "tags.`mlflow.source.name` = 's.py'", "tags.owner IS NULL", "tags.owner IS NOT NULL", "attributes.status = 'RUNNING'", "attribute.status = 'FINISHED'", "attr.status != 'RUNNING'", "run.status = 'FINISHED'",
        "status = 'RUNNING'", "status LIKE 'RUN%'", "status ILIKE 'run%'", "status = 'running'", "attributes.start_time > 1000", "start_time >= 1001 AND start_time < 1002", "start_time = 1000", "start_time != 1000", "created > 1000", "Created > 1000", "end_time > 1", "end_time = 5000", "end_time IS NULL",
        "run_name = 'a'", "run_name LIKE '%'", "attributes.run_name != 'a'", "attributes.`run name` = 'a'", "attributes.`Run Name` = 'a'", "attributes.\"run name\" = 'a'", "attributes.run_name IN ('a', 'b')", "run_id = '$run_a'", "run_id IN ('$run_a', '$run_b')", "run_id NOT IN ('$run_a')",
        "attributes.run_id IN ('$run_a')", "run_id IN ('$run_a',)", "run_id IN ()", "run_id IN ('$run_a' '$run_b')", "run_id IN ($run_a)", "run_id IN '$run_a'", "run_id IN (1)", "run_id in ('$run_a')", "run_id not in ('$run_a')", "status IN ('RUNNING')", "params.lr IN ('0.1')", "tags.owner IN ('ann')", "metrics.acc IN (1)",
        "user_id = 'ua'", "artifact_uri LIKE '%'", "artifact_uri = 'x'", "datasets.name = 'iris'", "dataset.name = 'iris'", "dataset.digest = 'd1'", "dataset.context = 'train'", "dataset.name LIKE 'ir%'", "dataset.name ILIKE 'IR%'", "dataset.name != 'iris'", "dataset.name IN ('iris', 'x')", "dataset.name NOT IN ('iris')", "dataset.nope = 'x'", "dataset.name IS NULL", "dataset.name > 'a'", "datasets.`name` = 'iris'",
        "metrics.acc > 0.4 AND params.lr = '0.1' AND tags.owner = 'ann'", "metrics.acc > 0.4 and params.lr = '0.1'", "metrics.acc > 0.4 AnD params.lr = '0.1'", "metrics.acc>0.4 AND params.lr='0.1'", "metrics.acc > 0.4 AND metrics.acc < 0.6",
        "metrics.acc > 'x'", "metrics.acc = '0.5'", "metrics.acc LIKE '1'", "metrics.acc", "metrics.acc >", "metrics > 1", "metrics. > 1", "metrics.acc > abc", "metrics.acc > 0.4 OR metrics.acc < 0", "metrics.acc > 0.4 AND", "AND metrics.acc > 0.4", "metrics.acc > 0.4 metrics.acc < 1", "metrics.acc == 0.5", "metrics.acc <> 0.5", "metrics.acc => 1", "metrics.acc =< 1", "metrics.acc IS NULL", "metrics.acc IS NOT NULL",
        "params.lr = 1", "params.lr = 0.1", "params.lr = abc", "params.lr > 'x'", "params.lr LIKE 0", "params.lr =", "params = 'x'", "params.lr = 'x", "params.lr = \"x'", "params.lr 'x'", "params.lr IS", "params.lr IS NUL", "params.lr NOT NULL", "tags.owner = ann", "tags.owner > 'a'", "tags.owner = 1", "tags.owner IS NOT", "tags.owner LIKE ann",
        "status > 'a'", "status = RUNNING", "status = 1", "start_time = 'x'", "start_time LIKE 1", "start_time > 1.5", "start_time", "nope = 'x'", "attributes.nope = 'x'", "nope.x = 'x'", "foo bar", "foo", "'x' = params.lr", "1 = 1", "(metrics.acc > 0.4)", "NOT metrics.acc > 0.4", "metrics.acc > 0.4;", "metrics.acc > 0.4; metrics.acc < 1", "metrics.acc BETWEEN 1 AND 2", "params.lr = '0.1' -- x", "params.lr = '0.1' /* x */", "%", "params.lr = '%'", "params.lr = '\\'", "params.größe = 'x'", "params.`größe` = 'x'", "metrics.a-b > 1", "params.a/b = 'x'", "tags.a:b = 'x'", "inputs.x = 'y'", "params.lr = ''", "tags.owner LIKE ''", "params.lr LIKE '%1'", "metrics.acc > 0.4 AND ()", "run_id LIKE '%'", "run_id ILIKE '%'", "run_id != 'x'", "run_id > 'a'",
    ]  # fmt: skip
    for text in filters:
        call(f"search filter: {text}", "POST", R + "search", {**base, "filter": text})
    orders = [
        ["run_name"], ["run_name DESC"], ["attributes.run_name desc"], ["metrics.acc ASC", "run_name"], ["metrics.acc DESC", "run_name"], ["metrics.acc", "run_name"], ["params.lr DESC", "run_name"], ["params.lr", "run_name"], ["tags.owner ASC", "run_name"], ["tag.owner desc", "run_name"], ["start_time DESC", "run_name DESC"],
        ["start_time", "run_name"], ["end_time", "run_name"], ["end_time DESC", "run_name"], ["status", "run_name"], ["metrics.`a b` DESC", "run_name"], ["params.`a.b`", "run_name"], ["tags.`my tag` DESC"], ["attribute.start_time", "run_name"], ["Created DESC", "run_name"], ["attributes.Created", "run_name"], ["`run_name` DESC"], ["metrics.none", "run_name"], ["user_id DESC"], 
        ["nope"], ["metrics.acc UP"], ["metrics.acc DESC x"], [""], [" "], ["metrics.acc", "metrics.acc DESC"], ["run_name", "attributes.run_name"], ["foo.x"], ["metrics"], ["metrics."], ["metrics.acc,run_name"], ["dataset.name"], ["run name"], ["attributes.`run name`"], ["Run Name DESC"], ["attributes.\"Run Name\""], ["metrics.acc DESC NULLS LAST"], ["params.lr = '1'"], ["lifecycle_stage"], ["experiment_id"], ["source_name"],
    ]  # fmt: skip
    for order in orders:
        call(f"search order: {order}", "POST", R + "search", {"experiment_ids": ["$sexp"], "order_by": order})
    for limit in (0, -1, 1, "2", 50000, 50001, "x", 1.5, None, 2**40):
        call(f"search limit: {limit}", "POST", R + "search", {**base, "max_results": limit})
    for wanted in ("ACTIVE_ONLY", "DELETED_ONLY", "ALL", 1, 2, 3, 9, "NOPE", "1", None):
        call(f"search view: {wanted}", "POST", R + "search", {**base, "run_view_type": wanted})
    call("search page 1", "POST", R + "search", {**base, "max_results": 4}, save={"token": "next_page_token"})
    call("search page 2", "POST", R + "search", {**base, "max_results": 4, "page_token": "$token"})
    call("search exact page", "POST", R + "search", {**base, "max_results": 6})
    for token in ("!!", "e30=", "eyJvZmZzZXQiOiAtMX0=", "eyJvZmZzZXQiOiAieCJ9", "", "bm8ganNvbg==", "W10=", "eyJvZmZzZXQiOiA1MDB9", "eyJvZmZzZXQiOiAwfQ=="):
        call(f"search token: {token}", "POST", R + "search", {**base, "page_token": token})
    call("search: no experiments", "POST", R + "search", {"order_by": ["run_name"]})
    call("search: absent experiment", "POST", R + "search", {"experiment_ids": ["99999999"]})
    call("search: odd experiment", "POST", R + "search", {"experiment_ids": ["x"]})
    call("search: experiment number", "POST", R + "search", {"experiment_ids": [1]})
    call("search: experiment text", "POST", R + "search", {"experiment_ids": "1"})
    spoilt("search", "POST", R + "search", {**base, "filter": "params.lr = 'x y'", "page_token": ""}, fields=["filter", "order_by", "page_token"])


def logged_models():
    call("model: experiment", "POST", E + "create", {"name": "models"}, save={"mexp": "experiment_id"})
    good = {"experiment_id": "$mexp", "name": "lm", "model_type": "agent", "source_run_id": "$run_a", "params": [{"key": "C", "value": "1"}], "tags": [{"key": "a", "value": "b"}]}
    call("model: create", "POST", L, good, save={"lm": "model.info.model_id"})
    call("model: create second", "POST", L, {**good, "name": "lm2", "params": [], "tags": []}, save={"lm2": "model.info.model_id"})
    call("model: get", "GET", f"{L}/$lm")
    call("model: get absent", "GET", f"{L}/m-none")
    good["experiment_id"] = "$exp"
    spoilt("model create", "POST", L, {**good, "name": "spoilt"}, extra={
        "no name": {"experiment_id": "$exp"}, "absent experiment": {**good, "experiment_id": "99999999"}, "absent run": {**good, "name": "ar", "source_run_id": "nope"}, "bad name": {**good, "name": "a/b"}, "dotted name": {**good, "name": "a.b"}, "empty name": {**good, "name": ""}, "long name": {**good, "name": "n" * 600},
        "param without key": {**good, "name": "pk", "params": [{"value": "x"}]}, "param long": {**good, "name": "pl", "params": [{"key": "k", "value": "v" * 7000}]}, "param key long": {**good, "name": "pkl", "params": [{"key": "k" * 251, "value": "v"}]}, "tag long": {**good, "name": "tl", "tags": [{"key": "k", "value": "v" * 9000}]}, "tag key long": {**good, "name": "tkl", "tags": [{"key": "k" * 251, "value": "v"}]}, "param key bad": {**good, "name": "pkb", "params": [{"key": "a$b", "value": "v"}]}, "tag key bad": {**good, "name": "tkb", "tags": [{"key": "a$b", "value": "v"}]}})
    for status in ("LOGGED_MODEL_READY", 2, "READY", 1, 0, 9, "2", None, "LOGGED_MODEL_PENDING", "LOGGED_MODEL_UPLOAD_FAILED", "LOGGED_MODEL_READY"):
        call(f"model finalize: {status}", "PATCH", f"{L}/$lm", {"model_id": "$lm", "status": status})
    call("model finalize: absent", "PATCH", f"{L}/m-none", {"model_id": "m-none", "status": "LOGGED_MODEL_READY"})
    call("model params", "POST", f"{L}/$lm/params", {"model_id": "$lm", "params": [{"key": "depth", "value": "3"}]})
    call("model params: changed", "POST", f"{L}/$lm/params", {"model_id": "$lm", "params": [{"key": "depth", "value": "4"}]})
    call("model params: absent", "POST", f"{L}/m-none/params", {"model_id": "m-none", "params": [{"key": "depth", "value": "3"}]})
    call("model params: none", "POST", f"{L}/$lm/params", {"model_id": "$lm"})
    call("model params: long", "POST", f"{L}/$lm/params", {"model_id": "$lm", "params": [{"key": "l", "value": "v" * 7000}]})
    call("model: after params", "GET", f"{L}/$lm")
    call("model tags", "PATCH", f"{L}/$lm/tags", {"model_id": "$lm", "tags": [{"key": "x", "value": "y"}, {"key": "a", "value": "c"}]})
    call("model tags: none", "PATCH", f"{L}/$lm/tags", {})
    call("model tags: absent", "PATCH", f"{L}/m-none/tags", {"tags": [{"key": "x", "value": "y"}]})
    call("model tags: long", "PATCH", f"{L}/$lm/tags", {"tags": [{"key": "x", "value": "y" * 9000}]})
    call("model tags: bad", "PATCH", f"{L}/$lm/tags", {"tags": "x"})
    call("model untag", "DELETE", f"{L}/$lm/tags/x")
    call("model untag: again", "DELETE", f"{L}/$lm/tags/x")
    call("model untag: absent", "DELETE", f"{L}/m-none/tags/x")
    for index, (model, value, name, digest) in enumerate([("lm", 0.9, "d", "1"), ("lm", 0.95, "d", "1"), ("lm2", 0.5, "e", "2")]):
        body = {"run_id": "$run_a", "key": "acc", "value": value, "timestamp": 10 + index, "step": index, "model_id": f"${model}"}
        if name:
            body |= {"dataset_name": name, "dataset_digest": digest}
        call(f"model metric {index}", "POST", R + "log-metric", body)
    call("model: with metrics", "GET", f"{L}/$lm")
    call("model: NaN on another", "POST", L, {"experiment_id": "$exp", "name": "nan"}, save={"spare": "model.info.model_id"})
    call("model: NaN", "POST", R + "log-metric", {"run_id": "$run_a", "key": "odd", "value": "NaN", "timestamp": 1, "step": 0, "model_id": "$spare"})
    call("model: nan metric", "GET", f"{L}/$spare")
    call("model finalize: no id", "PATCH", f"{L}/$spare", {"status": "LOGGED_MODEL_READY"})
    call("model params: no id", "POST", f"{L}/$spare/params", {"params": [{"key": "q", "value": "3"}]})
    search = {"experiment_ids": ["$mexp"], "order_by": [{"field_name": "name"}]}
    filters = [
        "name = 'lm'", "name LIKE 'lm%'", "name ILIKE 'LM%'", "name != 'lm'", "model_id = '$lm'", "attributes.name = 'lm'", "attribute.name = 'lm'", "model_type = 'agent'", "status = 'READY'", "status = 'LOGGED_MODEL_READY'", "status != 'READY'", "source_run_id = '$run_a'", "creation_timestamp > 0", "creation_time > 0", "last_updated_timestamp > 0", "creation_timestamp_ms > 0", "experiment_id = '$mexp'", "artifact_location LIKE '%'",
        "params.C = '1'", "params.C != '1'", "params.C LIKE '%'", "params.C = 1", "tags.a = 'c'", "tags.a LIKE 'c%'", "tags.`a` = 'c'", "metrics.acc > 0.92", "metrics.acc >= 0.9 AND metrics.acc < 1", "metrics.acc = 'x'", "metrics.acc > abc", "name IN ('lm', 'lm2')", "name NOT IN ('lm')", "model_id IN ('$lm')", "name > 'a'", "nope = 'x'", "foo.x = 'y'", "name = lm", "name = 1", "name", "name = 'lm' OR name = 'x'", "params.C > '0'", "tags.a IS NULL", "name IS NULL", "name = 'lm' AND", "name LIKE 'lm", "creation_timestamp = 'x'", "metrics.`acc` > 0.92", "()", "name = 'lm' AND tags.a = 'c' AND params.C = '1'", "model_name = 'lm'",
    ]  # fmt: skip
    for text in filters:
        call(f"models filter: {text}", "POST", L + "/search", {**search, "filter": text})
    for order in ([{"field_name": "name", "ascending": False}], [{"field_name": "metrics.acc", "ascending": False}, {"field_name": "name"}], [{"field_name": "metrics.acc", "dataset_name": "d"}, {"field_name": "name"}], [{"field_name": "metrics.acc", "dataset_name": "d", "dataset_digest": "1"}, {"field_name": "name"}],
                  [{"field_name": "metrics.acc", "dataset_digest": "1"}], [{"field_name": "creation_timestamp"}, {"field_name": "name"}], [{"field_name": "creation_time"}], [{"field_name": "status"}, {"field_name": "name"}], [{"field_name": "nope"}], [{"field_name": "params.C"}], [{"field_name": "tags.a"}], [{"field_name": "foo.x"}], [{}], ["name"], [{"field_name": "name"}, {"field_name": "name"}],
                  [{"field_name": "name", "dataset_name": "d"}], [{"field_name": "attributes.name"}], [{"field_name": "experiment_id"}, {"field_name": "name"}], [{"field_name": "last_updated_timestamp"}]):
        call(f"models order: {order}", "POST", L + "/search", {"experiment_ids": ["$mexp"], "order_by": order, "filter": "name LIKE 'lm%'"})
    for name, datasets in {"name": [{"dataset_name": "d"}], "digest": [{"dataset_name": "d", "dataset_digest": "1"}], "other digest": [{"dataset_name": "d", "dataset_digest": "9"}], "two": [{"dataset_name": "d"}, {"dataset_name": "e"}], "no name": [{"dataset_digest": "1"}], "empty": [{}], "text": "d"}.items():
        for text in ("", "metrics.acc > 0.4"):
            call(f"models datasets: {name}, {text}", "POST", L + "/search", {**search, "datasets": datasets, "filter": text})
    for limit in (0, -1, 1, "2", 50, 100, 50001, "x", None):
        call(f"models limit: {limit}", "POST", L + "/search", {**search, "filter": "name LIKE 'lm%'", "max_results": limit})
    call("models page 1", "POST", L + "/search", {**search, "filter": "name LIKE 'lm%'", "max_results": 1}, save={"token": "next_page_token"})
    call("models page 2", "POST", L + "/search", {**search, "filter": "name LIKE 'lm%'", "max_results": 1, "page_token": "$token"})
    call("models page: other search", "POST", L + "/search", {**search, "filter": "name LIKE 'l%'", "max_results": 1, "page_token": "$token"})
    call("models token: bad", "POST", L + "/search", {**search, "page_token": "!!"})
    spoilt("models", "POST", L + "/search", {**search, "filter": "name = 'lm'"}, extra={"none": {"experiment_ids": []}, "absent": {"experiment_ids": ["99999999"]}, "nothing": {}, "odd": {"experiment_ids": ["x"]}})
    call("model artifacts", "GET", f"{L}/$lm/artifacts/directories")
    call("model artifacts: climbing", "GET", f"{L}/$lm/artifacts/directories", {"artifact_directory_path": "../x"})
    call("model artifacts: absent", "GET", f"{L}/m-none/artifacts/directories")
    call("model put", "PUT", "/api/2.0/mlflow-artifacts/artifacts/$mexp/models/$lm/artifacts/d/MLmodel", data=b"x: 1")
    call("model artifacts: some", "GET", f"{L}/$lm/artifacts/directories")
    call("model artifacts: folder", "GET", f"{L}/$lm/artifacts/directories", {"artifact_directory_path": "d"})
    for prefix in ("/api/2.0", "/ajax-api/2.0"):
        for name, query in {"good": {"artifact_file_path": "d/MLmodel"}, "none": {}, "climbing": {"artifact_file_path": "../x"}, "absent": {"artifact_file_path": "nope"}}.items():
            call(f"model file {prefix}: {name}", "GET", f"{prefix}/mlflow/logged-models/$lm/artifacts/files", query)
    call("model delete", "DELETE", f"{L}/$lm2")
    call("model deleted: get", "GET", f"{L}/$lm2")
    call("model deleted: get it anyway", "GET", f"{L}/$lm2", {"allow_deleted": "true"})
    call("model deleted: again", "DELETE", f"{L}/$lm2")
    call("model deleted: tags", "PATCH", f"{L}/$lm2/tags", {"tags": [{"key": "x", "value": "y"}]})
    call("model deleted: finalize", "PATCH", f"{L}/$lm2", {"model_id": "$lm2", "status": "LOGGED_MODEL_READY"})
    call("model delete: absent", "DELETE", f"{L}/m-none")


def registry_search():
    for name, owner in [("sa", "x"), ("sb", "y"), ("Sc", None)]:
        call(f"regs: create {name}", "POST", G + "create", {"name": name, "tags": [{"key": "owner", "value": owner}] if owner else []})
        time.sleep(0.005)
    base = {"max_results": "50", "order_by": "name ASC"}
    for text in ["", "name LIKE 's%'", "name ILIKE 's%'", "name = 'sa'", "name != 'sa' AND name ILIKE 's_'", "tags.owner = 'x'", "tag.owner LIKE 'x%'", "tags.`owner` != 'x'", "name IN ('sa')", "name = sa", "name = 1", "name > 'a'", "nope = 'x'", "foo.x = 'y'", "version = 1", "name = 'sa' OR name = 'sb'", "name = 'sa' AND", "name", "name LIKE 'sa", "attribute.name = 'sa'", "attributes.name = 'sa'", "tags.owner = 1", "tags.owner IS NULL", "name IS NULL", "tags.owner > 'a'", "()", "name=\"sa\"", "tags.`mlflow.prompt.is_prompt` = 'true'", "tags.`mlflow.prompt.is_prompt` = 'false'", "tags.mlflow.prompt.is_prompt = 'true'", "tags.`mlflow.prompt.is_prompt` != 'true'", "prompt = 'true'"]:
        call(f"regs filter: {text}", "GET", G + "search", {**base, "filter": text})
    for order in ["name", "name DESC", "timestamp ASC", "last_updated_timestamp", "last_updated_timestamp DESC", "creation_timestamp", "nope", "name UP", "", "tags.owner", "attribute.name", "name ASC, timestamp", ["name", "name"], ["timestamp", "last_updated_timestamp"], "version"]:
        call(f"regs order: {order}", "GET", G + "search", {"filter": "name ILIKE 's_'", "order_by": order})
    for limit in ("0", "-1", "1", "1000", "1001", "x", "1.5"):
        call(f"regs limit: {limit}", "GET", G + "search", {"filter": "name LIKE 's_'", "max_results": limit, "order_by": "name"})
    call("regs page 1", "GET", G + "search", {"filter": "name ILIKE 's_'", "max_results": "2", "order_by": "name"}, save={"token": "next_page_token"})
    call("regs page 2", "GET", G + "search", {"filter": "name ILIKE 's_'", "max_results": "2", "order_by": "name", "page_token": "$token"})
    call("regs token: bad", "GET", G + "search", {"page_token": "!!"})
    call("regs: ajax", "GET", "/ajax-api/2.0/mlflow/registered-models/search", {"filter": "name ILIKE 's_'", "order_by": "name"})


def registry():
    call("reg: create", "POST", G + "create", {"name": "net", "description": "about", "tags": [{"key": "a", "value": "b"}]})
    call("reg: get", "GET", G + "get", {"name": "net"})
    # The model that the 257 characters make is MLflow's alone.
    spoilt("reg create", "POST", G + "create", {"name": "spoilt", "description": "d", "tags": [{"key": "k", "value": "v"}]}, extra={
        "taken": {"name": "net"}, "slash": {"name": "a/b"}, "colon": {"name": "a:b"}, "long": {"name": "n" * 257}, "longest": {"name": "n" * 256}, "blank": {"name": "  "}, "dots": {"name": ".."}, "dot": {"name": "."}, "percent": {"name": "a%2fb"}, "unicode": {"name": "größe"}, "tag key bad": {"name": "t1", "tags": [{"key": "a$b", "value": ""}]}, "tag long": {"name": "t2", "tags": [{"key": "k", "value": LONG}]}, "tag key long": {"name": "t3", "tags": [{"key": "k" * 251, "value": "v"}]}, "tag without key": {"name": "t4", "tags": [{"value": "v"}]}, "description long": {"name": "t5", "description": "v" * 6000},
        "prompt": {"name": "a prompt", "tags": [{"key": "mlflow.prompt.is_prompt", "value": "true"}]}, "prompt taken by model": {"name": "net", "tags": [{"key": "mlflow.prompt.is_prompt", "value": "true"}]}, "model taken by prompt": {"name": "a prompt"}, "prompt again": {"name": "a prompt", "tags": [{"key": "mlflow.prompt.is_prompt", "value": "true"}]}, "prompt name bad": {"name": "a/prompt", "tags": [{"key": "mlflow.prompt.is_prompt", "value": "true"}]}})
    spoilt("reg get", "GET", G + "get", {"name": "net"}, extra={"absent": {"name": "nobody"}, "slash": {"name": "a/b"}, "long": {"name": "n" * 300}, "nothing": {}})
    spoilt("reg update", "PATCH", G + "update", {"name": "net", "description": "changed"}, extra={"absent": {"name": "nobody", "description": "x"}})
    call("reg: after update", "GET", G + "get", {"name": "net"})
    spoilt("reg set tag", "POST", G + "set-tag", {"name": "net", "key": "k", "value": "v"}, extra={"long": {"name": "net", "key": "k", "value": LONG}, "key long": {"name": "net", "key": "k" * 251, "value": ""}, "key bad": {"name": "net", "key": "a$b", "value": ""}, "absent": {"name": "nobody", "key": "k", "value": ""}})
    spoilt("reg delete tag", "DELETE", G + "delete-tag", {"name": "net", "key": "k"}, extra={"again": {"name": "net", "key": "k"}, "absent": {"name": "nobody", "key": "k"}})
    source = "mlflow-artifacts:/$sexp/$run_a/artifacts/model"
    good = {"name": "net", "source": source, "run_id": "$run_a", "run_link": "http://x/y", "description": "v", "tags": [{"key": "k", "value": "v"}]}
    call("ver: create", "POST", V + "create", good)
    call("ver: create second", "POST", V + "create", {"name": "net", "source": source, "run_id": "$run_a"})
    call("ver: create third", "POST", V + "create", {"name": "net", "source": source, "run_id": "$run_a"})
    call("ver: of a logged model", "POST", V + "create", {"name": "net", "source": "models:/$lm", "model_id": "$lm"})
    call("ver: get", "GET", V + "get", {"name": "net", "version": "1"})
    call("ver: get of a logged model", "GET", V + "get", {"name": "net", "version": "4"})
    call("reg: create other", "POST", G + "create", {"name": "other"})
    for tag in ("x", "y"):
        call(f"ver create: other {tag}", "POST", V + "create", {**good, "name": "other", "tags": [{"key": "k", "value": tag}]})
    call("ver create: without a run", "POST", V + "create", {"name": "other", "source": "s3://b/x"})
    for name, query in {"absent": {"name": "net", "version": "99"}, "no version": {"name": "net"}, "no name": {"version": "1"}, "odd": {"name": "net", "version": "x"}, "zero": {"name": "net", "version": "0"}, "negative": {"name": "net", "version": "-1"}, "fraction": {"name": "net", "version": "1.0"}, "absent model": {"name": "nobody", "version": "1"}, "empty": {"name": "net", "version": ""}, "padded": {"name": "net", "version": "01"}}.items():
        call(f"ver get: {name}", "GET", V + "get", query)
        call(f"ver uri: {name}", "GET", V + "get-download-uri", query)
        call(f"ver delete: {name}", "DELETE", V + "delete", query)
    call("ver uri", "GET", V + "get-download-uri", {"name": "net", "version": "1"})
    call("ver uri: logged model", "GET", V + "get-download-uri", {"name": "net", "version": "4"})
    spoilt("ver update", "PATCH", V + "update", {"name": "net", "version": "1", "description": "new"}, extra={"absent": {"name": "net", "version": "99", "description": "x"}, "odd": {"name": "net", "version": "x", "description": "x"}})
    spoilt("ver set tag", "POST", V + "set-tag", {"name": "net", "version": "1", "key": "k", "value": "v"}, extra={"long": {"name": "net", "version": "1", "key": "k", "value": LONG}, "key bad": {"name": "net", "version": "1", "key": "a$b", "value": ""}, "absent": {"name": "net", "version": "99", "key": "k", "value": ""}})
    spoilt("ver delete tag", "DELETE", V + "delete-tag", {"name": "net", "version": "1", "key": "k"}, extra={"again": {"name": "net", "version": "1", "key": "k"}, "absent": {"name": "net", "version": "99", "key": "k"}})
    call("ver: after changes", "GET", V + "get", {"name": "net", "version": "1"})
    stage = {"name": "net", "version": "1", "stage": "Staging", "archive_existing_versions": False}
    spoilt("stage", "POST", V + "transition-stage", stage, extra={"lower": {**stage, "stage": "production"}, "unknown": {**stage, "stage": "zz"}, "absent": {**stage, "version": "99"}, "archive": {**stage, "version": "2", "stage": "Production", "archive_existing_versions": True}, "archive into none": {**stage, "version": "3", "stage": "None", "archive_existing_versions": True}, "archive as text": {**stage, "archive_existing_versions": "true"}})
    for name, query in {"all": {"name": "net"}, "one": {"name": "net", "stages": ["Production"]}, "two": {"name": "net", "stages": ["Production", "None"]}, "unknown": {"name": "net", "stages": ["zz"]}, "absent": {"name": "nobody"}, "none": {}}.items():
        call(f"latest GET: {name}", "GET", G + "get-latest-versions", query)
        call(f"latest POST: {name}", "POST", G + "get-latest-versions", query)
    call("latest: as text", "POST", G + "get-latest-versions", {"name": "net", "stages": "Production"})
    alias = {"name": "net", "alias": "champion", "version": "1"}
    spoilt("alias set", "POST", G + "alias", alias, extra={"moved": {**alias, "version": "2"}, "latest": {**alias, "alias": "latest"}, "Latest": {**alias, "alias": "Latest"}, "v1": {**alias, "alias": "v1"}, "V1": {**alias, "alias": "V1"}, "v": {**alias, "alias": "v"}, "v1a": {**alias, "alias": "v1a"}, "spaces": {**alias, "alias": "a b"}, "dots": {**alias, "alias": "a.b"}, "slash": {**alias, "alias": "a/b"}, "unicode": {**alias, "alias": "ä"}, "long": {**alias, "alias": "a" * 256}, "longest": {**alias, "alias": "a" * 255}, "absent version": {**alias, "version": "99"}, "absent model": {**alias, "name": "nobody"}, "odd version": {**alias, "version": "x"}})
    spoilt("alias get", "GET", G + "alias", {"name": "net", "alias": "champion"}, extra={"absent": {"name": "net", "alias": "none"}, "absent model": {"name": "nobody", "alias": "x"}, "latest": {"name": "net", "alias": "latest"}, "v1": {"name": "net", "alias": "v1"}, "spaces": {"name": "net", "alias": "a b"}})
    call("alias: model", "GET", G + "get", {"name": "net"})
    call("alias: version", "GET", V + "get", {"name": "net", "version": "2"})
    spoilt("alias delete", "DELETE", G + "alias", {"name": "net", "alias": "champion"}, extra={"again": {"name": "net", "alias": "champion"}, "absent model": {"name": "nobody", "alias": "x"}})
    call("alias: deleted", "GET", G + "alias", {"name": "net", "alias": "champion"})


def version_search():
    for text in ["", "name = 'net'", "name LIKE 'n%'", "name ILIKE 'N%'", "name != 'net'", "name IN ('net', 'other')", "run_id = '$run_a' AND name = 'net'", "run_id IN ('$run_a') AND name = 'net'", "run_id IN ()", "run_id IN ('')", "run_id = ''", "source_path = 'x'", "source_path LIKE '%model' AND name = 'net'", "version_number = 1 AND name = 'net'", "version_number > 1 AND name = 'net'", "version_number != 1 AND name = 'net'", "version_number = '1'", "version_number LIKE 1", "version = 1", "tags.k = 'v'", "tag.k LIKE 'v%'", "tags.k IS NULL", "nope = 'x'", "bad = 'x'", "foo.x = 'y'", "name = net", "name = 1", "name > 'a'", "run_id > 'a'", "run_id != 'x'", "run_id LIKE 'x%'", "source_path IN ('x')", "name = 'net' OR name = 'x'", "name = 'net' AND", "()", "attribute.name = 'net'", "attributes.name = 'net'", "name=\"net\"", "current_stage = 'None'", "user_id = 'x'", "model_id = '$lm'", "tags.`mlflow.prompt.is_prompt` = 'true'", "version_number IN (1)", "creation_timestamp > 1", "name NOT IN ('net')"]:
        call(f"vers filter: {text}", "GET", V + "search", {"filter": text, "order_by": ["name ASC", "version_number ASC"]})
    for order in ["name", "version_number DESC", "creation_timestamp", "last_updated_timestamp DESC", "nope", "version", "name UP", "", "tags.k", ["version_number", "version_number"], "current_stage", "run_id"]:
        call(f"vers order: {order}", "GET", V + "search", {"filter": "name = 'net'", "order_by": order})
    for limit in ("0", "-1", "1", "200000", "200001", "x"):
        call(f"vers limit: {limit}", "GET", V + "search", {"filter": "name = 'net'", "max_results": limit, "order_by": "version_number"})
    call("vers page 1", "GET", V + "search", {"filter": "name = 'net'", "max_results": "2", "order_by": "version_number"}, save={"token": "next_page_token"})
    call("vers page 2", "GET", V + "search", {"filter": "name = 'net'", "max_results": "2", "order_by": "version_number", "page_token": "$token"})
    call("vers token: bad", "GET", V + "search", {"page_token": "!!"})


def registry_end():
    spoilt("rename", "POST", G + "rename", {"name": "sa", "new_name": "sa b"}, fields=["new_name"], extra={"taken": {"name": "sb", "new_name": "net"}, "slash": {"name": "sb", "new_name": "a/b"}, "absent": {"name": "nobody", "new_name": "x"}, "long": {"name": "sb", "new_name": "n" * 257}, "no name": {"new_name": "x"}})
    call("renamed: old", "GET", G + "get", {"name": "sa"})
    call("renamed: versions", "POST", G + "rename", {"name": "net", "new_name": "net b"})
    call("renamed: version", "GET", V + "get", {"name": "net b", "version": "1"})
    spoilt("ver delete", "DELETE", V + "delete", {"name": "net b", "version": "2"}, extra={"again": {"name": "net b", "version": "2"}})
    call("ver deleted: next number", "POST", V + "create", {"name": "net b", "source": "mlflow-artifacts:/$sexp/$run_a/artifacts/model", "run_id": "$run_a"})
    call("ver deleted: in search", "GET", V + "search", {"filter": "name = 'net b'", "order_by": "version_number"})
    spoilt("reg delete", "DELETE", G + "delete", {"name": "net b"}, extra={"again": {"name": "net b"}})
    call("reg deleted: version", "GET", V + "get", {"name": "net b", "version": "1"})


def odd_versions():
    """At the end, since the two servers do not keep the same of these."""
    good = {"source": "mlflow-artifacts:/$sexp/$run_a/artifacts/model", "run_id": "$run_a", "run_link": "http://x/y", "description": "v", "tags": [{"key": "k", "value": "v"}]}
    source = good["source"]
    spoilt("ver create", "POST", V + "create", {**good, "name": "other"}, extra={
        "absent model": {**good, "name": "nobody"}, "absent run": {**good, "name": "other", "run_id": "nope"}, "no run": {"name": "other", "source": source}, "file": {"name": "other", "source": "file:///etc", "run_id": "$run_a"}, "path": {"name": "other", "source": "/etc", "run_id": "$run_a"}, "relative": {"name": "other", "source": "etc/x", "run_id": "$run_a"}, "climbing": {"name": "other", "source": "mlflow-artifacts:/1/../x", "run_id": "$run_a"}, "climbing encoded": {"name": "other", "source": "mlflow-artifacts:/1/%2e%2e/x", "run_id": "$run_a"}, "climbing s3": {"name": "other", "source": "s3://b/../x", "run_id": "$run_a"},
        "runs": {"name": "other", "source": "runs:/$run_a/model", "run_id": "$run_a"}, "runs of other": {"name": "other", "source": "runs:/$run_b/model", "run_id": "$run_a"}, "runs alone": {"name": "other", "source": "runs:/$run_a/model"}, "s3": {"name": "other", "source": "s3://b/x", "run_id": "$run_a"}, "s3 alone": {"name": "other", "source": "s3://b/x"}, "http": {"name": "other", "source": "http://h/x"}, "models absent": {"name": "other", "source": "models:/m-none"}, "models of absent version": {"name": "other", "source": "models:/net/99"}, "models alone": {"name": "other", "source": "models:/net"},
        "logged model alone": {"name": "other", "source": "models:/$lm"}, "other logged model": {"name": "other", "source": "models:/$lm", "model_id": "m-none"}, "tag key bad": {**good, "name": "other", "tags": [{"key": "a$b", "value": ""}]}, "tag long": {**good, "name": "other", "tags": [{"key": "k", "value": LONG}]}, "empty source": {"name": "other", "source": ""}})


def artifacts():
    base = "/api/2.0/mlflow-artifacts/artifacts"
    root = "$sexp/$run_b/artifacts"
    call("art: put", "PUT", f"{base}/{root}/d/a.txt", data=b"hello")
    call("art: put deeper", "PUT", f"{base}/{root}/d/e/b.bin", data=b"\x00\x01")
    call("art: put empty", "PUT", f"{base}/{root}/empty", data=b"")
    call("art: get", "GET", f"{base}/{root}/d/a.txt")
    call("art: get absent", "GET", f"{base}/{root}/nope")
    call("art: get folder", "GET", f"{base}/{root}/d")
    for name, path in {"root": root, "folder": f"{root}/d", "file": f"{root}/d/a.txt", "absent": f"{root}/nope", "climbing": "../x", "absolute": "/etc", "encoded": "%2e%2e/x"}.items():
        call(f"art list: {name}", "GET", base, {"path": path})
    for name, query in {"root": {}, "folder": {"path": "d"}, "slash": {"path": "d/"}, "file": {"path": "d/a.txt"}, "absent": {"path": "nope"}, "climbing": {"path": "../x"}, "absolute": {"path": "/etc"}, "empty": {"path": ""}}.items():
        call(f"art list of run: {name}", "GET", "/api/2.0/mlflow/artifacts/list", {"run_id": "$run_b", **query})
    call("art list of run: no run", "GET", "/api/2.0/mlflow/artifacts/list", {})
    call("art list of run: absent run", "GET", "/api/2.0/mlflow/artifacts/list", {"run_id": "nope"})
    for name, query in {"good": {"run_id": "$run_b", "path": "d/a.txt"}, "by uuid": {"run_uuid": "$run_b", "path": "d/a.txt"}, "no path": {"run_id": "$run_b"}, "no run": {"path": "x"}, "absent": {"run_id": "$run_b", "path": "nope"}, "absent run": {"run_id": "nope", "path": "x"}, "climbing": {"run_id": "$run_b", "path": "../x"}}.items():
        call(f"get-artifact: {name}", "GET", "/get-artifact", query)
    upload = "/ajax-api/2.0/mlflow/upload-artifact"
    for name, query in {"good": {"run_uuid": "$run_b", "path": "up/x.txt"}, "no run": {"path": "x"}, "no path": {"run_uuid": "$run_b"}, "climbing": {"run_uuid": "$run_b", "path": "../x"}, "absent run": {"run_uuid": "nope", "path": "x"}}.items():
        call(f"upload: {name}", "POST", upload, query=query, data=b"up", headers={"Content-Type": "application/octet-stream"})
    call("upload: nothing", "POST", upload, query={"run_uuid": "$run_b", "path": "x"})
    call("upload: too large", "POST", upload, query={"run_uuid": "$run_b", "path": "x"}, data=b"x" * (10 * 1024 * 1024 + 1), headers={"Content-Type": "application/octet-stream"})
    call("upload: there", "GET", f"{base}/{root}/up/x.txt")
    for side in ("upload", "download"):
        path = f"/api/2.0/mlflow/artifacts/presigned-{side}-url"
        for name, body in {"run": {"run_id": "$run_b", "path": "d/a.txt"}, "nothing": {}, "no path": {"run_id": "$run_b"}, "absent run": {"run_id": "nope", "path": "x"}, "climbing": {"run_id": "$run_b", "path": "../x"}, "both": {"run_id": "$run_b", "model_id": "$lm", "path": "x"}, "model": {"model_id": "$lm", "path": "x"}, "expiration": {"run_id": "$run_b", "path": "x", "expiration": 999999999}, "expiration text": {"run_id": "$run_b", "path": "x", "expiration": "x"}}.items():
            call(f"presigned {side}: {name}", "POST", path, body)
    call("presigned get", "GET", f"/api/2.0/mlflow-artifacts/presigned/{root}/d/a.txt")
    call("art: delete", "DELETE", f"{base}/{root}/d/e")
    call("art: deleted", "GET", f"{base}/{root}/d/e/b.bin")
    call("art: delete absent", "DELETE", f"{base}/{root}/nope")
    for name, body in {"good": {"path": "big.bin", "num_parts": 2}, "no path": {"num_parts": 1}, "parts text": {"path": "x", "num_parts": "x"}}.items():
        call(f"mpu create: {name}", "POST", f"/api/2.0/mlflow-artifacts/mpu/create/{root}", body)
    call("mpu create: climbing", "POST", f"/api/2.0/mlflow-artifacts/mpu/create/..%2f..%2fx", {"path": "x", "num_parts": 1})


GRAPHQL = {
    "experiment": ("query Q($input: MlflowGetExperimentInput!) @component(name: \"X\") { mlflowGetExperiment(input: $input) { __typename apiError { code message } experiment { artifactLocation creationTime experimentId lastUpdateTime lifecycleStage name tags { key value } } } }", {"input": {"experimentId": "$sexp"}}),
    "absent experiment": ("query Q($input: MlflowGetExperimentInput!) { mlflowGetExperiment(input: $input) { experiment { name } } }", {"input": {"experimentId": "99999999"}}),
    "run": ("query GetRun($data: MlflowGetRunInput!) @component(name: \"MLflow.ExperimentRunTracking\") { mlflowGetRun(input: $data) { apiError { helpUrl code message __typename } run { info { runName status runUuid experimentId artifactUri endTime lifecycleStage startTime userId __typename } experiment { experimentId name tags { key value __typename } artifactLocation lifecycleStage lastUpdateTime __typename } modelVersions { status version name source __typename } data { metrics { key value step timestamp __typename } params { key value __typename } tags { key value __typename } __typename } inputs { datasetInputs { dataset { digest name profile schema source sourceType __typename } tags { key value __typename } __typename } modelInputs { modelId __typename } __typename } outputs { modelOutputs { modelId step __typename } __typename } __typename } __typename } }", {"data": {"runId": "$run_a"}}),
    "absent run": ("query Q($d: MlflowGetRunInput!) { mlflowGetRun(input: $d) { run { info { runId } } } }", {"d": {"runId": "nope"}}),
    "alias and fragment": ("query Q { one: mlflowGetRun(input: {runId: \"$run_a\"}) { run { ...F } } two: test(inputString: \"x\") { output } } fragment F on MlflowRunExtension { info { id: runId ... on MlflowRunInfo { runName } } }", None),
    "inline argument": ("{ mlflowGetExperiment(input: {experimentId: \"$sexp\"}) { experiment { name } } }", None),
    "interval": ("query Q($d: MlflowGetMetricHistoryBulkIntervalInput!) { mlflowGetMetricHistoryBulkInterval(input: $d) { metrics { timestamp step runId key value __typename } apiError { code } } }", {"d": {"runIds": ["$h2"], "metricKey": "loss"}}),
    "list artifacts": ("query Q($d: MlflowListArtifactsInput!) { mlflowListArtifacts(input: $d) { rootUri files { path isDir fileSize } nextPageToken } }", {"d": {"runId": "$run_b", "path": "d"}}),
    "versions": ("query Q($d: MlflowSearchModelVersionsInput!) { mlflowSearchModelVersions(input: $d) { modelVersions { name version status runId tags { key value } aliases } nextPageToken } }", {"d": {"filter": "name = 'other'", "maxResults": "2", "orderBy": ["version_number ASC"]}}),
    "search runs": ("query Q($d: MlflowSearchRunsInput!) { mlflowSearchRuns(input: $d) { runs { info { runName runId } experiment { name } } nextPageToken apiError { code } } }", {"d": {"experimentIds": ["$sexp"], "filter": "params.lr = '0.1'", "orderBy": ["run_name"], "maxResults": 1, "runViewType": "ACTIVE_ONLY"}}),
    "search runs as mutation": ("mutation Q($d: MlflowSearchRunsInput!) { mlflowSearchRuns(input: $d) { runs { info { runName } } } }", {"d": {"experimentIds": ["$sexp"], "orderBy": ["run_name"]}}),
    "search datasets": ("mutation Q($d: MlflowSearchDatasetsInput!) { mlflowSearchDatasets(input: $d) { datasetSummaries { experimentId name digest context } } }", {"d": {"experimentIds": ["$sexp"]}}),
    "bad filter": ("query Q($d: MlflowSearchRunsInput!) { mlflowSearchRuns(input: $d) { runs { info { runName } } } }", {"d": {"experimentIds": ["$sexp"], "filter": "nope = 'x'"}}),
    "test": ("query { test(inputString: \"hey\") { output } }", None),
    "unknown field": ("query { nope { x } }", None),
    "unknown inner field": ("query Q($d: MlflowGetRunInput!) { mlflowGetRun(input: $d) { nope } }", {"d": {"runId": "$run_a"}}),
    "missing variable": ("query Q($d: MlflowGetRunInput!) { mlflowGetRun(input: $d) { run { info { runId } } } }", {}),
    "not GraphQL": ("this is not", None),
    "unclosed": ("query { test", None),
    "no selection": ("query { mlflowGetRun(input: {runId: \"x\"}) }", None),
    "too many root fields": ("query { " + " ".join(f"a{i}: test(inputString: \"x\") {{ output }}" for i in range(12)) + " }", None),
    "too many aliases": ("query { test(inputString: \"x\") { " + " ".join(f"a{i}: output" for i in range(12)) + " } }", None),
    "typename": ("query { __typename test(inputString: \"x\") { __typename } }", None),
    "two operations": ("query A { test(inputString: \"a\") { output } } query B { test(inputString: \"b\") { output } }", None),
    "skip and include": ("query Q($y: Boolean!) { test(inputString: \"x\") { output @include(if: $y) __typename @skip(if: $y) } }", {"y": True}),
}


def graphql():
    for name, (query, variables) in GRAPHQL.items():
        body = {"query": query}
        if variables is not None:
            body["variables"] = variables
        call(f"graphql: {name}", "POST", "/graphql", body)
    call("graphql: operation name", "POST", "/graphql", {"query": GRAPHQL["two operations"][0], "operationName": "B"})


def page():
    """What MLflow's own web page asks for besides."""
    call("server-info", "GET", "/api/3.0/mlflow/server-info")
    call("server-info ajax", "GET", "/ajax-api/3.0/mlflow/server-info")
    call("gateway proxy", "GET", "/ajax-api/2.0/mlflow/gateway-proxy", {"gateway_path": "api/2.0/endpoints"})


GROUPS = [bodies, experiments, experiment_search, runs, logging, histories, run_search, logged_models, registry_search, registry, version_search, registry_end, artifacts, graphql, page, odd_versions]


def main(groups, differences, to_mend=()):
    """Sends the groups' requests; ends the script with 0 when all answers agree but for these differences, each of them met, and
    for what is known to be wrong still."""
    DIFFERENCES[:], TO_MEND[:] = differences, to_mend
    for group in groups:
        before = SENT, len(FAULTS)
        group()
        print(f"{group.__name__}: {SENT - before[0]} requests, {len(FAULTS) - before[1]} differences", flush=True)
    for index, (pattern, _level, why) in enumerate(DIFFERENCES):
        if index not in USED:
            FAULTS.append(pattern)
            print(f"--- the difference {pattern!r} ({why}) is there no more")
    print(f"differential: {SENT} requests answered alike, {len(FAULTS)} differences, {len(USED)} kinds of justified ones")
    sys.exit(1 if FAULTS else 0)


if __name__ == "__main__":
    main(GROUPS, list(DIFFERENCES))
