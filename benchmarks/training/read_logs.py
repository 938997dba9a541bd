"""Reads the logs of a training run with other people's readers and compares them: metrics.csv with Python's csv,
metrics.jsonl with its json, event files with TensorBoard's own EventAccumulator.

    python3 read_logs.py FOLDER        (needs: pip install tensorboard)

Ends with 1 if a file cannot be read, a step appears twice, or two logs disagree.
"""
import csv
import json
import math
import pathlib
import sys

import numpy as np
from tensorboard.backend.event_processing import event_accumulator


def read_csv(path):
    with open(path, newline="") as f:
        rows = list(csv.DictReader(f))
    steps = [int(r["step"]) for r in rows]
    values = {(t, int(r["step"])): float(v) for r in rows for t, v in r.items() if t != "step" and v != ""}
    return steps, values, {}


def read_jsonl(path):
    with open(path) as f:
        rows = [json.loads(line) for line in f]
    values, histograms = {}, {}
    for r in rows:
        for tag, v in r.items():
            if isinstance(v, dict):
                histograms[tag, r["step"]] = v
            elif tag not in ("step", "time"):
                values[tag, r["step"]] = math.nan if v is None else v
    return [r["step"] for r in rows], values, histograms


def read_tensorboard(folder):
    events = event_accumulator.EventAccumulator(str(folder), size_guidance={"scalars": 0, "histograms": 0, "tensors": 0})
    events.Reload()
    tags = events.Tags()
    values, histograms, steps = {}, {}, []
    for tag in tags["scalars"]:
        of_tag = events.Scalars(tag)
        check_once(f"tensorboard {tag}", [e.step for e in of_tag])
        values.update({(tag, e.step): e.value for e in of_tag})
        steps += [e.step for e in of_tag]
    for tag in tags["histograms"]:
        for e in events.Histograms(tag):
            histograms[tag, e.step] = e.histogram_value
    return sorted(set(steps)), values, histograms


def check_once(name, steps):
    if any(b <= a for a, b in zip(steps, steps[1:])):
        sys.exit(f"{name}: a step appears twice or out of order: {steps}")


def same(a, b):
    # An event file holds 32-bit numbers; JSON has no word for infinity.
    if not math.isfinite(a) or not math.isfinite(b):
        return not math.isfinite(a) and not math.isfinite(b)
    return np.float32(a) == np.float32(b)


def main():
    folder = pathlib.Path(sys.argv[1])
    logs = {}
    if (folder / "metrics.csv").exists():
        logs["csv"] = read_csv(folder / "metrics.csv")
    if (folder / "metrics.jsonl").exists():
        logs["jsonl"] = read_jsonl(folder / "metrics.jsonl")
    files = sorted(folder.glob("events.out.tfevents.*"))
    if files:
        logs["tensorboard"] = read_tensorboard(folder)
    if not logs:
        sys.exit(f"{folder}: no logs")
    for name, (steps, values, histograms) in logs.items():
        check_once(name, steps)
        tags = sorted({t for t, _ in values})
        print(f"{name}: {len(steps)} steps {steps[0]}..{steps[-1]}, {len(values)} values of {len(tags)} tags "
              f"({', '.join(tags)}), {len(histograms)} histograms" + (f", {len(files)} files" if name == "tensorboard" else ""))
    first = next(iter(logs))
    for name, (_, values, _) in logs.items():
        wrong = [k for k in set(values) | set(logs[first][1])
                 if k not in values or k not in logs[first][1] or not same(values[k], logs[first][1][k])]
        if wrong:
            sys.exit(f"{name} and {first} differ in {len(wrong)} values, such as {sorted(wrong)[:3]}")
    if "jsonl" in logs and "tensorboard" in logs:
        a, b = logs["jsonl"][2], logs["tensorboard"][2]
        if a.keys() != b.keys() or any(a[k]["count"] != b[k].num or not same(a[k]["min"], b[k].min) or
                                       not same(a[k]["max"], b[k].max) or sum(b[k].bucket) != b[k].num for k in a):
            sys.exit("jsonl and tensorboard differ in histograms")
    print("all logs agree")


if __name__ == "__main__":
    main()
