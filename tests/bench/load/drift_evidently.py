"""Evidently on the columns that tests/bench/drift.rs wrote: the time of its tests alone, of its report, and its values.

    python drift_evidently.py FOLDER COLUMNS ROWS
"""

import json
import pathlib
import sys
import time
import warnings

import numpy as np
import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.legacy.calculations.stattests import get_stattest
from evidently.legacy.core import ColumnType
from evidently.presets import DataDriftPreset

warnings.filterwarnings("ignore")


def main():
    folder, columns, rows = pathlib.Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    names = [f"c{n}" for n in range(columns)]

    def read(name):
        cells = np.fromfile(folder / name, dtype="<f8").reshape(columns, rows)
        return pd.DataFrame({column: cells[n] for n, column in enumerate(names)})

    reference, current = read("reference.f64"), read("current.f64")
    began, scores = time.perf_counter(), {}
    for name in names:
        test = get_stattest(reference[name], current[name], ColumnType.Numerical, None)
        scores[name] = float(test(reference[name], current[name], ColumnType.Numerical, None).drift_score)
    tests_s = time.perf_counter() - began

    definition = DataDefinition(numerical_columns=names)
    sides = [Dataset.from_pandas(frame, data_definition=definition) for frame in (current, reference)]
    began = time.perf_counter()
    Report([DataDriftPreset()]).run(*sides)
    report_s = time.perf_counter() - began
    print(json.dumps({"tests_s": tests_s, "report_s": report_s, "scores": scores}))


main()
