"""`register` a scikit-learn model as version 1 of "iris"; `ask` MLServer for it through a deployment, in both protocols."""

import os
import sys
import warnings

import numpy as np
import pandas as pd
import requests
from sklearn.datasets import load_iris

warnings.filterwarnings("ignore")
features, labels = load_iris(return_X_y=True, as_frame=True)
origin = os.environ["MLFLOW_TRACKING_URI"]
headers = {"Authorization": f"Bearer {os.environ['MLFLOW_TRACKING_TOKEN']}"}


def register():
    import mlflow
    from mlflow.models import infer_signature
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(max_iter=500).fit(features, labels)
    mlflow.set_experiment("iris")
    with mlflow.start_run():
        mlflow.sklearn.log_model(
            model,
            name="model",
            signature=infer_signature(features, model.predict(features)),
            input_example=features[:2],
            registered_model_name="iris",
            serialization_format="cloudpickle",
            pip_requirements=["scikit-learn"],
        )


def ask(deployment):
    from mlflow.pyfunc.scoring_server.client import ScoringServerClient
    from tritonclient.http import InferenceServerClient, InferInput

    some = features[::50]
    expected = [0, 1, 2]
    url = f"{origin}/serve/{deployment}"

    # MLflow's own client for served models, which knows no tokens: requests takes the password from a .netrc
    host, port = origin.split("://")[1].split(":")
    with open(".netrc", "w") as file:
        file.write(f"machine {host} login any password {os.environ['MLFLOW_TRACKING_TOKEN']}\n")
    os.environ["NETRC"] = os.path.abspath(".netrc")
    plain = ScoringServerClient(host, f"{port}/serve/{deployment}")
    plain.wait_server_ready()
    assert plain.get_version() == "1.7.1", plain.get_version()
    assert plain.invoke(some).get_predictions(predictions_format="ndarray").ravel().tolist() == expected

    # every form of the body, at both paths
    columns = list(features.columns)
    rows = some.to_numpy().tolist()
    for path in ["invocations", "predict"]:
        for body in [
            {"dataframe_split": {"columns": columns, "data": rows}},
            {"dataframe_split": {"columns": columns[::-1], "data": [row[::-1] for row in rows]}},
            {"dataframe_records": some.to_dict("records")},
            {"instances": rows},
            {"inputs": {name: some[name].tolist() for name in columns}},
        ]:
            answer = requests.post(f"{url}/{path}", json=body, headers=headers)
            assert answer.json() == {"predictions": expected}, (list(body), answer.text)
    csv = requests.post(f"{url}/invocations", some.to_csv(index=False), headers=headers | {"Content-Type": "text/csv"})
    assert csv.json() == {"predictions": expected}, csv.text
    assert requests.get(f"{url}/health", headers=headers).status_code == 200

    # refusals name the field
    first = columns[0]
    for status, text, body in [
        (400, first, {"dataframe_split": {"columns": columns[1:], "data": [row[1:] for row in rows]}}),
        (400, "'odd'", {"dataframe_records": some.rename(columns={first: "odd"}).to_dict("records")}),
        (400, first, {"inputs": {name: ["x"] if name == first else [1.0] for name in columns}}),
        (400, "exactly one", {"inputs": [], "instances": []}),
    ]:
        answer = requests.post(f"{url}/invocations", json=body, headers=headers)
        assert answer.status_code == status and text in answer.text, (text, answer.text)
    answer = requests.post(f"{url}/invocations", "x", headers=headers | {"Content-Type": "text/plain"})
    assert answer.status_code == 415, answer.text

    # V2 passes untouched: the server's own names, and tensors in JSON; its metadata are its own
    client = InferenceServerClient(url.split("://")[1])
    assert client.is_server_ready(headers) and client.is_model_ready("flowers", headers=headers)
    assert client.get_server_metadata(headers)["name"] == "mlserver"
    tensor = InferInput("x", [3, 4], "FP64")
    tensor.set_data_from_numpy(some.to_numpy(dtype=np.float64), binary_data=False)
    answer = client.infer("flowers", [tensor], headers=dict(headers))
    assert answer.as_numpy("predict").ravel().tolist() == expected


{"register": register, "ask": ask}[sys.argv[1]](*sys.argv[2:])
