"""Checks that folders include one another in one direction only (ARCHITECTURE.md, "Dependencies").

    python3 tests/include_order.py ROOT
"""
import pathlib
import re
import sys

# What the files of a folder may include, besides their own folder. The longest prefix of a path counts.
ALLOWED = {
    "schema": [],
    "runtime/core": ["schema"],
    "runtime/kernels/kernel.h": ["runtime/core"],
    "runtime/onednn": ["runtime/core", "runtime/kernels/kernel.h"],
    "runtime/kernels": ["runtime/core", "runtime/onednn", "runtime/kernels/kernel.h"],
    "runtime/container": ["schema", "runtime/core", "runtime/kernels/kernel.h"],
    "runtime/plan": ["schema", "runtime/core", "runtime/onednn", "runtime/kernels/kernel.h", "runtime/container"],
    "runtime/session": ["runtime"],
    "compiler/options.h": ["runtime/core"],
    "compiler/graph": ["schema", "runtime/core", "runtime/container", "runtime/plan", "runtime/kernels/kernel.h"],
    "compiler/opdef": ["runtime/core", "runtime/plan", "runtime/kernels/kernel.h", "compiler/graph"],
    "compiler/ops": ["runtime/core", "runtime/plan", "runtime/kernels/kernel.h", "compiler/graph", "compiler/opdef"],
    "compiler/builder": ["runtime/core", "compiler/graph", "compiler/opdef"],
    "compiler/interpreter": ["runtime/core", "compiler/graph", "compiler/opdef"],
    "compiler/passes": ["runtime/core", "runtime/kernels/kernel.h", "compiler/graph", "compiler/opdef",
                        "compiler/interpreter", "compiler/options.h"],
    "compiler/program": ["runtime/core", "runtime/plan", "runtime/kernels/kernel.h", "runtime/onednn", "compiler/graph"],
    "compiler/lowering": ["runtime/core", "runtime/plan", "runtime/onednn", "runtime/kernels/kernel.h", "compiler/graph",
                          "compiler/opdef"],
    "compiler/planning": ["runtime/core", "runtime/plan", "runtime/kernels/kernel.h", "compiler/program"],
    "compiler/compile": ["runtime", "compiler"],
    "compiler/gradcheck": ["runtime", "compiler"],
    "models": ["runtime/core", "compiler/builder", "compiler/graph", "compiler/opdef"],
    "data": ["runtime/core"],
    "training": ["runtime", "compiler", "data", "models"],
    "lessons": ["runtime", "compiler", "data", "models", "training"],
    "cli": ["runtime", "compiler", "data", "models", "training", "lessons"],
    "examples": ["runtime", "compiler", "data", "models", "training"],
}
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)


def key_of(path):
    matches = [k for k in ALLOWED if path == k or path.startswith(k + "/") or (k == "compiler/compile" and path.startswith(k + "."))]
    return max(matches, key=len, default=None)


def check(root):
    bad = []
    files = [f for top in sorted({k.split("/")[0] for k in ALLOWED}) for f in sorted((root / top).rglob("*")) if f.suffix in (".h", ".cc")]
    for file in files:
        path = file.relative_to(root).as_posix()
        if path.endswith("_test.cc") or "/testing/" in path:
            continue
        key = key_of(path)
        if key is None:
            bad.append(f"{path}: no rule for this folder in tests/include_order.py")
            continue
        for included in INCLUDE.findall(file.read_text()):
            target = key_of(included)
            if target is None or target == key or "_generated.h" in included:
                continue
            if not any(included == a or included.startswith(a + "/") for a in ALLOWED[key]):
                bad.append(f"{path} includes {included}: {key} may include {', '.join(ALLOWED[key]) or 'nothing'}")
    return files, bad


def main():
    root = pathlib.Path(sys.argv[1])
    files, bad = check(root)
    print("\n".join(bad))
    print(f"{len(files)} files, {len(bad)} against the order")
    return 1 if bad or len(files) < 50 else 0


if __name__ == "__main__":
    sys.exit(main())
