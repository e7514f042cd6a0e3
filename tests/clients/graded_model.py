"""The model "grader", version 1: high where x is above 50, else low."""

import pathlib

import mlflow
import pandas
from mlflow.models import infer_signature

SOURCE = '''
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel


class Grader(PythonModel):
    def predict(self, context, model_input, params=None):
        return ["high" if x > 50 else "low" for x in model_input["x"]]


set_model(Grader())
'''

path = pathlib.Path("grader.py")
path.write_text(SOURCE)
rows = pandas.DataFrame({"x": [1.5, 99.5], "kind": ["a", "b"], "secret": ["s", "t"]})
mlflow.set_experiment("graders")
with mlflow.start_run():
    mlflow.pyfunc.log_model(
        name="model",
        python_model=str(path),
        signature=infer_signature(rows, ["low", "high"]),
        registered_model_name="grader",
        pip_requirements=["mlflow"],
    )
print("logged")
