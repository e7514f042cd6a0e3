"""Three runs with metrics, params, a dataset and an artifact each, a registered model and its alias, for a page to show. Prints the
experiment's and a run's id."""

import math
import warnings

import mlflow
from mlflow import MlflowClient
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

warnings.filterwarnings("ignore")
data = load_iris(as_frame=True)
experiment_id = mlflow.set_experiment("irises").experiment_id
for index in range(3):
    with mlflow.start_run(run_name=f"run-{index}") as run:
        mlflow.log_params({"C": index + 1, "solver": "lbfgs"})
        for step in range(50):
            mlflow.log_metrics({"loss": 1 / (step + 1 + index), "acc": 1 - math.exp(-step / 10)}, step=step)
        mlflow.log_text("a note", "notes/a.txt")
        mlflow.log_input(mlflow.data.from_pandas(data.frame, name="iris"), context="training")
        if index == 0:
            first = run
            model = LogisticRegression(max_iter=300).fit(data.data, data.target)
            mlflow.sklearn.log_model(
                model,
                name="model",
                registered_model_name="iris-model",
                serialization_format="cloudpickle",
                input_example=data.data.head(2),
            )


@mlflow.trace(name="answer")
def answer(question):
    with mlflow.start_span("look up", span_type="RETRIEVER") as span:
        span.set_inputs({"question": question})
    return "42"


answer("How many?")
mlflow.flush_trace_async_logging()
MlflowClient().set_registered_model_alias("iris-model", "champion", "1")
print(f"ids {experiment_id} {first.info.run_id}")
