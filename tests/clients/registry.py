"""The registry through the unmodified client: models, versions, stages, aliases, tags, searches with pages, prompts, webhooks.
Asserts MLflow's own texts and error codes, so that it passes against MLflow's server as well. 2.22 has no webhooks and no
prompts of today; those parts are for 3.x. Argument: the address of a receiver for webhooks, which answers 200."""

import sys
import time
import uuid
import warnings

import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

warnings.filterwarnings("ignore")
THREE = int(mlflow.__version__.split(".")[0]) >= 3
S = uuid.uuid4().hex[:8]
client = MlflowClient()
passed = []


def group(name):
    passed.append(name)


def refused(call, code, text):
    try:
        call()
    except MlflowException as error:
        assert error.error_code == code, (error.error_code, error.message)
        assert text in error.message, error.message
        return
    raise SystemExit(f"nothing was refused; expected {code}: {text}")


# models: create, read, describe, tags
model = client.create_registered_model(f"wine-{S}", tags={"team": "red", "n": "1"}, description="first")
assert (model.description, model.tags) == ("first", {"team": "red", "n": "1"}), model
refused(lambda: client.create_registered_model(f"wine-{S}"), "RESOURCE_ALREADY_EXISTS", f"Registered Model (name=wine-{S}) already exists.")
refused(lambda: client.create_registered_model(""), "INVALID_PARAMETER_VALUE", "Missing value for required parameter 'name'")
refused(lambda: client.create_registered_model("a/b"), "INVALID_PARAMETER_VALUE", "Invalid model name 'a/b'. Names cannot contain '/' or ':'.")
refused(lambda: client.get_registered_model("none"), "RESOURCE_DOES_NOT_EXIST", "Registered Model with name=none not found")
assert client.update_registered_model(f"wine-{S}", description="second").description == "second"
client.set_registered_model_tag(f"wine-{S}", "team", "white")
client.delete_registered_model_tag(f"wine-{S}", "n")
assert client.get_registered_model(f"wine-{S}").tags == {"team": "white"}
refused(lambda: client.set_registered_model_tag(f"wine-{S}", "k" * 251, "v"), "INVALID_PARAMETER_VALUE", "exceeds the maximum length of 250 characters")
group("models")

# versions: sources, descriptions, tags, download addresses
run = client.create_run("0")
source = f"{run.info.artifact_uri}/model"
name = f"wine-{S}"
first = client.create_model_version(name, source, run_id=run.info.run_id, tags={"checked": "no"}, description="v one")
assert (int(first.version), first.status, first.current_stage, first.run_id) == (1, "READY", "None", run.info.run_id), first
second = client.create_model_version(name, f"models:/{name}/1")
assert (int(second.version), second.source, second.run_id) == (2, f"models:/{name}/1", run.info.run_id), second
third = client.create_model_version(name, "s3://elsewhere/model")
assert int(third.version) == 3 and not third.run_id
refused(lambda: client.create_model_version("none", "s3://x/y"), "RESOURCE_DOES_NOT_EXIST", "Registered Model with name=none not found")
refused(lambda: client.create_model_version(name, "/etc/passwd"), "INVALID_PARAMETER_VALUE", "Invalid model version source: '/etc/passwd'.")
refused(lambda: client.create_model_version(name, source), "INVALID_PARAMETER_VALUE", "The run_id request parameter must identify")
refused(lambda: client.get_model_version(name, "99"), "RESOURCE_DOES_NOT_EXIST", f"Model Version (name={name}, version=99) not found")
refused(lambda: client.get_model_version(name, "x"), "INVALID_PARAMETER_VALUE", "Parameter 'version' must be an integer, got 'x'.")
assert client.get_model_version_download_uri(name, "2") == source
client.update_model_version(name, "1", description="the first")
client.set_model_version_tag(name, "1", "checked", "yes")
client.set_model_version_tag(name, "1", "gone", "soon")
client.delete_model_version_tag(name, "1", "gone")
read = client.get_model_version(name, "1")
assert (read.description, read.tags) == ("the first", {"checked": "yes"}), read
group("versions")

# stages, with and without archiving
assert client.transition_model_version_stage(name, "1", "production").current_stage == "Production"
client.transition_model_version_stage(name, "2", "Production", archive_existing_versions=True)
assert client.get_model_version(name, "1").current_stage == "Archived"
assert [v.version for v in client.get_latest_versions(name, ["Production"])] == [client.get_model_version(name, "2").version]
assert {int(v.version) for v in client.get_latest_versions(name)} == {1, 2, 3}
refused(lambda: client.transition_model_version_stage(name, "1", "zz"), "INVALID_PARAMETER_VALUE", "Invalid Model Version stage: zz. Value must be one of None, Staging, Production, Archived.")
group("stages")

# aliases and their rules
client.set_registered_model_alias(name, "champion", "1")
client.set_registered_model_alias(name, "champion", "2")
client.set_registered_model_alias(name, "challenger", "2")
assert int(client.get_model_version_by_alias(name, "champion").version) == 2
assert {k: int(v) for k, v in client.get_registered_model(name).aliases.items()} == {"champion": 2, "challenger": 2}
assert sorted(client.get_model_version(name, "2").aliases) == ["challenger", "champion"]
client.delete_registered_model_alias(name, "challenger")
client.delete_registered_model_alias(name, "challenger")
refused(lambda: client.get_model_version_by_alias(name, "challenger"), "INVALID_PARAMETER_VALUE", "Registered model alias challenger not found.")
refused(lambda: client.set_registered_model_alias(name, "v7", "1"), "INVALID_PARAMETER_VALUE", "Version alias name 'v7' is reserved.")
refused(lambda: client.set_registered_model_alias(name, "latest", "1"), "INVALID_PARAMETER_VALUE", "'latest' alias name (case insensitive) is reserved.")
refused(lambda: client.set_registered_model_alias(name, "a b", "1"), "INVALID_PARAMETER_VALUE", "Invalid alias name: 'a b'.")
refused(lambda: client.set_registered_model_alias(name, "x", "99"), "RESOURCE_DOES_NOT_EXIST", f"Model Version (name={name}, version=99) not found")
group("aliases")

# searches: the grammar, orders, pages, limits
for i in range(5):
    client.create_registered_model(f"s{i}-{S}", tags={"grp": S, "n": str(i)})
names = lambda **kw: [m.name.split("-")[0] for m in client.search_registered_models(**kw)]
everyone = f"tags.grp = '{S}'"
assert names(filter_string=everyone) == ["s0", "s1", "s2", "s3", "s4"]
assert names(filter_string=everyone, order_by=["name DESC"]) == ["s4", "s3", "s2", "s1", "s0"]
assert names(filter_string=f"{everyone} AND tags.n != '1' and name LIKE 's%'") == ["s0", "s2", "s3", "s4"]
assert names(filter_string=f"name ILIKE 'S_-{S}' AND tags.`n` = \"3\"") == ["s3"]
assert names(filter_string=f"name IN ('s1-{S}', 's2-{S}')") == ["s1", "s2"]
seen, token = [], None
while True:
    page = client.search_registered_models(everyone, max_results=2, page_token=token)
    seen += [m.name.split("-")[0] for m in page]
    token = page.token
    if not token:
        break
assert seen == ["s0", "s1", "s2", "s3", "s4"], seen
numbers = lambda **kw: [int(v.version) for v in client.search_model_versions(**kw)]
assert sorted(numbers(filter_string=f"name = '{name}'")) == [1, 2, 3]
assert numbers(filter_string=f"name = '{name}' AND version_number > 1", order_by=["version_number ASC"]) == [2, 3]
assert sorted(numbers(filter_string=f"run_id = '{run.info.run_id}'")) == [1, 2]
assert numbers(filter_string=f"source_path = 's3://elsewhere/model' AND name = '{name}'") == [3]
assert numbers(filter_string=f"tags.checked = 'yes' AND name = '{name}'") == [1]
for bad in ["nope = 'x'", "name = x", "name = 5", "garbage", "name > 'a'", "name = 'a' OR name = 'b'"]:
    refused(lambda: client.search_registered_models(bad), "INVALID_PARAMETER_VALUE", "")
refused(lambda: client.search_registered_models(everyone, order_by=["nope"]), "INVALID_PARAMETER_VALUE", "key 'nope' specified")
refused(lambda: client.search_registered_models(everyone, page_token="zz"), "INVALID_PARAMETER_VALUE", "Invalid page token")
refused(lambda: client.search_registered_models(everyone, max_results=1001), "INVALID_PARAMETER_VALUE", "max_results")
group("searches")

# renaming keeps versions, stages and aliases; deleting takes what points at it
client.rename_registered_model(name, f"red-{S}")
name = f"red-{S}"
assert int(client.get_model_version_by_alias(name, "champion").version) == 2
refused(lambda: client.rename_registered_model(name, f"s0-{S}"), "RESOURCE_ALREADY_EXISTS", f"Registered Model (name=s0-{S}) already exists.")
refused(lambda: client.get_registered_model(f"wine-{S}"), "RESOURCE_DOES_NOT_EXIST", "not found")
client.delete_model_version(name, "2")
refused(lambda: client.get_model_version_by_alias(name, "champion"), "INVALID_PARAMETER_VALUE", "Registered model alias champion not found.")
refused(lambda: client.delete_model_version(name, "2"), "RESOURCE_DOES_NOT_EXIST", "not found")
assert int(client.create_model_version(name, "s3://elsewhere/again").version) == 4
client.delete_registered_model(name)
refused(lambda: client.delete_registered_model(name), "RESOURCE_DOES_NOT_EXIST", f"Registered Model with name={name} not found")
assert numbers(filter_string=f"name = '{name}'") == []
group("rename and delete")

if THREE:
    # prompts ride on the registry and do not show among the models
    prompt = f"greet-{S}"
    one = mlflow.genai.register_prompt(prompt, "Hello {{name}}", commit_message="first", tags={"lang": "en"})
    two = mlflow.genai.register_prompt(prompt, "Dear {{name}}", commit_message="politer")
    assert (one.version, two.version) == (1, 2)
    assert mlflow.genai.load_prompt(f"prompts:/{prompt}/1").format(name="Ann") == "Hello Ann"
    mlflow.genai.set_prompt_alias(prompt, "live", 1)
    assert mlflow.genai.load_prompt(f"prompts:/{prompt}@live").version == 1
    mlflow.genai.set_prompt_alias(prompt, "live", 2)
    assert mlflow.genai.load_prompt(f"prompts:/{prompt}@live").template == "Dear {{name}}"
    mlflow.genai.delete_prompt_alias(prompt, "live")
    client.set_prompt_version_tag(prompt, 1, "reviewed", "yes")
    assert mlflow.genai.load_prompt(f"prompts:/{prompt}/1").tags["reviewed"] == "yes"
    client.delete_prompt_version_tag(prompt, 1, "reviewed")
    assert "reviewed" not in mlflow.genai.load_prompt(f"prompts:/{prompt}/1").tags
    assert prompt in [p.name for p in mlflow.genai.search_prompts(f"name = '{prompt}'")]
    assert [m.name for m in client.search_registered_models(f"name = '{prompt}'")] == []
    refused(lambda: client.create_registered_model(prompt), "RESOURCE_ALREADY_EXISTS", "the name is already taken by a prompt")
    group("prompts")

if THREE and len(sys.argv) > 1:
    from mlflow.entities.webhook import WebhookEvent

    receiver = sys.argv[1]
    events = ["model_version.created", "model_version_alias.created", "model_version_alias.deleted", "model_version_tag.set"]
    hook = client.create_webhook(name=f"hook-{S}", url=receiver, events=events, description="tells", secret="s3cret")
    assert (hook.name, hook.url, str(hook.status), hook.description) == (f"hook-{S}", receiver, "ACTIVE", "tells"), hook
    assert {str(e) for e in hook.events} == set(events)
    assert client.get_webhook(hook.webhook_id).name == hook.name
    client.create_webhook(name=f"other-{S}", url=receiver, events=["prompt.created"])
    page = client.list_webhooks(max_results=1)
    assert len(page) == 1 and page.token
    assert len(client.list_webhooks(max_results=1, page_token=page.token)) == 1
    changed = client.update_webhook(hook.webhook_id, name=f"renamed-{S}", description="tells more")
    assert (changed.name, changed.description) == (f"renamed-{S}", "tells more")
    result = client.test_webhook(hook.webhook_id, "model_version.created")
    assert result.success and result.response_status == 200, result
    refused(lambda: client.create_webhook(name="_bad", url=receiver, events=events), "INVALID_PARAMETER_VALUE", "Webhook name '_bad' is invalid. It must start and end with a letter or digit")
    refused(lambda: client.create_webhook(name="bad", url="ftp://x/y", events=events), "INVALID_PARAMETER_VALUE", "Invalid webhook URL scheme: 'ftp'. Allowed schemes are: ")
    refused(lambda: client.get_webhook("none"), "RESOURCE_DOES_NOT_EXIST", "Webhook with ID none not found.")
    refused(lambda: client.list_webhooks(max_results=1001), "INVALID_PARAMETER_VALUE", "max_results must be between 1 and 1000.")
    told = client.create_registered_model(f"told-{S}").name
    client.create_model_version(told, "s3://elsewhere/model", tags={"a": "b"}, description="news")
    client.set_model_version_tag(told, "1", "k", "v")
    client.set_registered_model_alias(told, "champion", "1")
    client.delete_registered_model_alias(told, "champion")
    if "keep" not in sys.argv:
        time.sleep(2)  # MLflow sends in the background
        client.delete_webhook(hook.webhook_id)
        refused(lambda: client.get_webhook(hook.webhook_id), "RESOURCE_DOES_NOT_EXIST", "not found")
    group("webhooks")

print(f"registry: {len(passed)} groups passed with mlflow {mlflow.__version__}: {', '.join(passed)}")
