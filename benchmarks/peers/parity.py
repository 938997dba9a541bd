"""The losses of 20 training steps in PyTorch, from the weights that Athanor initialises and on the same batches.

    python parity.py            compares with the stored numbers
    python parity.py --write    stores them under tests/fixtures/ for //tests:parity_test
"""
import argparse
import pathlib
import sys
import tempfile

import torch

from common import ROOT, default_athanor, load_network, mnist_batches, write_model

STEPS, BATCH = 20, 64
OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, 0.05, momentum=0.9),
    "adam": lambda p: torch.optim.Adam(p, 1e-3),
}


def losses(net, optimizer):
    out = []
    for x, y in mnist_batches(STEPS, BATCH):
        optimizer.zero_grad(set_to_none=True)
        loss = torch.nn.functional.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        out.append(loss.item())
    return out


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--athanor", default=default_athanor())
    p.add_argument("--write", action="store_true")
    a = p.parse_args()
    torch.set_num_threads(1)
    worst = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for name in ("lenet5", "mlp"):
            _, weights = write_model(a.athanor, name, pathlib.Path(folder))
            for kind, make in OPTIMIZERS.items():
                net = load_network(name, weights)
                got = losses(net, make(net.parameters()))
                path = ROOT / "tests" / "fixtures" / f"parity_{name}_{kind}.txt"
                if a.write:
                    path.write_text("".join(f"{v:.9g}\n" for v in got))
                    print(f"wrote {path.relative_to(ROOT)}: {got[0]:.6f} ... {got[-1]:.6f}")
                    continue
                stored = [float(v) for v in path.read_text().split()]
                error = max(abs(g - s) / abs(s) for g, s in zip(got, stored, strict=True))
                worst = max(worst, error)
                print(f"{name} {kind}: largest relative difference to the stored losses {error:.2e}")
    return 1 if worst > 1e-4 else 0


if __name__ == "__main__":
    sys.exit(main())
