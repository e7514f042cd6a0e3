"""Versions of the model "taster", one for each behaviour named: good, better, raises, slow, crashes; or numbers: one, almost, two (slowly). Prints them in that order."""

import pathlib
import sys

import mlflow

SOURCE = '''
import os
import time

from mlflow.models import set_model
from mlflow.pyfunc import PythonModel


class Taster(PythonModel):
    def load_context(self, context):
        self.answered = 0

    def predict(self, context, model_input, params=None):
        behaviour = {behaviour!r}
        self.answered += 1
        if behaviour == "raises":
            raise ValueError("this model was trained on grapes")
        if behaviour in ("slow", "two"):
            time.sleep(0.6)
        if behaviour == "crashes" and self.answered > 3:
            print("out of grapes", flush=True)
            os._exit(3)
        numbers = {{"one": 1.0, "almost": 1.0 + 1e-8, "two": 2.0}}
        return [numbers.get(behaviour, behaviour)] * len(model_input)


set_model(Taster())
'''

mlflow.set_experiment("tasters")
versions = []
for behaviour in sys.argv[1:]:
    path = pathlib.Path(f"{behaviour}.py")
    path.write_text(SOURCE.format(behaviour=behaviour))
    with mlflow.start_run():
        logged = mlflow.pyfunc.log_model(
            name="model", python_model=str(path), registered_model_name="taster", pip_requirements=["mlflow"]
        )
    versions.append(str(logged.registered_model_version))
print("versions", *versions)
