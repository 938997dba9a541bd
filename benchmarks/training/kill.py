#!/usr/bin/env python3
"""Kills a training with SIGKILL at random moments and goes on, many times.

    benchmarks/training/kill.py bazel-bin/cli/athanor --kills 1000

After each kill the newest checkpoint must load and be no older than the one before. At the end the run is finished, and
its checkpoint and its model must equal, bit for bit, those of a run that was never disturbed.
"""
import argparse
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

# Two batches a step and averaged weights, so that a checkpoint has all kinds of state. No step but the last evaluates.
TRAIN = ("train lenet5 --data mnist --batch 64 --accumulate 2 --ema 0.99 --threads 1 --eval-every 1000000 "
         "--checkpoint-every 5 --keep 2 --progress none --logs none --out run").split()


class Run:
    def __init__(self, binary, folder, delay):
        self.binary, self.folder, self.delay = binary, folder, delay
        folder.mkdir()

    def athanor(self, *arguments):
        return subprocess.run([self.binary, *arguments], cwd=self.folder, capture_output=True, text=True)

    def kill_once(self, generator):
        """Starts or goes on with the training, kills it a moment after its first step may be done."""
        resume = ["--resume"] if (self.folder / "run/last.ckpt").exists() else []
        process = subprocess.Popen([self.binary, *TRAIN, "--steps", "1000000000", *resume], cwd=self.folder, text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for line in process.stdout:
            if line.startswith("peak memory"):
                break
        if not resume:
            self.adapt_delay(process)
        time.sleep(generator.uniform(0, self.delay))
        if process.poll() is not None:
            sys.exit(f"the training ended by itself: {process.returncode} {process.stderr.read()}")
        process.send_signal(signal.SIGKILL)
        process.communicate()

    def adapt_delay(self, process):
        """On a slow machine the moments lie further apart: three checkpoints may be written meanwhile."""
        start = time.time()
        while not (self.folder / "run/last.ckpt").exists() and process.poll() is None and time.time() - start < 120:
            time.sleep(0.005)
        self.delay = max(self.delay, 3 * (time.time() - start))

    def newest_step(self):
        """The steps of the newest checkpoint, which must load; 0 when there is none yet."""
        if not (self.folder / "run/last.ckpt").exists():
            return 0
        result = self.athanor("inspect", "--json", "run/last.ckpt")
        if result.returncode != 0:
            sys.exit(f"the newest checkpoint does not load: {result.stderr}")
        return json.loads(result.stdout)["step"]


def finish(run, steps, resume):
    result = run.athanor(*TRAIN, "--steps", str(steps), *(["--resume"] if resume else []))
    if result.returncode != 0:
        sys.exit(f"the run does not end well: {result.stderr}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", help="the athanor command")
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--delay", type=float, default=0.2, help="seconds; a kill comes at a random moment within them")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    generator = random.Random(arguments.seed)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="kill-", dir=os.environ.get("TEST_TMPDIR")))
    start = time.time()
    try:
        binary = os.path.abspath(arguments.binary)
        killed = Run(binary, folder / "killed", arguments.delay)
        steps, temporary = 0, 0
        for kill in range(arguments.kills):
            killed.kill_once(generator)
            temporary += any(".tmp-" in f.name for f in (killed.folder / "run").glob("*"))
            newest = killed.newest_step()
            if newest < steps:
                sys.exit(f"kill {kill + 1}: the newest checkpoint went back from step {steps} to {newest}")
            steps = newest
        print(f"{arguments.kills} kills in {time.time() - start:.0f} s, {temporary} of them while a file was being written; "
              f"the newest checkpoint, which loaded each time, has {steps} steps")
        if steps == 0:
            sys.exit("no checkpoint was ever written: --delay is too short for this machine")
        whole = Run(binary, folder / "whole", arguments.delay)
        finish(killed, steps + 7, resume=True)
        finish(whole, steps + 7, resume=False)
        for name in ("last.ckpt", "model.ath", "model.plan"):
            if (killed.folder / "run" / name).read_bytes() != (whole.folder / "run" / name).read_bytes():
                sys.exit(f"{name} differs from that of the undisturbed run")
        print(f"weights, optimizer slots and averages after {steps + 7} steps equal the undisturbed run's, bit for bit")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
