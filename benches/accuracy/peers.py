"""Fit a peer on a log and write its probabilities: `peers.py MODEL LOG SEED OUTPUT`, in a process of its own.

Library defaults on one thread. The trees take categories as they are, and stop when the log loss of the validation
rows has not fallen for 50 rounds, at most at 2,000 rounds of LightGBM and 1,000 of CatBoost. Logistic regression has
one-hot categories and scaled numbers. A category that only validation and test rows have is unknown.
"""
import json
import pathlib
import sys
import time

import numpy as np
import pandas as pd

PATIENCE = 50
PARTS = ["train", "valid", "test"]


def load(log):
    """Return the columns and the label of each part, and the names of the categorical columns."""
    description = json.loads((log / "log.json").read_text())
    parts = {part: pd.read_csv(log / f"{part}.csv", keep_default_na=False, na_values=[""]) for part in PARTS}
    labels = {part: rows.pop("label") for part, rows in parts.items()}
    train = parts["train"]
    categories = [c for c in train if c in description["categories"] or not pd.api.types.is_numeric_dtype(train[c])]
    return parts, labels, categories


def lightgbm(parts, labels, categories, seed):
    from lightgbm import LGBMClassifier, early_stopping

    for column in categories:
        known = pd.CategoricalDtype(parts["train"][column].dropna().unique())
        for rows in parts.values():
            rows[column] = rows[column].astype(known)
    for rows in parts.values():
        rows.columns = [f"column_{i}" for i in range(rows.shape[1])]
    model = LGBMClassifier(n_estimators=2_000, random_state=seed, n_jobs=1, verbose=-1)
    stop = early_stopping(PATIENCE, verbose=False)
    model.fit(parts["train"], labels["train"], eval_set=[(parts["valid"], labels["valid"])], callbacks=[stop])
    return model


def catboost(parts, labels, categories, seed):
    from catboost import CatBoostClassifier

    for column in categories:
        for rows in parts.values():
            rows[column] = rows[column].astype(object).where(rows[column].notna(), "missing").astype(str)
    model = CatBoostClassifier(random_seed=seed, thread_count=1, verbose=False, allow_writing_files=False)
    evaluation = (parts["valid"], labels["valid"])
    model.fit(parts["train"], labels["train"], categories, eval_set=evaluation, early_stopping_rounds=PATIENCE)
    return model


def logistic(parts, labels, categories, seed):
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    for column in categories:
        for rows in parts.values():
            rows[column] = rows[column].astype(object).where(rows[column].notna(), "missing").astype(str)
    numbers = [column for column in parts["train"] if column not in categories]
    encoder = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), categories),
        (make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()), numbers),
    )
    model = make_pipeline(encoder, LogisticRegression(max_iter=2_000, random_state=seed))
    return model.fit(parts["train"], labels["train"])


def main():
    name, log, seed, output = sys.argv[1], pathlib.Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    parts, labels, categories = load(log)
    fit = {"lightgbm": lightgbm, "catboost": catboost, "logistic": logistic}[name]
    start = time.process_time()
    model = fit(parts, labels, categories, seed)
    seconds = time.process_time() - start
    np.savez(output, seconds=seconds, **{part: model.predict_proba(parts[part])[:, 1] for part in ["valid", "test"]})


if __name__ == "__main__":
    main()
