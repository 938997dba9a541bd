#!/usr/bin/env bash
# Runs the lessons and writes what they print, and their charts, into the pages of this folder:
#
#   docs/lessons/regenerate.sh            # all; MNIST=FOLDER docs/lessons/regenerate.sh also those on all of MNIST
#   docs/lessons/regenerate.sh xor depth  # some
#
# A page holds the output between "<!-- output NAME [--data MNIST] -->" and "<!-- end -->".
set -euo pipefail
cd "$(dirname "$0")/../.."
athanor=${ATHANOR:-bazel-bin/cli/athanor}
[ -x "$athanor" ] || { echo "no $athanor: bazel build //cli:athanor"; exit 2; }
[ $# -gt 0 ] || set -- $(cd docs/lessons && ls [0-9][0-9]-*.md | sed 's/^[0-9]*-//; s/\.md$//')
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# replace PAGE MARKER FILE: the file's text in a code block behind the marker.
replace() {
  awk -v marker="<!-- output $2 -->" -v file="$3" '
    $0 == "<!-- end -->" { skip = 0 }
    !skip { print }
    $0 == marker { print "```"; while ((getline line < file) > 0) print line; print "```"; skip = 1 }' "$1" > "$work/page"
  cat "$work/page" > "$1"
}

for name in "$@"; do
  page=$(ls docs/lessons/[0-9][0-9]-"$name".md)
  { echo "\$ athanor lesson $name --out docs/lessons"; "$athanor" lesson "$name" --out docs/lessons; } > "$work/text"
  replace "$page" "$name" "$work/text"
  if [ -n "${MNIST:-}" ] && grep -q "<!-- output $name --data MNIST -->" "$page"; then
    { echo "\$ athanor lesson $name --data MNIST --out docs/lessons"
      "$athanor" lesson "$name" --data "$MNIST" --out docs/lessons; } > "$work/text"
    replace "$page" "$name --data MNIST" "$work/text"
  fi
done
