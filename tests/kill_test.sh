#!/usr/bin/env bash
# 50 kills of a training; benchmarks/training/kill.py makes 1,000.
set -euo pipefail
exec python3 benchmarks/training/kill.py cli/athanor --kills 50 --delay 0.15
