"""Athanor and PyTorch compute the same from the same weights.

    python parity.py                       the losses of a few training steps, against the stored numbers
    python parity.py --write               stores them under tests/fixtures/ for //tests:parity_test and zoo_parity_test
    python parity.py forward [NETWORK..]   logits of inference, largest difference to the largest logit: below 1e-4
    python parity.py gradients [NETWORK..] gradients of all parameters out of the compiled train entry, norm of the
                                           difference to the norm of PyTorch's: below 1e-3

forward and gradients take all networks of networks.py, or those that are named; dropout is 0 on both sides. PyTorch
computes in f64 for them, so that what is seen is the error of Athanor's f32; --f32 lets both round.

A ReLU whose input is within rounding of 0 has another gradient on either side of it, and a deep network has many: the f32
gradients of a freshly started resnet50 are some per cent from PyTorch's in f64, whether Athanor computes them or PyTorch.
So for gradients the batch normalisations get weights of about 0.1 and biases of about +-1 (or 7, beyond ReLU6), which keeps
most inputs away from the kinks; with --as-started they stay as they are. A batch beyond the bound is followed by another,
three at most, and all are printed. A bias in front of a batch normalisation has a gradient that is 0 but for rounding; such
gradients count against the largest of the network: norms below 1e-3 of its norm are taken as that.
"""
import argparse
import pathlib
import sys
import tempfile

import numpy as np
import torch

from common import ROOT, default_athanor, load_network, mnist_batches, run, write_model
from networks import INPUTS, NETWORKS

STEPS, BATCH = 20, 64
OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, 0.05, momentum=0.9),
    "adam": lambda p: torch.optim.Adam(p, 1e-3),
}
# Small forms that train on the sample's images, grey in three channels with two zeros around: width, steps, batch.
SMALL = {name: (0.5, 8, 16) for name in ("resnet20", "densenet_cifar", "vgg_cifar", "googlenet_cifar", "nin_cifar",
                                         "alexnet_cifar")}


def losses(net, optimizer, batches):
    out = []
    for x, y in batches:
        optimizer.zero_grad(set_to_none=True)
        loss = torch.nn.functional.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        out.append(loss.item())
    return out


def loss_cases(athanor, folder):
    for name in ("lenet5", "mlp"):
        _, weights = write_model(athanor, name, folder)
        for kind, make in OPTIMIZERS.items():
            net = load_network(name, weights)
            yield f"{name}_{kind}", losses(net, make(net.parameters()), mnist_batches(STEPS, BATCH))
    for name, (width, steps, batch) in SMALL.items():
        _, weights = write_model(athanor, name, folder, flags=["--width", width, "--input", "3,32,32"])
        net = load_network(name, weights, width=width, dropout=0, input=(3, 32, 32)).double()
        # A pattern over the images: no window of max pooling holds equal values, of which rounding would choose one.
        pattern = (torch.arange(3 * 32 * 32) * 7919 % 1009).double().reshape(1, 3, 32, 32) / 1009
        batches = ((torch.nn.functional.pad(x.double().expand(-1, 3, -1, -1), (2, 2, 2, 2)) + pattern, y)
                   for x, y in mnist_batches(steps, batch))
        # A rate at which the paths of rounding errors do not part: at 0.02 those of f32 and double do in 6 steps.
        yield f"{name}_sgd", losses(net, torch.optim.SGD(net.parameters(), 0.002, momentum=0.9), batches)


def compare_losses(a, folder):
    worst = 0.0
    for case, got in loss_cases(a.athanor, folder):
        path = ROOT / "tests" / "fixtures" / f"parity_{case}.txt"
        if a.write:
            path.write_text("".join(f"{v:.9g}\n" for v in got))
            print(f"wrote {path.relative_to(ROOT)}: {got[0]:.6f} ... {got[-1]:.6f}")
            continue
        stored = [float(v) for v in path.read_text().split()]
        error = max(abs(g - s) / abs(s) for g, s in zip(got, stored, strict=True))
        worst = max(worst, error)
        print(f"{case}: largest relative difference to the stored losses {error:.2e}")
    return worst <= 1e-4


def added(net):
    """The batch normalisations whose outputs are added in front of a ReLU: of opposite biases the sum would be 0."""
    for block in net.modules():
        if hasattr(block, "bn2"):
            yield getattr(block, "bn3", block.bn2)
        if isinstance(getattr(block, "downsample", None), torch.nn.Sequential):
            yield block.downsample[-1]


def keep_from_kinks(net):
    rng = torch.Generator().manual_seed(1)
    relu6 = any(isinstance(m, torch.nn.ReLU6) for m in net.modules())
    summands = set(added(net))
    with torch.no_grad():
        for m in net.modules():
            if isinstance(m, torch.nn.BatchNorm2d):
                m.weight.copy_(0.05 + 0.1 * torch.rand(m.weight.shape, generator=rng))
                side = torch.rand(m.bias.shape, generator=rng)
                below = (side < 0.3) & torch.tensor(m not in summands)
                m.bias.copy_(torch.where(below, -1.0, torch.where((side > 0.8) & relu6, 7.0, 1.0)))


def prepare(a, name, folder, seed=1):
    """The model file, the same network in PyTorch, and a batch as arrays and files."""
    flags = ["--dropout", 0] if name in a.with_dropout else []
    model, weights = write_model(a.athanor, name, folder, flags=flags)
    net = load_network(name, weights, dropout=0)
    if a.what == "gradients" and not a.as_started:
        keep_from_kinks(net)
        for parameter, value in net.state_dict().items():
            if not parameter.endswith("num_batches_tracked"):
                np.save(weights / f"{parameter}.npy", value.numpy())
        run(a.athanor, "models", name, "-o", model, "--weights", weights, *flags)
    for f in weights.glob("*.npy"):
        f.unlink()
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((a.batch, *INPUTS[name])).astype(np.float32)
    y = np.arange(a.batch, dtype=np.int32) % 10
    np.save(folder / "x.npy", x)
    np.save(folder / "y.npy", y)
    return model, (net if a.f32 else net.double()), torch.from_numpy(x if a.f32 else x.astype(np.float64)), torch.from_numpy(y).long()


def forward(a, name, folder):
    model, net, x, _ = prepare(a, name, folder)
    run(a.athanor, "run", model, "--input", folder / "x.npy", "--output", folder / "logits.npy", "--threads", a.threads)
    with torch.inference_mode():
        expected = net.eval()(x).numpy()
    error = np.abs(np.load(folder / "logits.npy") - expected).max() / np.abs(expected).max()
    print(f"forward {name:16} batch {a.batch}: largest logit {np.abs(expected).max():9.4g}, error {error:.2e}", flush=True)
    return error < 1e-4


def gradients(a, name, folder):
    return any(gradients_of_batch(a, name, folder, seed) for seed in (1, 2, 3))


def gradients_of_batch(a, name, folder, seed):
    model, net, x, y = prepare(a, name, folder, seed)
    out = folder / "gradients"
    run(a.athanor, "gradients", model, "--input", f"x={folder / 'x.npy'}", "--input", f"labels={folder / 'y.npy'}",
        "-o", out, "--threads", a.threads)
    loss = torch.nn.functional.cross_entropy(net.train()(x), y)
    loss.backward()
    errors, norms = {}, {k: float(torch.linalg.vector_norm(p.grad)) for k, p in net.named_parameters()}
    floor = 1e-3 * max(norms.values())
    for parameter, p in net.named_parameters():
        difference = np.load(out / f"{parameter}.npy") - p.grad.numpy()
        errors[parameter] = float(np.linalg.norm(difference)) / max(norms[parameter], floor)
    found = {f.stem for f in out.glob("*.npy")}
    assert found == set(errors), f"parameters differ: {found ^ set(errors)}"
    for f in out.glob("*.npy"):
        f.unlink()
    loss_error = abs(float(np.load(out / "outputs" / "loss.npy")) / loss.item() - 1)
    worst = max(errors, key=errors.get)
    print(f"gradients {name:16} batch {a.batch}: {len(errors)} parameters, loss {loss.item():.5f} error {loss_error:.1e}, "
          f"worst gradient {errors[worst]:.2e} ({worst}), median {np.median(list(errors.values())):.1e}", flush=True)
    return errors[worst] < 1e-3 and loss_error < 1e-4


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("what", nargs="?", choices=["losses", "forward", "gradients"], default="losses")
    p.add_argument("networks", nargs="*")
    p.add_argument("--athanor", default=default_athanor())
    p.add_argument("--write", action="store_true")
    p.add_argument("--batch", type=int, default=2)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--f32", action="store_true")
    p.add_argument("--as-started", action="store_true")
    a = p.parse_args()
    a.with_dropout = {"alexnet", "vgg11", "vgg13", "vgg16", "vgg19", "nin", "googlenet", "alexnet_cifar", "nin_cifar",
                      "googlenet_cifar"}
    torch.set_num_threads(1 if a.what == "losses" else a.threads)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        if a.what == "losses":
            return 0 if compare_losses(a, folder) else 1
        check = forward if a.what == "forward" else gradients
        bad = [n for n in a.networks or NETWORKS if not check(a, n, folder)]
    if bad:
        print(f"not within the bound: {', '.join(bad)}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
