#!/usr/bin/env bash
# run.sh PROGRAM [ARGUMENT...]: runs an instrumented program with the options of every sanitizer set.
here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
export ASAN_OPTIONS="detect_stack_use_after_return=1:strict_string_checks=1:check_initialization_order=1:detect_leaks=1${ASAN_OPTIONS:+:$ASAN_OPTIONS}"
export LSAN_OPTIONS="suppressions=$here/lsan.supp:print_suppressions=0${LSAN_OPTIONS:+:$LSAN_OPTIONS}"
export UBSAN_OPTIONS="suppressions=$here/ubsan.supp:halt_on_error=1:print_stacktrace=1${UBSAN_OPTIONS:+:$UBSAN_OPTIONS}"
# The OpenMP run-time and oneDNN are not instrumented: what happens inside them cannot be judged.
export TSAN_OPTIONS="suppressions=$here/tsan.supp:ignore_noninstrumented_modules=1:halt_on_error=1:second_deadlock_stack=1${TSAN_OPTIONS:+:$TSAN_OPTIONS}"
# ThreadSanitizer needs the address layout that it was built for; where the kernel randomises more
# of an address than it knows of, the program must run without.
if setarch -R true 2>/dev/null; then
  exec setarch -R "$@"
fi
exec "$@"
