"""Writes what results/ holds into docs/models.md, between the lines "<!-- trained -->" and "<!-- /trained -->".

    python benchmarks/training/table.py
"""
import json
import pathlib
import re

from recipes import RECIPES

ROOT = pathlib.Path(__file__).resolve().parents[2]
RESULTS = pathlib.Path(__file__).resolve().parent / "results"


def figure(name, result):
    if result is None:
        return ""
    if "gpt" in name or "char" in name:
        return f"{result['bits']:.3f} bits a character"
    if name == "seq2seq":
        return f"{result['exact']:.2f} % of the texts exact"
    return f"{result['accuracy']:.2f} %"


def rows():
    yield "| network | budget | Athanor | PyTorch, same batches | command |"
    yield "|---|---|---|---|---|"
    for name in RECIPES:
        path = RESULTS / f"{name}.json"
        if not path.exists():
            continue
        both = json.loads(path.read_text())
        ours, theirs = both["athanor"], both.get("torch")
        seconds = f"{ours['seconds']:.0f} s" + (f", PyTorch {theirs['seconds']:.0f} s" if theirs else "")
        yield (f"| {name} | {RECIPES[name].epochs} epochs, {ours['steps']:,} steps, {seconds} | {figure(name, ours)} | "
               f"{figure(name, theirs)} | `{ours['command']}` |")


def main():
    page = ROOT / "docs" / "models.md"
    text = page.read_text()
    block = "<!-- trained -->\n" + "\n".join(rows()) + "\n<!-- /trained -->"
    new, count = re.subn(r"<!-- trained -->.*<!-- /trained -->", lambda _: block, text, flags=re.S)
    if count != 1:
        raise SystemExit(f"{page}: the markers are not there once")
    page.write_text(new)


if __name__ == "__main__":
    main()
