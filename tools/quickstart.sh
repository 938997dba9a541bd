#!/usr/bin/env bash
# From a bare system to a trained network: sets up and builds the athanor command.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

tools/setup.sh
bazel build //cli:athanor

# TODO(cli): train LeNet-5 here, and run the plan in a second process.
