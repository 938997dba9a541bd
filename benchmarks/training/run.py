"""Trains the networks of the zoo on real data, each by the command of its card in docs/models.md, and the same in PyTorch.

    python benchmarks/training/run.py --data DIR                    every recipe
    python benchmarks/training/run.py --data DIR lenet5 gpt         these
    python benchmarks/training/run.py --data DIR --only athanor     without PyTorch

DIR holds mnist/ (the four IDX files), cifar10/cifar10-jpeg.zip and text/tinyshakespeare.txt.gz. What came out is written to
benchmarks/training/results/<recipe>.json, with the loss curve beside it; docs/models.md quotes it. PyTorch starts from the
same weights and sees the same batches (torch_twin.py); it needs Python with torch and numpy.
"""
import argparse
import json
import pathlib
import re
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


def said(text):
    """The figures that `athanor evaluate` prints."""
    figures = {"loss": r"loss ([0-9.]+)", "accuracy": r"accuracy ([0-9.]+) %", "bits": r"bits per character ([0-9.]+)",
               "exact": r"exact match ([0-9.]+) %"}
    found = {name: re.search(pattern, text) for name, pattern in figures.items()}
    return {name: float(match.group(1)) for name, match in found.items() if match}


def store(name, system, result):
    """Into results/<name>.json, beside what the other system gave."""
    path = RESULTS / f"{name}.json"
    both = json.loads(path.read_text()) if path.exists() else {}
    both[system] = result
    path.write_text(json.dumps(both, indent=2) + "\n")
    print(f"{name}, {system}: {json.dumps(result)}", flush=True)


def train(args, recipe, folder):
    command = [args.athanor, "train", recipe.model, *shlex.split(recipe.flags(args.data)), "--seed", args.seed,
               "--threads", args.threads, "--progress", "plain", "--out", folder]
    start = time.monotonic()
    call(command, stdout=subprocess.DEVNULL, stderr=None if args.verbose else subprocess.DEVNULL)
    seconds = time.monotonic() - start
    out = call([args.athanor, "evaluate", folder, *shlex.split(recipe.data_flags(args.data)), "--set",
                recipe.split, "--seed", args.seed, "--threads", args.threads],
               capture_output=True).stdout
    if recipe.model == "seq2seq":
        out += call([args.athanor, "translate", folder, "--data", "dates", "--seed", args.seed], capture_output=True).stdout
    return {"command": shlex.join(["athanor", "train", recipe.model, *shlex.split(recipe.flags("DIR")), "--seed",
                                   str(args.seed)]),
            "steps": recipe.steps, "seconds": round(seconds, 1), "threads": args.threads, **said(out)}


def twin(args, recipe, folder):
    start = folder / "start.ath"
    call([args.athanor, "models", recipe.model, "-o", start, "--seed", args.seed, *shlex.split(recipe.form)],
         stdout=subprocess.DEVNULL)
    call([args.athanor, "export", start, "--weights", folder / "weights"], stdout=subprocess.DEVNULL)
    stream = f"{args.athanor} data {recipe.data_flags(args.data).removeprefix('--data ')} --batch {recipe.batch}"
    out = call([sys.executable, ROOT / "benchmarks/training/torch_twin.py", recipe.network, "--weights",
                folder / "weights", "--train",
                f"{stream} --seed {args.seed} --epochs {recipe.epochs} --write-batches -",
                "--validate", f"{stream} --seed {args.seed} --split {recipe.split} --write-batches -", "--steps", recipe.steps,
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
    p.add_argument("--only", choices=["athanor", "torch"])
    p.add_argument("--keep", type=pathlib.Path, help="folder that Athanor's runs are kept in, KEEP/<recipe>")
    p.add_argument("--verbose", action="store_true")
    args = p.parse_args()
    RESULTS.mkdir(exist_ok=True)
    for name in args.recipes or RECIPES:
        recipe = RECIPES[name]
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            if args.only != "torch":
                run = args.keep / name if args.keep else folder / "run"
                store(name, "athanor", train(args, recipe, run))
                curve = run / "metrics.csv"
                (RESULTS / f"{name}.csv").write_bytes(curve.read_bytes())
            if args.only != "athanor" and recipe.network:
                store(name, "torch", twin(args, recipe, folder))


if __name__ == "__main__":
    main()
