"""The sample's training: a linear classifier on scaled features, learned epoch by epoch.

Runs in a Drydock job. The data set is mounted read-only at /data/breast-cancer; MLFLOW_TRACKING_URI, the token and the
experiment are in the environment, as in every job. Every fifth row is held out and never trained on.
"""

import argparse
import logging
import os
import time
import warnings
from pathlib import Path

# the address that it would print is the containers' own, of no use in a browser
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")

import mlflow
import pandas as pd
import sklearn
from mlflow.models import infer_signature
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import accuracy_score, log_loss, precision_score, recall_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

LABEL = "diagnosis"
SICK = "malignant"
HOLDOUT_EVERY = 5


def split(table):
    """Rows 5, 10, 15, … of the file are held out; the rule is fixed, so that two runs can be compared."""
    held_out = pd.Series(range(1, len(table) + 1), index=table.index) % HOLDOUT_EVERY == 0
    return table[~held_out], table[held_out]


def features_and_labels(table):
    return table.drop(columns=[LABEL]), table[LABEL]


def quality(pipeline, features, labels, prefix):
    predicted = pipeline.predict(features)
    return {
        f"{prefix}_accuracy": accuracy_score(labels, predicted),
        f"{prefix}_recall": recall_score(labels, predicted, pos_label=SICK),
        f"{prefix}_precision": precision_score(labels, predicted, pos_label=SICK, zero_division=0.0),
        f"{prefix}_loss": log_loss(labels, pipeline.predict_proba(features), labels=pipeline.classes_),
    }


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", type=Path, default=Path("/data/breast-cancer/breast_cancer.csv"))
    options.add_argument("--data-name", default="breast-cancer")
    options.add_argument("--epochs", type=int, default=60)
    options.add_argument("--seed", type=int, default=7)
    options = options.parse_args()
    warnings.filterwarnings("ignore", category=UserWarning)
    logging.getLogger("mlflow").setLevel(logging.ERROR)

    table = pd.read_csv(options.data)
    train, holdout = split(table)
    print(f"read {len(table)} rows: {len(train)} to learn from, {len(holdout)} held out", flush=True)
    features, labels = features_and_labels(train)
    held_features, held_labels = features_and_labels(holdout)

    # warm_start: each fit() is one more pass over the data, from where the last one stopped
    pipeline = Pipeline(
        [
            ("scale", StandardScaler()),
            (
                "classify",
                SGDClassifier(
                    loss="log_loss",
                    learning_rate="constant",
                    eta0=0.002,
                    alpha=0.001,
                    max_iter=1,
                    tol=None,
                    warm_start=True,
                    random_state=options.seed,
                ),
            ),
        ]
    )

    with mlflow.start_run() as run:
        print(f"run {run.info.run_id}", flush=True)
        data = mlflow.data.from_pandas(train, source=str(options.data), name=options.data_name, targets=LABEL)
        mlflow.log_input(data, context="training")
        mlflow.log_params({"epochs": options.epochs, "holdout_every": HOLDOUT_EVERY, "training_rows": len(train)})
        started = time.monotonic()
        for epoch in range(1, options.epochs + 1):
            if epoch == options.epochs:
                # the last pass also records the pipeline's parameters and scores by itself
                mlflow.sklearn.autolog(log_models=False, log_datasets=False, log_post_training_metrics=False, silent=True)
            pipeline.fit(features, labels)
            now = quality(pipeline, features, labels, "train") | quality(pipeline, held_features, held_labels, "holdout")
            mlflow.log_metrics(now, step=epoch)
            if epoch == 1 or epoch % 10 == 0:
                print(
                    f"epoch {epoch:3d}/{options.epochs}  loss {now['train_loss']:.4f}"
                    f"  held out: accuracy {now['holdout_accuracy']:.4f}  recall {now['holdout_recall']:.4f}",
                    flush=True,
                )
        print(f"learned in {time.monotonic() - started:.1f} s; saving the model", flush=True)
        example = held_features.head(3)
        mlflow.sklearn.log_model(
            pipeline,
            name="model",
            signature=infer_signature(example, pipeline.predict(example)),
            input_example=example,
            # what the runtime image has; spares a look-up that wants the internet
            pip_requirements=[f"mlflow=={mlflow.__version__}", f"scikit-learn=={sklearn.__version__}", f"pandas=={pd.__version__}"],
        )
        print("model saved", flush=True)


if __name__ == "__main__":
    main()
