"""What the scripts share: weights out of a model file, and the batches of the MNIST sample in the repository."""
import gzip
import os
import pathlib
import subprocess
import sys

import numpy as np
import torch

from networks import INPUTS, NETWORKS

ROOT = pathlib.Path(__file__).resolve().parents[2]
MEAN, STD = np.float32(0.1307), np.float32(0.3081)


def run(*command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(str(c) for c in command)}: exit {done.returncode}\n{done.stderr}")
    return done.stdout


def write_model(athanor, name, folder, seed=1, flags=()):
    """Writes <name>.ath with initialised weights, and the weights as .npy files; returns both paths. flags: of
    `athanor models`."""
    model, weights = folder / f"{name}.ath", folder / f"{name}.weights"
    run(athanor, "models", name, "-o", model, "--seed", seed, *flags)
    run(athanor, "export", model, "--weights", weights)
    return model, weights


def load_network(name, weights, input=None, **options):
    """options: of the network's function in networks.py; input: the sizes of one sample, where they are not INPUTS'."""
    net = NETWORKS[name](**options)
    with torch.no_grad():
        net.eval()(torch.zeros(1, *(input or INPUTS[name])))  # makes the layers that wait for their input
    state = {f.stem: torch.from_numpy(np.load(f)) for f in sorted(pathlib.Path(weights).glob("*.npy"))}
    own = net.state_dict()
    state |= {k: v for k, v in own.items() if k.endswith("num_batches_tracked")}  # a count that Athanor does not keep
    net.load_state_dict(state)  # every name and shape must fit
    return net.train()


def mnist_batches(count, size):
    """The first count*size training images of the sample in file order, normalised as `athanor train` does."""
    folder = ROOT / "data" / "mnist_sample"
    images = np.frombuffer(gzip.open(folder / "train-images-idx3-ubyte.gz").read(), np.uint8, offset=16)
    labels = np.frombuffer(gzip.open(folder / "train-labels-idx1-ubyte.gz").read(), np.uint8, offset=8)
    images = images.reshape(-1, 1, 28, 28)
    for i in range(count):
        rows = slice(i * size, (i + 1) * size)
        x = (images[rows].astype(np.float32) / np.float32(255) - MEAN) / STD
        yield torch.from_numpy(x), torch.from_numpy(labels[rows].astype(np.int64))


def default_athanor():
    return os.environ.get("ATHANOR", str(ROOT / "bazel-bin" / "cli" / "athanor"))
