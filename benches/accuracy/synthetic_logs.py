"""Synthetic logs: the probability of every row is known, and with it the best AUC and log loss that are possible."""
import numpy as np
import pandas as pd

ROWS = {"train": 8_000, "valid": 4_000, "test": 10_000}


def category(draws, n, k, effect):
    """Return a column of `k` tokens, frequent and rare ones, and what they add to the logit."""
    shares = 1.0 / np.arange(1, k + 1)
    value = draws.choice(k, n, p=shares / shares.sum())
    return pd.Series(value).map(lambda v: f"c{v}"), draws.normal(0, effect, k)[value]


def amounts(draws, n, zeros):
    """Return a column like Adult's capital gain: mostly 0, else one of 80 amounts of a long tail."""
    values = np.unique(np.round(np.exp(draws.normal(8.2, 1.0, 80))))
    drawn = values[draws.integers(0, len(values), n)]
    return np.where(draws.random(n) < zeros, 0, drawn).astype(int)


def zeros(draws, n):
    gain, loss = amounts(draws, n, 0.92), amounts(draws, n, 0.95)
    age = draws.integers(17, 80, n)
    job, effect = category(draws, n, 12, 0.8)
    logit = -1.6 + effect - ((age - 48) / 20) ** 2
    logit = np.where(gain > 0, np.where(gain >= 5_000, logit + 4.5, logit - 1.0), logit)
    logit += np.where(loss > 0, np.where((loss > 2_000) & (loss < 6_000), 2.5, -1.0), 0.0)
    return {"gain": gain, "loss": loss, "age": age, "job": job}, logit


def ties(draws, n):
    """Answers that people round, and a meaning of its own for the most frequent ones."""
    hours = np.where(draws.random(n) < 0.45, 40, np.round(draws.normal(40, 14, n)).clip(1, 99))
    price = np.round(np.exp(draws.normal(3, 1, n)), 2)
    price = np.where(draws.random(n) < 0.5, np.floor(price / 10) * 10 + 9.99, price)
    score = np.round(draws.beta(4, 2, n) * 100 / 5) * 5
    logit = -0.8 + 0.04 * (hours - 40) - 0.9 * (hours == 40) + 1.2 * (hours == 60)
    logit += 0.9 * (np.abs(price % 10 - 9.99) < 0.001) - 0.5 * np.log(price + 1) + 1.5
    logit += 1.6 * (score == 50) + 0.03 * (score - 65)
    return {"hours": hours.astype(int), "price": price.round(2), "score": score.astype(int)}, logit


def tails(draws, n):
    columns = {f"x{i}": np.exp(draws.normal(0, 1.5, n)) for i in range(3)}
    columns |= {f"y{i}": draws.pareto(1.1, n) for i in range(3)}
    z = [np.log(column + 0.1) for column in columns.values()]
    logit = 0.5 * z[0] - 0.35 * z[1] + 0.25 * z[2] * z[3] / 2 + 0.4 * z[4] - 0.5
    return {name: np.round(column, 4) for name, column in columns.items()}, logit


def thresholds(draws, n):
    x = draws.random((6, n))
    logit = -1.0 + 1.8 * (x[0] > 0.83) - 1.5 * (x[1] < 0.31) + 1.2 * ((x[2] > 0.4) & (x[2] < 0.47))
    logit += 1.6 * ((x[3] > 0.6) & (x[4] < 0.5)) + 1.0 * (x[5] > 0.97)
    return {f"x{i}": np.round(column * 1_000, 2) for i, column in enumerate(x)}, logit


def smooth(draws, n):
    x = draws.normal(0, 1, (6, n))
    logit = np.sin(2 * x[0]) + 0.5 * x[1] ** 2 - 0.8 * x[2] + 0.7 * x[3] * x[4] - 0.8
    return {f"x{i}": np.round(column, 4) for i, column in enumerate(x)}, logit


def counts(draws, n):
    rates = draws.gamma(1.0, 2.0, (5, n))
    x = draws.poisson(rates * np.array([[0.3], [1], [3], [8], [1]]))
    logit = -1.0 + 1.2 * np.log1p(x[0]) - 0.8 * (x[1] == 0) + 0.5 * np.log1p(x[2]) - 0.4 * np.log1p(x[3])
    logit += 0.9 * ((x[1] > 2) & (x[4] > 1))
    return {f"n{i}": column for i, column in enumerate(x)}, logit


def ids(draws, n):
    def drawn(size):
        shares = 1.0 / np.arange(1, size + 1) ** 0.9
        return draws.choice(size, n, p=shares / shares.sum())

    user, item = drawn(1_000), drawn(400)
    tastes, traits = draws.normal(0, 1, (1_000, 2)), draws.normal(0, 1, (400, 2))
    place, effect = category(draws, n, 8, 0.5)
    logit = -0.7 + draws.normal(0, 0.8, 1_000)[user] + draws.normal(0, 0.9, 400)[item] + effect
    logit += 0.6 * (tastes[user] * traits[item]).sum(1)
    return {"user": user + 10_000, "item": [f"i{v}" for v in item], "place": place}, logit


def mixed(draws, n):
    spent = amounts(draws, n, 0.8)
    age = draws.normal(40, 12, n).round().clip(18, 90)
    visits = draws.poisson(draws.gamma(1.0, 3.0, n))
    rate = np.round(draws.beta(2, 5, n), 3)
    device, by_device = category(draws, n, 4, 0.5)
    city, by_city = category(draws, n, 150, 0.7)
    topic, by_topic = category(draws, n, 30, 0.6)
    logit = -1.2 + by_device + by_city + by_topic + 1.5 * (spent > 4_000) + 0.5 * np.log1p(visits)
    logit += np.where(device == "c0", 0.05, -0.03) * (age - 40) + 1.2 * (rate > 0.55) - 0.8 * (visits == 0)
    age = np.where(draws.random(n) < 0.15, np.nan, age)  # the effect stays: what is missing cannot be known
    columns = {"spent": spent, "age": age, "visits": visits, "rate": rate}
    return columns | {"device": device, "city": city, "topic": topic}, logit


LOGS = {f.__name__: f for f in [zeros, ties, tails, thresholds, smooth, counts, ids, mixed]}
CATEGORIES = {"ids": ["user"]}


def split(name):
    """Return the rows of each part, the categories among integer columns, and the probabilities of each part."""
    draws = np.random.default_rng([2019, list(LOGS).index(name)])
    columns, logit = LOGS[name](draws, sum(ROWS.values()))
    best = 1.0 / (1.0 + np.exp(-logit))
    rows = pd.DataFrame({"label": (draws.random(len(best)) < best).astype(int)} | columns)
    ends = np.cumsum(list(ROWS.values()))
    spans = {part: slice(end - size, end) for (part, size), end in zip(ROWS.items(), ends)}
    return (
        {part: rows[span] for part, span in spans.items()},
        CATEGORIES.get(name, []),
        {part: best[span] for part, span in spans.items()},
    )
