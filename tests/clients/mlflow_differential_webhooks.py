"""Webhooks: the same requests, good and bad, to a real `mlflow server` and to Drydock, as in mlflow_differential.py, whose variables
it takes; then the same changes in both registries, and what the two send about them to a receiver here. Both servers have to
allow receivers on this machine: MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS and MLFLOW_WEBHOOK_ALLOWED_SCHEMES, DRYDOCK_WEBHOOKS_ALLOW."""

import base64
import hashlib
import hmac
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import mlflow_differential as base
from mlflow_differential import G, V, call, compare, left, right, spoilt

W = "/api/2.0/mlflow/webhooks"
SECRET = "s3cret"
HEARD = []
CREATED = [{"entity": "MODEL_VERSION", "action": "CREATED"}]
DIFFERENCES = [
    (base.KIND, "stricter", "A value of a wrong kind is refused wherever it stands; MLflow reads over some and breaks over others."),
    (r"url (without scheme|ftp|bad|broken)", "words", "Plain http is for receivers on the list, so that it is named for those alone."),
    (r"url (unknown host|of metadata|long)|(description|secret) long", "stricter", "Only those on the list are reached inside a network; a text that nobody reads has an end."),
    (r"events (lower|twice)|status is int|status number", "more", "An event is what it says in small letters and if it is said twice."),
    (r"events (unknown|no|empty|texts)", "stricter", "An event that is none is refused, where MLflow breaks."),
    (r"try: nobody there", "both answer", "Why nobody answered is said in our words."),
]


class Receiver(BaseHTTPRequestHandler):
    """Keeps what it is sent; the path's last part is the status that it answers."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        HEARD.append((self.path.split("/")[1], dict(self.headers.items()), body))
        self.send_response(int(self.path.rsplit("/", 1)[1]))
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"heard")

    def log_message(self, *_args):
        pass


def setting():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    left.names["to"], right.names["to"] = f"{address}/one", f"{address}/two"
    # So that addresses are the same in answers.
    base.NAMED.append((rf"{address}/(one|two)", "<receiver>"))
    base.NAMED.append((r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "<uuid>"))


def kept():
    good = {"name": "hook", "url": "https://127.0.0.1/x", "events": CREATED, "description": "d", "secret": SECRET, "status": "ACTIVE"}
    call("hook list: none", "GET", W)
    call("hook create", "POST", W, good, save={"hook": "webhook.webhook_id"})
    call("hook create ajax", "POST", W.replace("/api", "/ajax-api"), {**good, "name": "ajax"}, save={"ajax": "webhook.webhook_id"})
    call("hook get", "GET", f"{W}/$hook")
    call("hook list", "GET", W)
    call("hook list: one", "GET", W, {"max_results": 1}, save={"token": "next_page_token"})
    call("hook list: the other", "GET", W, {"max_results": 1, "page_token": "$token"})
    for limit in ("0", "-1", "1000", "1001", "x"):
        call(f"hook list limit: {limit}", "GET", W, {"max_results": limit})
    for token in ("!!", "e30=", ""):
        call(f"hook list token: {token}", "GET", W, {"page_token": token})
    events = {
        "none": [], "two": [*CREATED, {"entity": "PROMPT", "action": "CREATED"}], "by number": [{"entity": 2, "action": 1}], "lower": [{"entity": "model_version", "action": "created"}], "unknown entity": [{"entity": "NOPE", "action": "CREATED"}],
        "unknown action": [{"entity": "MODEL_VERSION", "action": "NOPE"}], "wrong action": [{"entity": "MODEL_VERSION", "action": "SET"}], "no action": [{"entity": "MODEL_VERSION"}], "no entity": [{"action": "CREATED"}], "empty": [{}], "texts": ["model_version.created"], "twice": CREATED * 2,
        **{f"{entity}.{action}": [{"entity": entity, "action": action}] for entity in ("REGISTERED_MODEL", "MODEL_VERSION_TAG", "MODEL_VERSION_ALIAS", "PROMPT_VERSION", "PROMPT_TAG", "PROMPT_VERSION_TAG", "PROMPT_ALIAS", "BUDGET_POLICY") for action in ("CREATED", "SET", "DELETED", "UPDATED", "EXCEEDED")},
    }  # fmt: skip
    spoilt("hook create", "POST", W, good, extra={
        "again": good, "name long": {**good, "name": "n" * 64}, "name longest": {**good, "name": "n" * 63}, "name odd": {**good, "name": "a b"}, "name quoted": {**good, "name": "it's"}, "name ends odd": {**good, "name": "a-"}, "url without scheme": {**good, "url": "example"}, "url ftp": {**good, "url": "ftp://example.org/x"},
        "url blank": {**good, "url": "  "}, "url without host": {**good, "url": "https:///x"}, "url broken": {**good, "url": "https://[::1/x"}, "url http": {**good, "url": "http://127.0.0.1:9/x"}, "url unknown host": {**good, "url": "https://nobody.invalid/x"}, "url of metadata": {**good, "url": "https://169.254.169.254/x"}, "url with a name": {**good, "url": "https://user:word@127.0.0.1/x"}, "url long": {**good, "url": "https://127.0.0.1/" + "x" * 3000},
        "disabled": {**good, "status": "DISABLED"}, "status unknown": {**good, "status": "NOPE"}, "status by number": {**good, "status": 2}, "description long": {**good, "description": "d" * 5000}, "secret long": {**good, "secret": "s" * 5000}, **{f"events {name}": {**good, "events": value} for name, value in events.items()}})  # fmt: skip
    change = f"{W}/$hook"
    for name, body in {
        "nothing": {}, "name": {"name": "renamed"}, "name empty": {"name": ""}, "name odd": {"name": "a b"}, "description": {"description": "e"}, "description empty": {"description": ""}, "url": {"url": "https://127.0.0.1/y"}, "url bad": {"url": "ftp://x/y"}, "url empty": {"url": ""}, "events": {"events": [{"entity": "PROMPT", "action": "CREATED"}]}, "events empty": {"events": []}, "events wrong": {"events": [{"entity": "PROMPT", "action": "SET"}]},
        "disabled": {"status": "DISABLED"}, "active": {"status": "ACTIVE"}, "status unknown": {"status": "NOPE"}, "secret": {"secret": "t"}, "secret empty": {"secret": ""}, "name number": {"name": 5}, "events text": {"events": "x"}, "status number": {"status": 2}, "unknown field": {"nope": 1},
    }.items():  # fmt: skip
        call(f"hook update: {name}", "PATCH", change, body)
        call(f"hook update: {name}, read", "GET", change)
    call("hook update: absent", "PATCH", f"{W}/nope", {"name": "x"})
    call("hook get: absent", "GET", f"{W}/nope")
    call("hook delete: absent", "DELETE", f"{W}/nope")
    call("hook test: absent", "POST", f"{W}/nope/test", {})
    call("hook delete", "DELETE", change)
    call("hook delete: again", "DELETE", change)
    call("hook deleted: get", "GET", change)


def tried():
    call("try: make", "POST", W, {"name": "tried", "url": "$to/200", "events": [*CREATED, {"entity": "PROMPT_ALIAS", "action": "DELETED"}], "secret": SECRET}, save={"tried": "webhook.webhook_id"})
    call("try: refusing", "POST", W, {"name": "refusing", "url": "$to/403", "events": CREATED}, save={"refusing": "webhook.webhook_id"})
    call("try: deaf", "POST", W, {"name": "deaf", "url": "http://127.0.0.1:9/x", "events": CREATED}, save={"deaf": "webhook.webhook_id"})
    for entity, action in [("MODEL_VERSION", "CREATED"), ("PROMPT_ALIAS", "DELETED"), ("REGISTERED_MODEL", "CREATED"), ("MODEL_VERSION_TAG", "SET"), ("MODEL_VERSION_TAG", "DELETED"), ("MODEL_VERSION_ALIAS", "CREATED"), ("MODEL_VERSION_ALIAS", "DELETED"), ("PROMPT", "CREATED"), ("PROMPT_VERSION", "CREATED"), ("PROMPT_TAG", "SET"), ("PROMPT_TAG", "DELETED"), ("PROMPT_VERSION_TAG", "SET"), ("PROMPT_VERSION_TAG", "DELETED"), ("PROMPT_ALIAS", "CREATED"), ("BUDGET_POLICY", "EXCEEDED")]:
        call(f"try: {entity} {action}", "POST", f"{W}/$tried/test", {"event": {"entity": entity, "action": action}})
        heard(f"try: {entity} {action}", 1)
    call("try: first event", "POST", f"{W}/$tried/test", {})
    heard("try: first event", 1)
    call("try: wrong event", "POST", f"{W}/$tried/test", {"event": {"entity": "PROMPT", "action": "SET"}})
    call("try: refused", "POST", f"{W}/$refusing/test", {})
    heard("try: refused", 1)
    call("try: nobody there", "POST", f"{W}/$deaf/test", {})
    for name in ("tried", "refusing", "deaf"):
        call(f"try: delete {name}", "DELETE", f"{W}/${name}")


def heard(label, count, seconds=20):
    """What came to the receiver from either side, compared."""
    until = time.time() + seconds
    sides = {"one": [], "two": []}
    while time.time() < until and min(len([h for h in HEARD if h[0] == who]) for who in sides) < count:
        time.sleep(0.05)
    if not count:
        time.sleep(0.5)
    for who, headers, body in HEARD:
        said = {key.lower(): value for key, value in headers.items()}
        told = base.left.plain(json.loads(body)) if who == "one" else base.right.plain(json.loads(body))
        signature = said.get("x-mlflow-signature")
        if signature:
            signed = f"{said['x-mlflow-delivery-id']}.{said['x-mlflow-timestamp']}.".encode() + body
            right_one = base64.b64encode(hmac.new(SECRET.encode(), signed, hashlib.sha256).digest()).decode()
            signature = "right" if hmac.compare_digest(signature, f"v1,{right_one}") else "wrong"
        sides[who].append({"told": told, "signature": signature, "type": said.get("content-type"), "id": bool(said.get("x-mlflow-delivery-id"))})
    HEARD.clear()
    for told in sides.values():
        told.sort(key=lambda one: json.dumps(one, sort_keys=True))
    compare(f"{label}, sent", (200, None, None, sides["one"]), (200, None, None, sides["two"]))
    if len(sides["one"]) != count:
        compare(f"{label}: {count} messages", (200, None, None, count), (500, None, None, len(sides["two"])))


def events():
    every = ["REGISTERED_MODEL.CREATED", "MODEL_VERSION.CREATED", "MODEL_VERSION_TAG.SET", "MODEL_VERSION_TAG.DELETED", "MODEL_VERSION_ALIAS.CREATED", "MODEL_VERSION_ALIAS.DELETED", "PROMPT.CREATED", "PROMPT_VERSION.CREATED", "PROMPT_TAG.SET", "PROMPT_TAG.DELETED", "PROMPT_VERSION_TAG.SET", "PROMPT_VERSION_TAG.DELETED", "PROMPT_ALIAS.CREATED", "PROMPT_ALIAS.DELETED"]
    wish = {"name": "all", "url": "$to/200", "secret": SECRET, "events": [dict(zip(("entity", "action"), event.split("."))) for event in every]}
    call("event: hook", "POST", W, wish, save={"all": "webhook.webhook_id"})
    prompt = {"key": "mlflow.prompt.is_prompt", "value": "true"}
    text = {"key": "mlflow.prompt.text", "value": "Hello {{name}}"}

    def changes(name, path, method, body, count=1):
        call(f"event: {name}", method, path, body)
        heard(f"event: {name}", count)

    changes("model", G + "create", "POST", {"name": "net", "tags": [{"key": "a", "value": "b"}], "description": "about"})
    changes("model without more", G + "create", "POST", {"name": "bare"})
    changes("version", V + "create", "POST", {"name": "net", "source": "s3://b/x", "tags": [{"key": "k", "value": "v"}], "description": "first"})
    changes("version without more", V + "create", "POST", {"name": "net", "source": "s3://b/y"})
    changes("version tag", V + "set-tag", "POST", {"name": "net", "version": "1", "key": "k", "value": "w"})
    changes("version tag gone", V + "delete-tag", "DELETE", {"name": "net", "version": "1", "key": "k"})
    changes("alias", G + "alias", "POST", {"name": "net", "alias": "champion", "version": "1"})
    changes("alias gone", G + "alias", "DELETE", {"name": "net", "alias": "champion"})
    changes("model tag tells nothing", G + "set-tag", "POST", {"name": "net", "key": "t", "value": "v"}, 0)
    changes("prompt", G + "create", "POST", {"name": "greet", "tags": [prompt, {"key": "team", "value": "a"}], "description": "greets"})
    changes("prompt version", V + "create", "POST", {"name": "greet", "source": "dummy-source", "tags": [prompt, text, {"key": "k", "value": "v"}], "description": "first"})
    changes("prompt tag", G + "set-tag", "POST", {"name": "greet", "key": "team", "value": "b"})
    changes("prompt tag gone", G + "delete-tag", "DELETE", {"name": "greet", "key": "team"})
    changes("prompt version tag", V + "set-tag", "POST", {"name": "greet", "version": "1", "key": "k", "value": "w"})
    changes("prompt version tag gone", V + "delete-tag", "DELETE", {"name": "greet", "version": "1", "key": "k"})
    changes("prompt alias", G + "alias", "POST", {"name": "greet", "alias": "production", "version": "1"})
    changes("prompt alias gone", G + "alias", "DELETE", {"name": "greet", "alias": "production"})
    call("event: disable", "PATCH", f"{W}/$all", {"status": "DISABLED"})
    changes("disabled tells nothing", G + "create", "POST", {"name": "quiet"}, 0)
    call("event: delete", "DELETE", f"{W}/$all")


if __name__ == "__main__":
    # The real server tries deaf receivers for long, in the threads that send: these come last.
    base.main([setting, events, tried, kept], DIFFERENCES)
