#!/usr/bin/env python3
"""Compare `fibinet prepare` on synthetic Criteo rows with the same encoding in pandas and polars.

    python3 benches/prepare/run.py [--rows 1000000] [--vocabulary 1000000] [--rounds 3] [--venv DIR]
    python3 benches/prepare/run.py --growth [--rows 1000000] [--vocabulary 1000000] [--rounds 3]
    python3 benches/prepare/run.py --formats [--rows 1000000] [--rounds 3] [--venv DIR] [--against BINARY]

Each program reads the same tab-separated file, splits its rows 80/10/10, counts tokens on the training rows
only, gives an id to every token seen at least ten times, turns integers into log2 tokens, and writes encoded
Parquet. Programs take turns, each in its own process with one thread per CPU that this process may run on.
Figures are medians over the rounds: wall seconds, rows and megabytes per second, and peak memory. The peers
need pandas, polars and pyarrow, which are installed into a virtual environment of their own.

With --growth there are no peers: fibinet prepares the rows, and four times as many rows of the same vocabulary.

With --formats there are none either: fibinet prepares 20 columns of floats, and 20 of integers, each from CSV and
from Parquet. Another build, given by --against, takes turns with this one. User seconds are those of all threads.
"""
import argparse
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import venv

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
NUMBERS = [f"I{i}" for i in range(1, 14)]
CATEGORIES = [f"C{i}" for i in range(1, 27)]
COLUMNS = ["label", *NUMBERS, *CATEGORIES]
# The kinds of the fields over columns of floats and of integers, in turn.
KINDS = {
    "floats": ['kind = "numeric"\nencoding = "quantile"', 'kind = "numeric"\nencoding = "value"'],
    "integers": [
        'kind = "categorical"\nmin_count = 10',
        'kind = "numeric"\nencoding = "log2"',
        'kind = "categorical"\nhash_buckets = 1000',
        'kind = "numeric"\nencoding = "quantile"',
    ],
}
NUM_COLUMNS = 20
MIN_COUNT, FIRST, UNKNOWN, MISSING = 10, 3, 1, 2
THREADS = len(os.sched_getaffinity(0))
# The thread counts of fibinet, of polars, and of Arrow under pandas.
POOLS = ["RAYON_NUM_THREADS", "POLARS_MAX_THREADS", "OMP_NUM_THREADS"]


def by_pandas(source, target):
    import numpy as np
    import pandas as pd

    types = {name: "string[pyarrow]" for name in CATEGORIES} | {name: "float64" for name in NUMBERS}
    rows = pd.read_csv(source, sep="\t", header=None, names=COLUMNS, dtype=types, engine="c")
    draw = np.random.default_rng(2019).random(len(rows))
    train = draw >= 0.2
    for name in NUMBERS:
        value = rows[name]
        with np.errstate(all="ignore"):
            # Small values are tokens of their own, distinct from those of the logarithms.
            rows[name] = np.where(value > 2, np.floor(np.log(value) ** 2), np.floor(value) - 1e6)
    for name in NUMBERS + CATEGORIES:
        counts = rows.loc[train, name].value_counts()
        counts = counts[counts >= MIN_COUNT]
        ids = pd.Series(np.arange(FIRST, FIRST + len(counts), dtype="uint32"), index=counts.index)
        missing = rows[name].isna()
        encoded = rows[name].map(ids).fillna(UNKNOWN).astype("uint32")
        rows[name] = encoded.mask(missing, MISSING)
    rows["label"] = rows["label"].astype("float32")
    for part, taken in {"train": train, "valid": (draw < 0.1), "test": (draw >= 0.1) & ~train}.items():
        rows[taken].to_parquet(target / f"{part}.parquet", index=False)


def by_polars(source, target):
    import polars as pl

    types = {name: pl.String for name in CATEGORIES} | {name: pl.Float64 for name in NUMBERS}
    rows = pl.read_csv(
        source, separator="\t", has_header=False, new_columns=COLUMNS, quote_char=None,
        schema_overrides={f"column_{i + 1}": types.get(name, pl.Float32) for i, name in enumerate(COLUMNS)},
    )
    value = pl.col(NUMBERS)
    rows = rows.with_columns(
        pl.when(value > 2).then((value.log() ** 2).floor()).otherwise(value.floor() - 1e6),
        draw=pl.int_range(pl.len()).hash(2019) / 2.0**64,
    )
    train = rows.filter(pl.col("draw") >= 0.2)
    encoded = []
    for name in NUMBERS + CATEGORIES:
        counts = train[name].drop_nulls().value_counts(sort=True).filter(pl.col("count") >= MIN_COUNT)
        ids = counts.select(name, id=pl.int_range(FIRST, FIRST + pl.len(), dtype=pl.UInt32))
        joined = rows.select(name).join(ids, on=name, how="left", maintain_order="left")
        missing = pl.when(pl.col(name).is_null()).then(pl.lit(MISSING, pl.UInt32))
        encoded.append(joined.select(missing.otherwise(pl.col("id").fill_null(UNKNOWN)).alias(name)).to_series())
    rows = rows.with_columns(encoded)
    draw = pl.col("draw")
    for part, taken in {"train": draw >= 0.2, "valid": draw < 0.1, "test": (draw >= 0.1) & (draw < 0.2)}.items():
        rows.filter(taken).drop("draw").write_parquet(target / f"{part}.parquet")


def write_numbers(rows, directory):
    """Write columns of floats and of integers, each as CSV and as Parquet."""
    import numpy as np
    import polars as pl

    draws = np.random.default_rng(2019)
    columns = {
        "floats": lambda: draws.normal(0.0, 100.0, rows),
        "integers": lambda: (draws.pareto(1.0, rows) * 100).clip(0, 1e6).astype(np.int64),
    }
    for name, column in columns.items():
        label = {"y": draws.integers(0, 2, rows)}
        table = pl.DataFrame(label | {f"x{i}": column() for i in range(NUM_COLUMNS)})
        table.write_csv(directory / f"{name}.csv")
        table.write_parquet(directory / f"{name}.parquet")


def measure(command, directory):
    """Return the wall seconds, the peak MiB and the user seconds of a command."""
    start = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=directory, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        env={**os.environ, **dict.fromkeys(POOLS, str(THREADS))},
    )
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise SystemExit(f"{command} failed: {errors.decode()}")
    return time.perf_counter() - start, usage.ru_maxrss / 1024, usage.ru_utime


def build():
    subprocess.run(["cargo", "build", "--release", "--locked"], cwd=ROOT, check=True)
    return str(ROOT / "target" / "release" / "fibinet")


def peer_python(directory):
    python, installed = directory / "bin" / "python", directory / "installed"
    if not installed.exists():
        venv.create(directory, with_pip=True)
        packages = ["pandas", "polars", "pyarrow"]
        subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
        installed.touch()
    return str(python)


def synthesize(fibinet, rows, vocabulary, directory):
    """Write a file of rows into a directory, with its run file."""
    source = directory / "train.txt"
    sizes = ["--rows", str(rows), "--vocabulary", str(vocabulary)]
    subprocess.run([fibinet, "synth", *sizes, "-o", source], check=True)
    subprocess.run([fibinet, "init", "train.txt", "--schema", "criteo"], cwd=directory, check=True)
    return source


def prepare(fibinet, directory, *settings, run_file="fibinet.toml"):
    """Return what preparing a directory's file takes when nothing is cached: see `measure`."""
    shutil.rmtree(directory / "cache", ignore_errors=True)
    return measure([fibinet, "prepare", run_file, "--cache", "cache", *settings], directory)


def medians(figures):
    return {name: [statistics.median(column) for column in zip(*runs)] for name, runs in figures.items()}


def growth(arguments, fibinet, directory):
    sizes = [arguments.rows, 4 * arguments.rows]
    for rows in sizes:
        (directory / str(rows)).mkdir()
        synthesize(fibinet, rows, arguments.vocabulary, directory / str(rows))
    settings = []
    if arguments.shuffle_rows is not None:
        settings = ["--set", f"data.shuffle_rows={arguments.shuffle_rows}"]
    figures = {rows: [] for rows in sizes}
    for _ in range(arguments.rounds):
        for rows, runs in figures.items():
            runs.append(prepare(fibinet, directory / str(rows), *settings))
    print(f"{THREADS} threads, vocabulary {arguments.vocabulary}, medians of {arguments.rounds} rounds")
    print(f"{'rows':>10}{'seconds':>9}{'MiB':>8}")
    for rows, (seconds, mebibytes, _) in medians(figures).items():
        print(f"{rows:>10}{seconds:>9.2f}{mebibytes:>8.0f}")
        if arguments.most_mib is not None and mebibytes > arguments.most_mib:
            raise SystemExit(f"{rows} rows took {mebibytes:.0f} MiB, more than {arguments.most_mib}")


def formats(arguments, fibinet, directory):
    python = peer_python(arguments.venv)
    subprocess.run([python, HERE / "run.py", "numbers", str(arguments.rows), directory], check=True)
    builds = {"this": fibinet}
    if arguments.against is not None:
        builds["other"] = str(arguments.against.resolve())
    cases = []
    for columns, kinds in KINDS.items():
        fields = "".join(
            f'[[data.fields]]\nname = "x{i}"\n{kinds[i % len(kinds)]}\n' for i in range(NUM_COLUMNS)
        )
        for ending in ["csv", "parquet"]:
            source = f"{columns}.{ending}"
            data = f'[data]\ntrain = "{source}"\nlabel = "y"\nsplit = {{ valid = 0.1, test = 0.1 }}\n'
            (directory / f"{source}.toml").write_text(data + fields)
            cases += [(source, build) for build in builds]
    figures = {case: [] for case in cases}
    for _ in range(arguments.rounds):
        for (source, build), runs in figures.items():
            runs.append(prepare(builds[build], directory, run_file=f"{source}.toml"))
    print(f"{THREADS} threads, {arguments.rows} rows, medians of {arguments.rounds} rounds")
    print(f"{'':<18}{'build':<7}{'seconds':>9}{'user':>8}{'MiB':>8}")
    for (source, build), (seconds, mebibytes, user) in medians(figures).items():
        print(f"{source:<18}{build:<7}{seconds:>9.2f}{user:>8.2f}{mebibytes:>8.0f}")


def against_peers(arguments, fibinet, directory):
    python = peer_python(arguments.venv)
    source = synthesize(fibinet, arguments.rows, arguments.vocabulary, directory)
    megabytes = source.stat().st_size / 1e6
    figures = {name: [] for name in ["fibinet", "polars", "pandas"]}
    for _ in range(arguments.rounds):
        for name, runs in figures.items():
            if name == "fibinet":
                runs.append(prepare(fibinet, directory))
                continue
            target = directory / name
            target.mkdir(exist_ok=True)
            runs.append(measure([python, str(HERE / "run.py"), name, source, target], directory))
    print(f"{THREADS} threads, {arguments.rows} rows, {megabytes:.0f} MB, medians of {arguments.rounds} rounds")
    print(f"{'':<10}{'seconds':>9}{'rows/s':>11}{'MB/s':>8}{'ratio':>8}{'MiB':>8}")
    median = medians(figures)
    for name, (seconds, mebibytes, _) in median.items():
        ratio = seconds / median["fibinet"][0]
        print(
            f"{name:<10}{seconds:>9.2f}{arguments.rows / seconds:>11.0f}{megabytes / seconds:>8.0f}"
            f"{ratio:>8.2f}{mebibytes:>8.0f}"
        )


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--rows", type=int, default=1_000_000)
    arguments.add_argument("--vocabulary", type=int, default=1_000_000)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--venv", type=pathlib.Path, default=ROOT / "target" / "prepare_peers")
    arguments.add_argument("--growth", action="store_true", help="peak memory by rows, without peers")
    arguments.add_argument("--shuffle-rows", type=int, help="with --growth: data.shuffle_rows; fewer rows make more files")
    arguments.add_argument("--most-mib", type=int, help="with --growth: fail if more memory is used")
    arguments.add_argument("--formats", action="store_true", help="numbers from CSV and from Parquet, without peers")
    arguments.add_argument("--against", type=pathlib.Path, help="with --formats: another build of fibinet")
    arguments = arguments.parse_args()
    run = growth if arguments.growth else formats if arguments.formats else against_peers
    with tempfile.TemporaryDirectory() as directory:
        run(arguments, build(), pathlib.Path(directory))


if __name__ == "__main__":
    if sys.argv[1:2] == ["numbers"]:
        write_numbers(int(sys.argv[2]), pathlib.Path(sys.argv[3]))
    elif sys.argv[1:2] in (["pandas"], ["polars"]):
        {"pandas": by_pandas, "polars": by_polars}[sys.argv[1]](pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]))
    else:
        main()
