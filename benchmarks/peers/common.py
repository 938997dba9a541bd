"""What the scripts share: weights out of a model file, and the batches of the MNIST sample in the repository."""
import gzip
import os
import pathlib
import subprocess

import numpy as np
import torch

from networks import NETWORKS

ROOT = pathlib.Path(__file__).resolve().parents[2]
MEAN, STD = np.float32(0.1307), np.float32(0.3081)


def run(*command):
    return subprocess.run([str(c) for c in command], check=True, capture_output=True, text=True).stdout


def write_model(athanor, name, folder, seed=1):
    """Writes <name>.ath with initialised weights, and the weights as .npy files; returns both paths."""
    model, weights = folder / f"{name}.ath", folder / f"{name}.weights"
    run(athanor, "models", name, "-o", model, "--seed", seed)
    run(athanor, "export", model, "--weights", weights)
    return model, weights


def load_network(name, weights):
    net = NETWORKS[name]()
    state = {f.stem: torch.from_numpy(np.load(f)) for f in sorted(pathlib.Path(weights).glob("*.npy"))}
    net.load_state_dict(state)  # every name and shape must fit
    return net


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
