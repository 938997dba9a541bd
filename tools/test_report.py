"""Sums up what tools/test.sh ran, from Bazel's build events and the tests' own XML reports.

usage: test_report.py RESULTS PHASE...

RESULTS holds, for each phase, PHASE.json (Bazel's build event protocol) and PHASE.exit (its exit code).
Exits with 0 if all is well, 1 if a test failed, 2 if the results cannot be read.
"""

import collections
import json
import pathlib
import sys
import traceback
import urllib.parse
import xml.etree.ElementTree

TAIL_LINES = 40
TAILS_AT_MOST = 20

BAZEL_OK = 0
BAZEL_TESTS_FAILED = 3
BAZEL_NO_TESTS = 4
BAZEL_INTERRUPTED = 8

# The reasons of an "aborted" event that mean "not reached" rather than "broken".
NOT_REACHED = ("USER_INTERRUPTED", "TIME_OUT", "NO_BUILD", "SKIPPED", "INCOMPLETE")

PASSED, SKIPPED, FAILED = "passed", "skipped", "failed"
SEVERITY = {PASSED: 1, SKIPPED: 0, FAILED: 2}


class Phase:
    """The outcome of one bazel test command."""

    def __init__(self, name, results):
        self.name = name
        self.exit_code = int((results / f"{name}.exit").read_text())
        self.cases = {}  # (label, case) -> PASSED, SKIPPED or FAILED
        self.failures = []  # (label, what, log path or None)
        self.unreached = []  # labels of tests that the time limit cut off
        self.log_folder = None
        self._read_events(results / f"{name}.json")

    def count(self, outcome):
        return sum(1 for value in self.cases.values() if value == outcome)

    def _read_events(self, path):
        tests, attempts, broken = set(), {}, {}
        for event in _events(path):
            identity = event.get("id", {})
            label = _label(identity)
            if "targetConfigured" in identity and event.get("configured", {}).get("testSize"):
                tests.add(label)
            elif event.get("aborted", {}).get("reason") in NOT_REACHED:
                continue
            elif "aborted" in event:
                if label:
                    broken[label] = event["aborted"].get("description") or event["aborted"].get("reason", "")
            elif "testResult" in identity:
                key = identity["testResult"]
                attempts[label, key.get("run", 1), key.get("shard", 1), key.get("attempt", 1)] = event["testResult"]
            elif "targetCompleted" in identity and not event.get("completed", {}).get("success"):
                broken[label] = "failed to build"
        for label, what in sorted(broken.items()):
            self._fail(label, "(build)", what, None)
        for label, result in _last_attempts(attempts):
            self._read_result(label, result)
        self._explain_exit(tests, {label for label, *_ in attempts} | set(broken))

    def _read_result(self, label, result):
        files = {output["name"]: _path(output["uri"]) for output in result.get("testActionOutput", [])
                 if output.get("uri", "").startswith("file:")}
        log = files.get("test.log")
        if log:
            self.log_folder = str(log).partition("/testlogs/")[0] + "/testlogs"
        status = result.get("status", "NO_STATUS")
        if status == "NO_STATUS":
            self.unreached.append(label)
            return
        cases = list(_xml_cases(files.get("test.xml")))
        self.cases.update({(label, case): outcome for case, outcome in cases})
        if status not in ("PASSED", "FLAKY"):
            failed = [case for case, outcome in cases if outcome == FAILED]
            # A crash, a leak or a time-out fails the program, whatever its cases say.
            self._fail(label, failed[0] if failed else "(program)", status.lower(), log)
        elif not cases:
            self.cases[label, "(program)"] = PASSED

    def _explain_exit(self, tests, seen):
        if self.exit_code == BAZEL_INTERRUPTED:
            self.unreached += sorted(tests - seen)
            for label in self.unreached:
                self.cases.setdefault((label, "(not reached)"), SKIPPED)
            if not tests:
                self.cases["//...", "(not reached)"] = SKIPPED
        elif self.exit_code == BAZEL_NO_TESTS and self.name != "opt":
            pass
        elif self.exit_code != BAZEL_OK and not self.failures:
            self._fail("bazel", "(build)", f"exit code {self.exit_code}, see above", None)

    def _fail(self, label, case, what, log):
        self.cases[label, case] = FAILED
        self.failures.append((label, what, log))


def _events(path):
    if not path.exists():
        return
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            try:
                yield json.loads(line)
            except json.JSONDecodeError:
                return  # The last line of a command that was cut short.


def _label(identity):
    for value in identity.values():
        if isinstance(value, dict) and "label" in value:
            return value["label"]
    return None


def _last_attempts(attempts):
    last = {}
    for label, run, shard, attempt in sorted(attempts):
        last[label, run, shard] = (label, attempts[label, run, shard, attempt])
    return last.values()


def _path(uri):
    return pathlib.Path(urllib.parse.unquote(urllib.parse.urlparse(uri).path))


def _xml_cases(path):
    """(name, outcome) of each case in a GoogleTest report, or in the one that Bazel writes itself."""
    try:
        root = xml.etree.ElementTree.parse(path).getroot()
    except (OSError, TypeError, xml.etree.ElementTree.ParseError):
        return
    for case in root.iter("testcase"):
        name = f"{case.get('classname', '')}.{case.get('name', '')}"
        if case.find("failure") is not None or case.find("error") is not None:
            yield name, FAILED
        elif case.find("skipped") is not None or case.get("status") == "notrun":
            yield name, SKIPPED
        else:
            yield name, PASSED


def _print_failures(phases):
    failures = [(phase.name, *failure) for phase in phases for failure in phase.failures]
    for phase, label, what, log in failures[:TAILS_AT_MOST]:
        print(f"\n--- {label} ({phase}): {what}")
        if log and log.exists():
            print(f"    {log}")
            print("\n".join(log.read_text(errors="replace").splitlines()[-TAIL_LINES:]))
    for phase, label, what, log in failures[TAILS_AT_MOST:]:
        print(f"--- {label} ({phase}): {what}; {log or 'no log'}")


def main():
    results = pathlib.Path(sys.argv[1])
    phases = [Phase(name, results) for name in sys.argv[2:]]
    _print_failures(phases)
    print()
    total = {}
    for phase in phases:
        print(f"{phase.name}: {phase.count(PASSED)} passed, {phase.count(FAILED)} failed, "
              f"{phase.count(SKIPPED)} skipped; logs: {phase.log_folder or 'none'}")
        if phase.unreached:
            print(f"{phase.name}: out of time, {len(phase.unreached)} test targets not run: "
                  f"{' '.join(phase.unreached[:10])}{' ...' if len(phase.unreached) > 10 else ''}")
        for case, outcome in phase.cases.items():
            total[case] = max(total.get(case, outcome), outcome, key=SEVERITY.get)
    counts = collections.Counter(total.values())
    if not counts[PASSED] and not counts[FAILED]:
        print("no test ran")
        counts[FAILED] = 1
    skipped = f", {counts[SKIPPED]} skipped" if counts[SKIPPED] else ""
    print(f"{counts[PASSED]} passed, {counts[FAILED]} failed{skipped}")
    return 1 if counts[FAILED] else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Exception:  # pylint: disable=broad-except
        traceback.print_exc()
        sys.exit(2)
