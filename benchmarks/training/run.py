"""Trains the networks of the zoo on real data, each by the command of its card in docs/models.md, and the same in PyTorch.

    python benchmarks/training/run.py --data DIR                    every recipe
    python benchmarks/training/run.py --data DIR lenet5 gpt         these
    python benchmarks/training/run.py --data DIR --no-torch         without PyTorch

DIR holds mnist/ (the four IDX files), cifar10/cifar10-jpeg.zip and text/tinyshakespeare.txt.gz. What came out is written to
benchmarks/training/results/<recipe>.json, with the loss curve beside it; docs/models.md quotes it. PyTorch starts from the
same weights and sees the same batches (torch_twin.py); it needs Python with torch and numpy.
"""
import argparse
import csv
import json
import pathlib
import shlex
import subprocess
import sys
import tempfile
import time

from recipes import RECIPES

ROOT = pathlib.Path(__file__).resolve().parents[2]
RESULTS = pathlib.Path(__file__).resolve().parent / "results"


def call(command, **more):
    return subprocess.run([str(c) for c in command], check=True, text=True, **more)


def curve(path):
    """(step, loss, accuracy or None) of each validation in a run's metrics.csv."""
    rows = []
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            if row.get("tag", "").startswith("validation"):
                rows.append(row)
    return rows


def train(args, recipe, folder):
    command = [args.athanor, "train", recipe.model, *shlex.split(recipe.flags(args.data)), "--seed", args.seed,
               "--threads", args.threads, "--progress", "plain", "--out", folder]
    start = time.monotonic()
    call(command, stdout=subprocess.DEVNULL, stderr=None if args.verbose else subprocess.DEVNULL)
    seconds = time.monotonic() - start
    out = call([args.athanor, "evaluate", folder, *shlex.split(recipe.data_flags(args.data)), "--json"],
               capture_output=True).stdout
    return {"command": shlex.join(["athanor", "train", recipe.model, *shlex.split(recipe.flags("DIR"))]),
            "seconds": round(seconds, 1), **json.loads(out)}


def twin(args, recipe, folder):
    start = folder / "start.ath"
    call([args.athanor, "train", recipe.model, *shlex.split(recipe.flags(args.data)), "--seed", args.seed,
          "--threads", args.threads, "--progress", "none", "--steps", 0, "--out", folder / "start"],
         stdout=subprocess.DEVNULL)
    start = folder / "start" / "model.ath"
    call([args.athanor, "export", start, "--weights", folder / "weights"], stdout=subprocess.DEVNULL)
    stream = f"{args.athanor} data {recipe.data_flags(args.data)} --seed {args.seed} --batch {recipe.batch}"
    out = call([sys.executable, ROOT / "benchmarks/training/torch_twin.py", recipe.network, "--weights",
                folder / "weights", "--train", f"{stream} --epochs {recipe.epochs} --write-batches -",
                "--validate", f"{stream} --split test --write-batches -", "--steps", recipe.steps,
                "--kwargs", json.dumps(recipe.kwargs), "--threads", args.threads, *shlex.split(recipe.twin)],
               stdout=subprocess.PIPE, stderr=None if args.verbose else subprocess.DEVNULL).stdout
    return json.loads(out)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("recipes", nargs="*", help=f"of {', '.join(RECIPES)}")
    p.add_argument("--data", required=True, type=pathlib.Path)
    p.add_argument("--athanor", default=str(ROOT / "bazel-bin/cli/athanor"))
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--no-torch", action="store_true")
    p.add_argument("--verbose", action="store_true")
    args = p.parse_args()
    RESULTS.mkdir(exist_ok=True)
    for name in args.recipes or RECIPES:
        recipe = RECIPES[name]
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            result = {"athanor": train(args, recipe, folder / "run")}
            metrics = folder / "run" / "metrics.csv"
            if metrics.exists():
                (RESULTS / f"{name}.csv").write_bytes(metrics.read_bytes())
            if not args.no_torch and recipe.network:
                result["torch"] = twin(args, recipe, folder)
        path = RESULTS / f"{name}.json"
        path.write_text(json.dumps(result, indent=2) + "\n")
        print(f"{name}: {json.dumps(result)}", flush=True)


if __name__ == "__main__":
    main()
