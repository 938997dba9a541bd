"""The same training in PyTorch: from the weights of an .ath file, on the very batches that `athanor train` makes (order and
augmentation included, read from `athanor data --write-batches -`), with the same optimizer and learning rates.

Prints a JSON line with what the validation set says at the end. See run.py, which starts both.
"""
import argparse
import json
import math
import pathlib
import struct
import subprocess
import sys
import time

import numpy as np
import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "peers"))
from networks import INPUTS, NETWORKS  # noqa: E402
from sequences import SEQUENCES  # noqa: E402

DTYPES = {"f32": np.float32, "s32": np.int32}


def batches(command):
    """Yields (epoch, {field: tensor}) from the stream that the command writes; schema: docs/training.md."""
    child = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE)
    header = json.loads(child.stdout.readline())
    fields = header["fields"]
    while True:
        head = child.stdout.read(8)
        if len(head) < 8:
            break
        rows, = struct.unpack("<q", head)
        batch = {}
        for field in fields:
            dtype, shape = np.dtype(DTYPES[field["dtype"]]), [rows] + field["shape"]
            raw = child.stdout.read(int(np.prod(shape)) * dtype.itemsize)
            batch[field["name"]] = torch.from_numpy(np.frombuffer(raw, dtype).reshape(shape).copy())
        yield batch
    if child.wait() != 0:
        raise SystemExit("the batches could not be read")


def learning_rate(args, step):
    """As `--schedule cosine:warmup=N`: from 1 % up over N steps, then half a cosine down to 0; or constant."""
    if args.schedule == "constant":
        return args.lr
    if step < args.warmup:
        return args.lr * (0.01 + 0.99 * step / args.warmup)
    t = (step - args.warmup) / max(1, args.steps - args.warmup)
    return args.lr * 0.5 * (1 + math.cos(math.pi * t))


def make_optimizer(args, parameters):
    if args.optimizer == "sgd":
        return torch.optim.SGD(parameters, args.lr, momentum=args.momentum, weight_decay=args.weight_decay,
                               nesterov=args.nesterov)
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[args.optimizer]
    return kind(parameters, args.lr, weight_decay=args.weight_decay)


def forward_loss(net, batch):
    labels = batch["labels"]
    inputs = [batch[k].long() if batch[k].dtype == torch.int32 else batch[k] for k in ("source", "x") if k in batch]
    logits = net(*inputs)
    if isinstance(logits, tuple):
        logits = logits[0]
    classes = logits.shape[-1]
    if labels.dtype == torch.float32:
        return torch.nn.functional.cross_entropy(logits, labels), logits
    flat = labels.long().reshape(-1)
    return torch.nn.functional.cross_entropy(logits.reshape(-1, classes), flat, ignore_index=-100), logits


@torch.no_grad()
def evaluate(net, command):
    net.eval()
    loss_sum = count = correct = rows = whole = 0
    for batch in batches(command):
        loss, logits = forward_loss(net, batch)
        labels = batch["labels"]
        labels = (labels.argmax(-1) if labels.dtype == torch.float32 else labels.long()).reshape(-1)
        known = labels >= 0
        n = int(known.sum())
        loss_sum += loss.item() * n
        count += n
        right = logits.reshape(-1, logits.shape[-1]).argmax(1) == labels
        correct += int(right[known].sum())
        # All of a row: then greedy decoding gives it, too, as each place sees what it wrote before.
        whole += int((right | ~known).reshape(batch["labels"].shape[0], -1).all(1).sum())
        rows += batch["labels"].shape[0]
    net.train()
    return {"loss": loss_sum / count, "accuracy": 100 * correct / count, "bits": loss_sum / count / math.log(2),
            "exact": 100 * whole / rows}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("network")
    p.add_argument("--weights", required=True, help="folder of .npy files: athanor export MODEL --weights FOLDER")
    p.add_argument("--train", required=True, help="command that streams the training batches")
    p.add_argument("--validate", required=True, help="command that streams the validation batches once")
    p.add_argument("--kwargs", default="{}", help="JSON for the network's constructor")
    p.add_argument("--optimizer", default="sgd")
    p.add_argument("--lr", type=float, required=True)
    p.add_argument("--momentum", type=float, default=0.9)
    p.add_argument("--nesterov", action="store_true")
    p.add_argument("--weight-decay", type=float, default=0.0)
    p.add_argument("--clip-norm", type=float, default=0.0)
    p.add_argument("--schedule", default="cosine")
    p.add_argument("--warmup", type=int, default=0)
    p.add_argument("--steps", type=int, required=True)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--seed", type=int, default=1)
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(a.seed)
    net = (NETWORKS | SEQUENCES)[a.network](**json.loads(a.kwargs))
    if a.network in NETWORKS:
        with torch.no_grad():
            net.eval()(torch.zeros(1, *INPUTS[a.network]))  # makes the layers that wait for their input
    state = {f.stem: torch.from_numpy(np.load(f)) for f in sorted(pathlib.Path(a.weights).glob("*.npy"))}
    missing, unexpected = net.load_state_dict(state, strict=False)
    missing = [m for m in missing if not m.endswith("num_batches_tracked")]
    if missing or unexpected:
        raise SystemExit(f"weights do not fit: missing {missing}, unexpected {unexpected}")
    net.train()
    optimizer = make_optimizer(a, net.parameters())
    start, step = time.perf_counter(), 0
    for batch in batches(a.train.split()):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(a, step)
        optimizer.zero_grad(set_to_none=True)
        loss, _ = forward_loss(net, batch)
        loss.backward()
        if a.clip_norm > 0:
            torch.nn.utils.clip_grad_norm_(net.parameters(), a.clip_norm)
        optimizer.step()
        step += 1
        if step % 100 == 0:
            print(f"step {step}/{a.steps} loss {loss.item():.4f}", file=sys.stderr, flush=True)
        if step == a.steps:
            break
    seconds = time.perf_counter() - start
    print(json.dumps({"steps": step, "seconds": seconds, **evaluate(net, a.validate.split())}))


if __name__ == "__main__":
    main()
