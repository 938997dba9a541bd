#!/usr/bin/env bash
# Builds everything and runs every test: optimised, the same held to AVX2, then under ThreadSanitizer those with the tag
# "tsan", then under AddressSanitizer and UndefinedBehaviorSanitizer all but those with the tag "nosan".
#
#   tools/test.sh [TARGET...]     default: //...
#
# ATHANOR_SANITIZER_MINUTES  time for the sanitizers together, building included; 0 leaves them out.
#                            Default: what is left of 28 minutes after the optimised tests, at least 4.
#                            What was not reached is reported as skipped; the next run resumes there.
#
# The last line is "N passed, N failed", with ", N skipped" if any were; each test case counts once,
# and as failed if it failed in any configuration. Exits non-zero if anything failed, a build included.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

readonly RESULTS=.cache/test
readonly DEFAULT_TOTAL_SECONDS=$((28 * 60))
readonly DEFAULT_LEAST_SECONDS=$((4 * 60))

targets=("$@")
((${#targets[@]})) || targets=(//...)
phases=()

# run_phase NAME SECONDS OPTION...: bazel test, stopped after SECONDS (0: never); its events and its
# exit code go to $RESULTS/NAME.*.
run_phase() {
  local name=$1 seconds=$2
  shift 2
  local limit=()
  ((seconds > 0)) && limit=(timeout --foreground --signal=TERM --kill-after=120 "$seconds")
  printf '\n=== %s: bazel test %s%s\n' "$name" "$*" "$( ((seconds > 0)) && echo " (at most ${seconds} s)")"
  "${limit[@]}" bazel test "$@" --keep_going --test_output=summary --color=no --curses=no \
    --show_progress_rate_limit=30 --build_event_json_file="$RESULTS/$name.json" -- "${targets[@]}"
  local code=$?
  # 124 and 137 are timeout's own codes; 8 is Bazel's for a command that was cut short.
  ((seconds > 0)) && ((code == 124 || code == 137)) && code=8
  echo "$code" >"$RESULTS/$name.exit"
  phases+=("$name")
}

sanitizer_seconds() {
  if [[ -n ${ATHANOR_SANITIZER_MINUTES:-} ]]; then
    echo $((ATHANOR_SANITIZER_MINUTES * 60))
    return
  fi
  local left=$((DEFAULT_TOTAL_SECONDS - SECONDS))
  echo $((left > DEFAULT_LEAST_SECONDS ? left : DEFAULT_LEAST_SECONDS))
}

if ! tools/setup.sh; then
  echo "0 passed, 1 failed"
  exit 1
fi

rm -rf "$RESULTS"
mkdir -p "$RESULTS"

run_phase opt 0
# The same binaries as on a processor without AVX-512: oneDNN and our own kernels are held to AVX2.
run_phase avx2 0 --test_env=ONEDNN_MAX_CPU_ISA=AVX2

budget=$(sanitizer_seconds)
if ((budget > 0)); then
  deadline=$((SECONDS + budget))
  run_phase tsan $((budget / 3)) --config=tsan
  run_phase asan-ubsan $((deadline > SECONDS ? deadline - SECONDS : 1)) --config=asan-ubsan
fi

python3 tools/test_report.py "$RESULTS" "${phases[@]}"
status=$?
# Any other code means that the report itself broke off, so its last line is missing.
((status <= 1)) || echo "0 passed, 1 failed"
exit "$status"
