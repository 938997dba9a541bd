"""Writes what results/ holds into docs/models.md: a table between "<!-- trained -->" and "<!-- /trained -->", and a line in
the card of each network that was trained.

    python benchmarks/training/table.py
"""
import json
import pathlib
import re

from recipes import RECIPES

ROOT = pathlib.Path(__file__).resolve().parents[2]
RESULTS = pathlib.Path(__file__).resolve().parent / "results"
# Networks whose figure is a lesson's.
XOR = "| trained | `athanor lesson xor`, [what came out](lessons/01-xor.md) |\n"
LESSONS = {"perceptron": XOR, "xor": XOR}


def figure(name, result):
    if result is None:
        return ""
    if "gpt" in name or "char" in name:
        return f"{result['bits']:.3f} bits a character"
    if name == "seq2seq":
        return f"{result['exact']:.2f} % of the texts exact"
    return f"{result['accuracy']:.2f} %"


def results():
    """(name, what Athanor gave, what PyTorch gave or None) of every recipe that was run."""
    for name in RECIPES:
        path = RESULTS / f"{name}.json"
        if path.exists():
            both = json.loads(path.read_text())
            yield name, both["athanor"], both.get("torch")


def rows():
    yield "| network | budget | Athanor | PyTorch, same batches |"
    yield "|---|---|---|---|"
    for name, ours, theirs in results():
        epochs = RECIPES[name].epochs
        yield (f"| {name} | {epochs} epoch{'s' if epochs > 1 else ''}, {ours['steps']:,} steps | {figure(name, ours)} | "
               f"{figure(name, theirs)} |")


def card_line(name, ours, theirs):
    beside = f" (PyTorch {figure(name, theirs)})" if theirs else ""
    return f"| trained | `{ours['command']}`: {figure(name, ours)}{beside} |\n"


def with_cards(text):
    """The line "trained" behind the line "command" of each card, as //models:describe_test expects."""
    text = re.sub(r"^\| trained \|.*\n", "", text, flags=re.M)
    lines = LESSONS | {name: card_line(name, ours, theirs) for name, ours, theirs in results()}
    for name, line in lines.items():
        text, count = re.subn(rf"(### {name}\n.*?\n\| command \|[^\n]*\n)", lambda m: m.group(1) + line, text, count=1,
                              flags=re.S)
        if count != 1:
            raise SystemExit(f"docs/models.md has no card for {name}")
    return text


def main():
    page = ROOT / "docs" / "models.md"
    text = page.read_text()
    block = "<!-- trained -->\n" + "\n".join(rows()) + "\n<!-- /trained -->"
    new, count = re.subn(r"<!-- trained -->.*<!-- /trained -->", lambda _: block, text, flags=re.S)
    if count != 1:
        raise SystemExit(f"{page}: the markers are not there once")
    page.write_text(with_cards(new))


if __name__ == "__main__":
    main()
