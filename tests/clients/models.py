"""Autolog, log_model, register_model, aliases and load_model, through the unmodified client."""

import warnings

import mlflow
import mlflow.sklearn
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.models import infer_signature
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

warnings.filterwarnings("ignore")
features, labels = load_iris(return_X_y=True, as_frame=True)
client = MlflowClient()
mlflow.set_experiment("models")

# autolog: what the library logs by itself
mlflow.sklearn.autolog()
with mlflow.start_run() as automatic:
    LogisticRegression(max_iter=500).fit(features, labels)
mlflow.sklearn.autolog(disable=True)
found = client.get_run(automatic.info.run_id)
assert found.data.params["max_iter"] == "500", found.data.params
assert found.data.metrics["training_accuracy_score"] > 0.9, found.data.metrics
assert mlflow.sklearn.load_model(f"runs:/{automatic.info.run_id}/model").predict(features[:1]).tolist() == [0]

# log_model with a registered name: version 1
model = LogisticRegression(max_iter=200).fit(features, labels)
expected = model.predict(features).tolist()
with mlflow.start_run() as run:
    logged = mlflow.sklearn.log_model(
        model,
        name="model",
        signature=infer_signature(features, expected),
        input_example=features[:2],
        registered_model_name="iris",
        serialization_format="cloudpickle",
        pip_requirements=["scikit-learn"],
    )
assert mlflow.sklearn.load_model(logged.model_uri).predict(features).tolist() == expected

# register_model from another run: version 2, although the name exists
second = mlflow.register_model(f"runs:/{automatic.info.run_id}/model", "iris")
assert int(second.version) == 2, second.version
assert {int(one.version) for one in client.search_model_versions("name = 'iris'")} == {1, 2}
assert "iris" in [one.name for one in client.search_registered_models()]

# aliases move, and models are loaded by them
client.set_registered_model_alias("iris", "champion", "1")
assert int(client.get_model_version_by_alias("iris", "champion").version) == 1
client.set_registered_model_alias("iris", "champion", "2")
assert int(client.get_model_version_by_alias("iris", "champion").version) == 2
assert client.get_registered_model("iris").aliases == {"champion": 2} or client.get_registered_model("iris").aliases == {"champion": "2"}
for name in ["models:/iris@champion", "models:/iris/1", "models:/iris/latest"]:
    assert mlflow.pyfunc.load_model(name).predict(features[:3]).tolist() == [0, 0, 0], name
client.delete_registered_model_alias("iris", "champion")
try:
    client.get_model_version_by_alias("iris", "champion")
    raise SystemExit("an alias outlived its deletion")
except MlflowException as error:
    assert error.error_code == "INVALID_PARAMETER_VALUE", error.error_code

client.set_model_version_tag("iris", "1", "checked", "yes")
client.update_model_version("iris", "1", description="the first")
version = client.get_model_version("iris", "1")
assert version.tags["checked"] == "yes" and version.description == "the first" and version.run_id == run.info.run_id

client.delete_model_version("iris", "1")
try:
    client.get_model_version("iris", "1")
    raise SystemExit("a deleted version is still there")
except MlflowException as error:
    assert error.error_code == "RESOURCE_DOES_NOT_EXIST", error.error_code
print("models: all as registered")
