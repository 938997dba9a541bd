#!/usr/bin/env bash
# Runs include_order.py over the source tree, which is where the script's real file lies.
set -euo pipefail
script=$(readlink -f tests/include_order.py)
exec python3 "$script" "$(dirname "$(dirname "$script")")"
