#!/usr/bin/env bash
# From a bare system to a trained network: sets up, builds the athanor command, trains LeNet-5 on handwritten digits, and
# recognises digits in a second process from the saved files.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

tools/setup.sh
bazel build //cli:athanor
athanor=bazel-bin/cli/athanor
out=runs/lenet5

echo
echo "\$ athanor train lenet5 --data mnist --epochs 15 --batch 64 --optimizer adam --lr 1e-3 --weight-decay 1e-3 --seed 1 --out $out"
mkdir -p runs
SECONDS=0
"$athanor" train lenet5 --data mnist --epochs 15 --batch 64 --optimizer adam --lr 1e-3 --weight-decay 1e-3 --seed 1 --out "$out" | tee "$out.log"

echo
echo "\$ athanor run $out/model.plan --data mnist        # a second process, from the saved file"
"$athanor" run "$out/model.plan" --data mnist | tee "$out.again.log"
first=$(grep -o 'logits digest [0-9a-f]*' "$out.log")
second=$(grep -o 'logits digest [0-9a-f]*' "$out.again.log")
if [ -z "$first" ] || [ "$first" != "$second" ]; then
  echo "the second process's logits differ from the first's: $first, $second" >&2
  exit 1
fi
echo "the logits of both processes are equal, bit for bit"

for digit in seven three zero; do
  echo
  echo "\$ athanor run $out/model.plan --input examples/digits/$digit.png"
  "$athanor" run "$out/model.plan" --input "examples/digits/$digit.png"
done
echo
echo "trained, saved, loaded and recognised in $SECONDS s"
