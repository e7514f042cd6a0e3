"""A deployment of the sample model, asked by tritonclient (JSON and binary tensors) and by MLflow's own client for served models."""

import os
import sys
import time

import numpy as np
import pandas as pd
from mlflow.pyfunc.scoring_server.client import ScoringServerClient
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException

deployment, version = sys.argv[1:]
origin = os.environ["MLFLOW_TRACKING_URI"].split("://")[1]
headers = {"Authorization": f"Bearer {os.environ['MLFLOW_TRACKING_TOKEN']}"}
client = InferenceServerClient(f"{origin}/serve/{deployment}")
host, port = origin.split(":")

# health and metadata
assert client.is_server_live(headers) and client.is_server_ready(headers)
assert client.is_model_ready(deployment, headers=headers)
assert client.is_model_ready(deployment, version, headers=headers)
assert not client.is_model_ready("other", headers=headers)
assert "binary_tensor_data" in client.get_server_metadata(headers)["extensions"]
about = client.get_model_metadata(deployment, headers=headers)
assert about["versions"] == [version], about
assert len(about["inputs"]) == 30, about
assert {column["datatype"] for column in about["inputs"]} == {"FP64"}, about
columns = [column["name"] for column in about["inputs"]]
output = about["outputs"][0]
assert output["shape"] == [-1], about


def tensors(frame, binary, datatype="FP64", kind=np.float64):
    inputs = []
    for name in frame.columns:
        tensor = InferInput(name, [len(frame)], datatype)
        tensor.set_data_from_numpy(frame[name].to_numpy(dtype=kind), binary_data=binary)
        inputs.append(tensor)
    return inputs


def infer(inputs, binary=True, **more):
    outputs = [InferRequestedOutput(output["name"], binary_data=binary)]
    # the client writes into the headers that it is given
    answer = client.infer(deployment, inputs, outputs=outputs, headers=dict(headers), **more)
    return answer, words(answer.as_numpy(output["name"]))


def words(found):
    """Texts come as bytes from binary tensors, as texts from JSON."""
    return [value.decode() if isinstance(value, bytes) else value for value in found.tolist()]


dice = np.random.default_rng(7)
frame = pd.DataFrame(dice.uniform(0.01, 30, (1000, len(columns))), columns=columns)
few = frame.head(5)

# MLflow's own client, which knows V2 as little as it knows tokens: requests takes the password from a .netrc
with open(".netrc", "w") as file:
    file.write(f"machine {host} login any password {os.environ['MLFLOW_TRACKING_TOKEN']}\n")
os.environ["NETRC"] = os.path.abspath(".netrc")
plain = ScoringServerClient(host, f"{port}/serve/{deployment}")
plain.wait_server_ready()
assert plain.get_version().startswith("3."), plain.get_version()
expected = plain.invoke(few).get_predictions(predictions_format="ndarray").ravel().tolist()
assert len(expected) == 5, expected

# every way of asking, the same answer
for sent in (False, True):
    for wanted in (False, True):
        answer, found = infer(tensors(few, sent), wanted, request_id="q-1", model_version=version)
        said = answer.get_response()
        assert (said["id"], said["model_name"], said["model_version"]) == ("q-1", deployment, version), said
        assert found == expected, (sent, wanted, found, expected)
for algorithm in ("gzip", "deflate"):
    _, found = infer(tensors(few, True), request_compression_algorithm=algorithm, response_compression_algorithm=algorithm)
    assert found == expected, algorithm
answer = client.infer(deployment, tensors(few, True), headers=dict(headers))
assert words(answer.as_numpy(output["name"])) == expected
_, found = infer(tensors(few, True, "FP32", np.float32))
assert len(found) == 5, found


def refusal(call, status):
    try:
        call()
    except InferenceServerException as error:
        assert error.status() == status, error
        return error.message()
    raise AssertionError("it was taken")


# errors that the client understands, with the field
first = columns[0]
why = refusal(lambda: infer(tensors(few[columns[1:]], True)), "400")
assert first in why and "missing" in why, why
why = refusal(lambda: infer(tensors(few.rename(columns={first: "odd"}), False)), "400")
assert "'odd'" in why, why
why = refusal(lambda: infer(tensors(few, True, "INT64", np.int64)), "400")
assert first in why and "INT64" in why, why
why = refusal(lambda: infer(tensors(few.replace({first: {few[first][2]: np.nan}}), False)), "400")
assert first in why and "element 2" in why and "NaN" in why, why
why = refusal(lambda: client.infer("other", tensors(few, True), headers=dict(headers)), "404")
assert "'other'" in why, why
why = refusal(lambda: client.infer(deployment, tensors(few, True)), "401")
assert why, why
why = refusal(lambda: client.get_model_metadata(deployment, "99", headers=headers), "404")
assert "'99'" in why, why


def milliseconds(call, times=10):
    call()
    took = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        took.append((time.perf_counter() - began) * 1000)
    return sorted(took)[times // 2]


body = milliseconds(lambda: plain.invoke(frame))
as_json, as_binary = tensors(frame, False), tensors(frame, True)
json_ms, binary_ms = milliseconds(lambda: infer(as_json, False)), milliseconds(lambda: infer(as_binary))
print(f"1,000 rows of 30 columns, median: /invocations {body:.1f} ms, V2 JSON {json_ms:.1f} ms, V2 binary {binary_ms:.1f} ms")
