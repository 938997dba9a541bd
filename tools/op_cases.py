#!/usr/bin/env python3
"""Counts the OpSpec cases of every operator in the last `bazel test //compiler/ops/...`, and writes the page of them.

    bazel test //compiler/ops/... && tools/op_cases.py > docs/operator_tests.md

Reads the tests' XML reports and `athanor ops --all --json`. Fails when an operator has no case.
"""

import collections
import json
import pathlib
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

ROOT = pathlib.Path(__file__).resolve().parent.parent


def counted_cases():
    """{operator: (cases, files)} over the reports of the operators' tests."""
    cases, files = collections.Counter(), collections.defaultdict(set)
    for report in sorted((ROOT / "bazel-testlogs/compiler/ops").glob("*/test.xml")):
        for test in ElementTree.parse(report).iter("testcase"):
            for prop in test.iter("property"):
                match = re.fullmatch(r"cases:(.+)", prop.get("name", ""))
                if match:
                    cases[match[1]] += int(prop.get("value"))
                    files[match[1]].add(report.parent.name)
    return cases, files


def main():
    command = [str(ROOT / "bazel-bin/cli/athanor"), "ops", "--all", "--json"]
    operators = [op["name"] for op in json.loads(subprocess.run(command, check=True, capture_output=True).stdout)]
    cases, files = counted_cases()
    total = sum(cases[name] for name in operators)
    untested = [name for name in operators if not cases[name]]
    print("# How the operators are tested\n")
    print("Written by `tools/op_cases.py` from the tests' reports. A case (compiler/ops/testing/op_spec.h) checks the")
    print("shape rule, the text and file round trips, the compiled plan against the double reference in three layouts,")
    print("the gradient against finite differences, and the compiled gradient; or that one bad input is refused.\n")
    print(f"{len(operators)} operators, {total} cases, {len(untested)} operators without.\n")
    print("| operator | cases | in |\n|---|---:|---|")
    for name in operators:
        print(f"| {name} | {cases[name]} | {', '.join(sorted(files[name]))} |")
    if untested:
        sys.exit(f"without a case: {', '.join(untested)}")


if __name__ == "__main__":
    main()
