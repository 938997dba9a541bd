#!/usr/bin/env bash
# The example in README.md is the file that is compiled and run here, to the letter.
set -euo pipefail
shown=$(awk '/^```cpp$/ {on = 1; next} /^```$/ {on = 0} on' README.md)
if ! diff <(printf '%s\n' "$shown") <(sed '1d' examples/xor.cc); then
  echo "README.md's C++ example differs from examples/xor.cc"
  exit 1
fi
