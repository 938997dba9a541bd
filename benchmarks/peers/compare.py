"""Times Athanor and its peers in turn, in one run; prints min and median of each and the ratios to Athanor.

    python compare.py --threads 2 --train lenet5:64,mlp:64 --infer lenet5:1,lenet5:8,mlp:1
"""
import argparse
import json
import os
import pathlib
import tempfile
import time

import numpy as np
import torch

from common import default_athanor, load_network, run, write_model


def clock(fn, seconds):
    fn()
    times, end = [], time.perf_counter() + seconds
    while len(times) < 5 or time.perf_counter() < end:
        t = time.perf_counter()
        fn()
        times.append(time.perf_counter() - t)
    return 1e3 * min(times), 1e3 * float(np.median(times))


def athanor_timer(args, model, batch, train):
    def measure():
        command = [args.athanor, "bench", model, "--batch", batch, "--threads", args.threads, "--seconds", args.seconds, "--json"]
        if train:
            command += ["--train", "--optimizer", "sgd", "--momentum", 0.9]
        r = json.loads(run(*command))["results"][0]
        return r["min_ms"], r["median_ms"]
    return measure


def torch_train(name, weights, batch):
    net = load_network(name, weights).train()
    optimizer = torch.optim.SGD(net.parameters(), 0.01, momentum=0.9)
    x, y = torch.rand(batch, 1, 28, 28) * 2 - 1, torch.zeros(batch, dtype=torch.int64)

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = torch.nn.functional.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
    return step


def torch_infer(name, weights, batch):
    net = load_network(name, weights).eval()
    x = torch.rand(batch, 1, 28, 28)

    def call():
        with torch.inference_mode():
            net(x)
    return call


def export_onnx(name, weights, batch, path):
    net = load_network(name, weights).eval()
    torch.onnx.export(net, (torch.rand(batch, 1, 28, 28),), path, dynamo=True, verbose=False, external_data=False)


def ort_infer(path, batch, threads):
    import onnxruntime as ort
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    feed = {session.get_inputs()[0].name: np.random.rand(batch, 1, 28, 28).astype(np.float32)}
    return lambda: session.run(None, feed)


def openvino_infer(path, batch, threads):
    import openvino as ov
    compiled = ov.Core().compile_model(path, "CPU", {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads,
                                                     "INFERENCE_PRECISION_HINT": "f32"})
    request, x = compiled.create_infer_request(), np.random.rand(batch, 1, 28, 28).astype(np.float32)
    return lambda: request.infer([x], share_inputs=True, share_outputs=True)


def compare(title, timers, rounds):
    results = {name: [] for name in timers}
    for _ in range(rounds):
        for name, timer in timers.items():
            results[name].append(timer())
    best = {n: (min(m for m, _ in r), float(np.median([d for _, d in r]))) for n, r in results.items()}
    ours = best["athanor"]
    for name, (low, median) in best.items():
        print(f"{title:24} {name:12} min {low:9.4f} ms  median {median:9.4f} ms  "
              f"x athanor: min {low / ours[0]:6.2f}  median {median / ours[1]:6.2f}", flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--athanor", default=default_athanor())
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--train", default="lenet5:64,mlp:64")
    p.add_argument("--infer", default="lenet5:1,lenet5:8,mlp:1,mlp:8")
    p.add_argument("--peers", default="torch,ort,openvino")
    p.add_argument("--rounds", type=int, default=7)
    p.add_argument("--seconds", type=float, default=1.0, help="of each turn")
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    peers = a.peers.split(",")
    print(f"threads {a.threads}, load average {os.getloadavg()[0]:.2f}, torch {torch.__version__}")
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for item in filter(None, a.train.split(",")):
            name, batch = item.split(":")[0], int(item.split(":")[1])
            model, weights = write_model(a.athanor, name, folder)
            timers = {"athanor": athanor_timer(a, model, batch, True)}
            if "torch" in peers:
                step = torch_train(name, weights, batch)
                timers["torch"] = lambda step=step: clock(step, a.seconds)
            compare(f"train {name} batch {batch}", timers, a.rounds)
        for item in filter(None, a.infer.split(",")):
            name, batch = item.split(":")[0], int(item.split(":")[1])
            model, weights = write_model(a.athanor, name, folder)
            onnx = str(folder / f"{name}_{batch}.onnx")
            timers = {"athanor": athanor_timer(a, model, batch, False)}
            calls = {}
            if "torch" in peers:
                calls["torch"] = torch_infer(name, weights, batch)
            if "ort" in peers or "openvino" in peers:
                export_onnx(name, weights, batch, onnx)
            if "ort" in peers:
                calls["onnxruntime"] = ort_infer(onnx, batch, a.threads)
            if "openvino" in peers:
                calls["openvino"] = openvino_infer(onnx, batch, a.threads)
            for peer, call in calls.items():
                timers[peer] = lambda call=call: clock(call, a.seconds)
            compare(f"infer {name} batch {batch}", timers, a.rounds)


if __name__ == "__main__":
    main()
