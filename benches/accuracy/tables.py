"""The tables of the comparison, in Markdown."""
import numpy as np
import pandas as pd

import figures

TREES = ["lightgbm", "catboost"]
METRICS = {"AUC": (figures.auc, 1), "log loss": (figures.log_loss, -1)}


def short(value, sign=False):
    """Return a number without the 0 before its point."""
    return f"{value:{'+' if sign else ''}.4f}".replace("0.", ".", 1)


def with_error(gap):
    return f"{short(gap[0], sign=True)} ± {short(gap[1])}"


def row(cells):
    print("| " + " | ".join(str(cell) for cell in cells) + " |")


def head(cells):
    row(cells)
    row(["---"] * len(cells))


class Results:
    """The figures of all models on all logs."""

    def __init__(self, logs, sets, files, part):
        self.sets, self.models = sets, list(dict.fromkeys(model for _, model in files))
        self.figures, self.best, self.seconds, self.rows = {}, {}, {}, {}
        for name in sets:
            labels = pd.read_csv(logs / name / f"{part}.csv", usecols=["label"])["label"].to_numpy()
            with open(logs / name / "train.csv") as lines:
                self.rows[name] = sum(1 for _ in lines) - 1
            best = logs / name / "best.npz"
            for metric, (figure, _) in METRICS.items():
                if best.exists():
                    self.best[name, metric] = figure(labels, [np.load(best)[part]]).mean
                for model in self.models:
                    scores = [np.load(file)[part] for file in files[name, model]]
                    self.figures[name, model, metric] = figure(labels, scores)
            for model in self.models:
                self.seconds[name, model] = np.mean([np.load(file)["seconds"] for file in files[name, model]])

    def better_tree(self, name, metric):
        """Return the figure of the better of LightGBM and CatBoost, or None without them."""
        trees = [self.figures[name, model, metric] for model in TREES if model in self.models]
        return max(trees, key=lambda figure: METRICS[metric][1] * figure.mean, default=None)

    def gains(self, ours, reference, metric):
        """Return for each log how much better a model is than the reference of the log, and the standard error."""
        sign = METRICS[metric][1]
        gaps = (self.figures[name, ours, metric].gap(reference(name)) for name in self.sets)
        return [(sign * gap, error) for gap, error in gaps]


def summary(title, gains):
    gaps, errors = np.array(gains).T
    overall = (gaps.mean(), np.sqrt((errors**2).sum()) / len(errors))
    within = np.sum(gaps >= -np.maximum(0.002, errors))
    worst = f"{gaps.min():+.4f}".replace("0.", ".", 1)
    print(f"{title}: mean {with_error(overall)}, worst {worst}, ", end="")
    print(f"better, or within .002 or one error, on {within} of {len(gaps)}")


def metric_table(results, ours, metric):
    trees = any(model in results.models for model in TREES)
    gaps = {v: results.gains(v, lambda name: results.better_tree(name, metric), metric) for v in ours if trees}
    print(f"\n{metric}\n")
    head(["log", "training rows", "best possible", *results.models, *(f"{v}: gain over the better tree" for v in gaps)])
    for number, name in enumerate(results.sets):
        best = results.best.get((name, metric))
        cells = [name, results.rows[name], "" if best is None else short(best)]
        cells += [short(results.figures[name, model, metric].mean) for model in results.models]
        row(cells + [with_error(gains[number]) for gains in gaps.values()])
    print()
    for variant, gains in gaps.items():
        summary(f"{variant} over the better tree, {metric}", gains)
    for variant in ours[1:]:
        gains = results.gains(variant, lambda name: results.figures[name, ours[0], metric], metric)
        summary(f"{variant} over {ours[0]}, {metric}", gains)


def show(logs, sets, ours, files, part):
    results = Results(logs, sets, files, part)
    num_seeds = len(next(iter(files.values())))
    print(f"\n{ {'valid': 'validation', 'test': 'test'}[part]} rows, mean of {num_seeds} seeds; a gain above 0 is ours")
    for metric in METRICS:
        metric_table(results, ours, metric)
    print("\nCPU seconds of init and train, or of fit\n")
    head(["log", *results.models])
    for name in sets:
        row([name, *(f"{results.seconds[name, model]:.1f}" for model in results.models)])
