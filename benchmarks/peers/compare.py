"""Times Athanor and its peers in turn, in one run; prints min and median of each and the ratios to Athanor's.

    python compare.py --threads 2 --train lenet5:64,mlp:64 --infer lenet5:1,lenet5:8,mlp:1
    python compare.py --all --peers torch --markdown ../../runs/table.md      every network, as docs/performance.md has it

A row also gives the peak resident memory of a process that does nothing else, in MiB: for training and for PyTorch, which
counts what importing it takes. Run it on an idle machine; ratios depend less on the machine than times.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
import torch

from common import default_athanor, load_network, run, write_model
from networks import INPUTS

TRAIN = "mlp:64,lenet5:64,lstm:32,encoder:16,resnet18_cifar:32,mobilenet_v2:8,googlenet:8,densenet121:8,resnet50:8,vgg16:8"
INFER = [n.split(":")[0] for n in TRAIN.split(",")]
OPTIMIZER = ["--optimizer", "sgd", "--momentum", 0.9]


def clock(fn, seconds, least=3):
    fn()
    times, end = [], time.perf_counter() + seconds
    while len(times) < least or time.perf_counter() < end:
        t = time.perf_counter()
        fn()
        times.append(time.perf_counter() - t)
    return 1e3 * min(times), 1e3 * float(np.median(times))


def peak_mib(command):
    """Peak resident memory of a process of its own. (What wait4 says would count the memory of this one, too.)"""
    child = subprocess.Popen([str(c) for c in command], stdout=subprocess.DEVNULL)
    peak = 0
    while child.poll() is None:
        try:
            status = pathlib.Path(f"/proc/{child.pid}/status").read_text()
        except OSError:
            break
        peak = max([peak] + [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")])
        time.sleep(0.002)
    if child.wait() != 0:
        raise RuntimeError(f"{command} ended with {child.returncode}")
    return peak / 1024


def compile_plan(args, model, batch, train, path):
    command = [args.athanor, "compile", model, "-o", path, "--batch", batch, "--threads", args.threads,
               "--entries", "train" if train else "infer"]
    run(*command, *(OPTIMIZER if train else []))
    return path


def bench_command(args, plan, train, seconds):
    return [args.athanor, "bench", plan, "--seconds", seconds, "--no-roofline", "--json"] + (["--train"] if train else [])


def athanor_timer(args, plan, train):
    def measure():
        r = json.loads(run(*bench_command(args, plan, train, args.seconds)))["results"][0]
        return r["min_ms"], r["median_ms"]
    return measure


def torch_train(name, net, batch):
    net = net.train()
    optimizer = torch.optim.SGD(net.parameters(), 0.01, momentum=0.9)
    x = torch.randn(batch, *INPUTS[name])
    y = torch.randint(0, net(x).shape[-1], (batch,))

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = torch.nn.functional.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
    return step


def torch_infer(name, net, batch):
    net = net.eval()
    x = torch.randn(batch, *INPUTS[name])

    def call():
        with torch.inference_mode():
            net(x)
    return call


def export_onnx(name, net, batch, path):
    x = torch.randn(batch, *INPUTS[name])
    torch.onnx.export(net.eval(), (x,), path, dynamo=True, verbose=False, external_data=False)


def ort_infer(path, name, batch, threads):
    import onnxruntime as ort
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    feed = {session.get_inputs()[0].name: np.random.randn(batch, *INPUTS[name]).astype(np.float32)}
    return lambda: session.run(None, feed)


def openvino_infer(path, name, batch, threads):
    import openvino as ov
    compiled = ov.Core().compile_model(path, "CPU", {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads,
                                                     "INFERENCE_PRECISION_HINT": "f32"})
    request, x = compiled.create_infer_request(), np.random.randn(batch, *INPUTS[name]).astype(np.float32)
    return lambda: request.infer([x], share_inputs=True, share_outputs=True)


class Table:
    """Prints a line for each peer at once; `markdown` has one for each network and run: ratios of minima and of medians."""
    PEERS = {"torch": "PyTorch", "onnxruntime": "ONNX Runtime", "openvino": "OpenVINO"}

    def __init__(self):
        self.runs = {}
        print("| network | run | Athanor ms | peer | peer ms | ratio of minima | ratio of medians | memory, MiB |\n"
              "|---|---|---|---|---|---|---|---|")

    def add(self, name, what, ours, peer, theirs, memory):
        cell = f"{memory['athanor']:.0f} against {memory[peer]:.0f}" if memory and peer in memory else ""
        run = self.runs.setdefault((name, what), {"ms": ours[0], "memory": ""})
        run[peer] = f"{theirs[0] / ours[0]:.2f} ({theirs[1] / ours[1]:.2f})"
        run["memory"] = cell or run["memory"]
        print(f"| {name} | {what} | {ours[0]:.3f} | {peer} | {theirs[0]:.3f} | {theirs[0] / ours[0]:.2f} | "
              f"{theirs[1] / ours[1]:.2f} | {cell} |", flush=True)

    @staticmethod
    def number(ms):
        """Three digits, without an exponent."""
        return f"{ms:,.0f}" if ms >= 100 else f"{ms:.3g}"

    def markdown(self):
        peers = [p for p in self.PEERS if any(p in run for run in self.runs.values())]
        lines = ["| network | run | Athanor, ms | " + " | ".join(self.PEERS[p] for p in peers) + " | memory, MiB |",
                 "|---" * (4 + len(peers)) + "|"]
        for (name, what), run in self.runs.items():
            ratios = " | ".join(run.get(p, "") for p in peers)
            lines.append(f"| {name} | {what} | {self.number(run['ms'])} | {ratios} | {run['memory']} |")
        return "\n".join(lines) + "\n"


def compare(table, name, what, timers, rounds, memory=None):
    results = {peer: [] for peer in timers}
    for _ in range(rounds):
        for peer, timer in timers.items():
            results[peer].append(timer())
    best = {n: (min(m for m, _ in r), float(np.median([d for _, d in r]))) for n, r in results.items()}
    for peer in best:
        if peer != "athanor":
            table.add(name, what, best["athanor"], peer, best[peer], memory)


def memory_of(args, name, batch, plan):
    mine = [sys.executable, __file__, "--one-step", f"{name}:{batch}", "--threads", args.threads]
    return {"athanor": peak_mib(bench_command(args, plan, True, 0.01)), "torch": peak_mib(mine)}


def train_row(args, table, name, batch, folder, peers):
    model, weights = write_model(args.athanor, name, folder)
    plan = compile_plan(args, model, batch, True, folder / "train.plan")
    timers = {"athanor": athanor_timer(args, plan, True)}
    memory = None
    if "torch" in peers:
        step = torch_train(name, load_network(name, weights), batch)
        timers["torch"] = lambda: clock(step, args.seconds)
        memory = memory_of(args, name, batch, plan)
    compare(table, name, f"training step, batch {batch}", timers, args.rounds, memory)


def infer_row(args, table, name, batch, folder, peers):
    model, weights = write_model(args.athanor, name, folder)
    net = load_network(name, weights)
    plan = compile_plan(args, model, batch, False, folder / "infer.plan")
    timers, calls = {"athanor": athanor_timer(args, plan, False)}, {}
    onnx = str(folder / "network.onnx")
    if "ort" in peers or "openvino" in peers:
        export_onnx(name, net, batch, onnx)
    if "torch" in peers:
        calls["torch"] = torch_infer(name, net, batch)
    if "ort" in peers:
        calls["onnxruntime"] = ort_infer(onnx, name, batch, args.threads)
    if "openvino" in peers:
        calls["openvino"] = openvino_infer(onnx, name, batch, args.threads)
    for peer, call in calls.items():
        timers[peer] = lambda call=call: clock(call, args.seconds)
    compare(table, name, f"inference, batch {batch}", timers, args.rounds)


def parse():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--athanor", default=default_athanor())
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--train", default="lenet5:64,mlp:64")
    p.add_argument("--infer", default="lenet5:1,lenet5:8,mlp:1,mlp:8")
    p.add_argument("--all", action="store_true", help="every network: training, and inference of 1 and 8")
    p.add_argument("--peers", default="torch,ort,openvino")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--seconds", type=float, default=1.0, help="of each turn")
    p.add_argument("--markdown", help="file for the table")
    p.add_argument("--one-step", help=argparse.SUPPRESS)
    a = p.parse_args()
    if a.all:
        a.train, a.infer = TRAIN, ",".join(f"{n}:{b}" for n in INFER for b in (1, 8))
    return a


def items(text):
    return [(i.split(":")[0], int(i.split(":")[1])) for i in text.split(",") if i]


def main():
    a = parse()
    torch.set_num_threads(a.threads)
    if a.one_step:
        from networks import NETWORKS
        (name, batch), = items(a.one_step)
        clock(torch_train(name, NETWORKS[name](), batch), 0.01)
        return
    peers = a.peers.split(",")
    print(f"threads {a.threads}, load average {os.getloadavg()[0]:.2f}, torch {torch.__version__}")
    table = Table()
    for row, rows in ((train_row, items(a.train)), (infer_row, items(a.infer))):
        for name, batch in rows:
            with tempfile.TemporaryDirectory() as folder:
                row(a, table, name, batch, pathlib.Path(folder), peers)
    if a.markdown:
        pathlib.Path(a.markdown).write_text(table.markdown())


if __name__ == "__main__":
    main()
