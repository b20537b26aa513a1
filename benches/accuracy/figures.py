"""Figures of predictions, and their paired standard errors.

A model's figure is the mean over its seeds. The standard error of the difference of two models has two parts: that
of the rows, which both models score (DeLong's for AUC, that of the mean of the rows' differences for log loss; a
row counts with its mean over the seeds), and the spread over the seeds of each model.
"""
import numpy as np


def placements(labels, scores):
    """Return for each positive the share of negatives below it, and for each negative that of positives above it."""
    positive, negative = np.sort(scores[labels == 1]), np.sort(scores[labels == 0])

    def below(sorted_scores, values):
        left, right = (np.searchsorted(sorted_scores, values, side) for side in ["left", "right"])
        return (left + right) / 2 / len(sorted_scores)

    return below(negative, scores[labels == 1]), 1.0 - below(positive, scores[labels == 0])


def losses(labels, scores):
    scores = np.clip(scores, 1e-15, 1 - 1e-15)
    return -np.where(labels == 1, np.log(scores), np.log1p(-scores))


class Figure:
    """One figure of a model on a log: its mean over the seeds, and what its standard errors need.

    A seed has groups of rows, each with a value per row whose mean is the figure: positives and negatives for AUC,
    all rows for log loss.
    """

    def __init__(self, groups):
        self.by_seed = np.array([seed[0].mean() for seed in groups])
        self.mean = self.by_seed.mean()
        self.rows = [np.mean(group, axis=0) for group in zip(*groups)]

    def gap(self, other):
        """Return the difference to another model, and its standard error."""
        variance = sum(np.var(a - b) / len(a) for a, b in zip(self.rows, other.rows))
        for figure in [self, other]:
            if len(figure.by_seed) > 1:
                variance += figure.by_seed.var(ddof=1) / len(figure.by_seed)
        return self.mean - other.mean, np.sqrt(variance)


def auc(labels, scores_by_seed):
    return Figure([placements(labels, scores) for scores in scores_by_seed])


def log_loss(labels, scores_by_seed):
    return Figure([[losses(labels, scores)] for scores in scores_by_seed])
