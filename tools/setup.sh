#!/usr/bin/env bash
# Installs what a build of Athanor needs; quick when nothing is missing.
#
#   tools/setup.sh                    system packages, and the pinned oneDNN
#   ONEDNN_ROOT=/path tools/setup.sh  system packages, and another oneDNN v3 build found under /path
#   ONEDNN_ROOT= tools/setup.sh       back to the pinned oneDNN
#
# Supported systems: Debian 12 (bookworm) and Debian 13 (trixie) on x86-64, as root or with sudo.
# Everything fetched apart from system packages goes to .deps/, which Git ignores.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly PACKAGES=(
  g++ pkg-config git ca-certificates python3 python3-pip
  bazel-bootstrap bazel-rules-java bazel-rules-proto bazel-platforms bazel-skylib
  libabsl-dev libflatbuffers-dev flatbuffers-compiler libgtest-dev libgmock-dev
  libcli11-dev nlohmann-json3-dev libhwy-dev librandom123-dev libxxhash-dev
  libpng-dev zlib1g-dev libturbojpeg0-dev libzip-dev libtomlplusplus-dev
)
readonly ONEDNN_PINS='
onednn-cpu-gomp==2023.2.0 --hash=sha256:2f22a54d6a890ed14bfa185d42a4be65d8b5b1df85dc1f0f3a9abe31620416fb
onednn-devel-cpu-gomp==2023.2.0 --hash=sha256:9763c69e8c907e119056bd52ad918ca84ac9ba939d130a99dfa95ccca3e5e284
'
readonly ONEDNN_DIR=.deps/onednn
# Names what ONEDNN_DIR holds: "pinned <checksum of the pins>" or "root <path>". Written last.
readonly ONEDNN_STAMP=$ONEDNN_DIR/.selected

say() { printf 'setup: %s\n' "$*"; }
die() { printf 'setup: %s\n' "$*" >&2; exit 1; }

missing_packages() {
  local known
  known=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${PACKAGES[@]}" 2>/dev/null || true)
  local package
  for package in "${PACKAGES[@]}"; do
    grep -qxF "installed $package" <<<"$known" || printf '%s\n' "$package"
  done
}

require_supported_system() {
  local id= codename=
  if [[ -r /etc/os-release ]]; then
    id=$(. /etc/os-release && echo "${ID:-}")
    codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
  fi
  if [[ $id == debian && ($codename == bookworm || $codename == trixie) && $(uname -m) == x86_64 ]]; then
    return
  fi
  {
    echo "setup: this system is not supported (${id:-unknown} ${codename:-unknown}, $(uname -m))."
    echo "setup: Athanor is built on Debian 12 (bookworm) or 13 (trixie), x86-64, with these packages:"
    printf '  %s\n' "${PACKAGES[@]}"
    echo "setup: and with these Python wheels, unpacked so that $ONEDNN_DIR holds include/ and lib/:"
    sed '/^$/d; s/^/  /' <<<"$ONEDNN_PINS"
  } >&2
  exit 1
}

install_packages() {
  local missing
  mapfile -t missing < <(missing_packages)
  if ((${#missing[@]} == 0)); then
    say "system packages: all ${#PACKAGES[@]} installed"
    return
  fi
  local sudo=()
  if ((EUID != 0)); then
    command -v sudo >/dev/null || die "not root and no sudo; as root run: apt-get install ${missing[*]}"
    sudo=(sudo)
  fi
  say "system packages: installing ${missing[*]}"
  # A failed update may still leave usable lists, so apt-get install decides.
  "${sudo[@]}" apt-get update -qq || say "apt-get update failed; trying with the lists at hand"
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
  mapfile -t missing < <(missing_packages)
  ((${#missing[@]} == 0)) || die "still missing after apt-get install: ${missing[*]}"
}

# major_version INCLUDE_DIR: the oneDNN major version its headers declare, or nothing.
major_version() {
  sed -n 's/^#define DNNL_VERSION_MAJOR \([0-9]*\).*/\1/p' \
    "$1"/oneapi/dnnl/dnnl_version.h 2>/dev/null | head -1
}

# take_library FILE FOLDER: copies it under the name that programs linked with it will look for (builds
# differ: libdnnl.so.3, libdnnl.so.3.6), and adds the link libdnnl.so.
take_library() {
  local name
  name=$(objdump -p "$1" | sed -n 's/^ *SONAME *//p')
  [[ $name == libdnnl.so.3* ]] || die "$1 is not a shared library of oneDNN v3 (its name is ${name:-not set})"
  mkdir -p "$2"
  cp -L "$1" "$2/$name"
  ln -sfn "$name" "$2/libdnnl.so"
}

# publish_onednn STAGE SELECTION: makes STAGE the oneDNN in use, in one step.
publish_onednn() {
  [[ $(major_version "$1/include") == 3 && -f $1/include/oneapi/dnnl/dnnl.hpp ]] ||
    die "the headers are not oneDNN v3 (no oneapi/dnnl/dnnl.hpp, or DNNL_VERSION_MAJOR is not 3)"
  rm -rf "$ONEDNN_DIR"
  mv "$1" "$ONEDNN_DIR"
  printf '%s\n' "$2" >"$ONEDNN_STAMP"
}

fetch_pinned_onednn() {
  local stage=$1
  say "oneDNN: fetching the pinned wheels"
  printf '%s' "$ONEDNN_PINS" >"$stage/requirements.txt"
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes \
    --only-binary :all: --dest "$stage/wheels" --requirement "$stage/requirements.txt"
  local wheel
  for wheel in "$stage"/wheels/*.whl; do
    python3 -m zipfile -e "$wheel" "$stage/unpacked"
  done
  mkdir "$stage/onednn"
  cp -r "$stage"/unpacked/onednn_devel*.data/data/include "$stage/onednn/include"
  take_library "$stage"/unpacked/onednn_cpu*.data/data/lib/libdnnl.so.3 "$stage/onednn/lib"
}

# copy_onednn STAGE ROOT: takes the headers and the library of an installed oneDNN.
copy_onednn() {
  local stage=$1 root=$2 library= candidate
  say "oneDNN: taking the build under $root"
  [[ -f $root/include/oneapi/dnnl/dnnl.hpp ]] ||
    die "ONEDNN_ROOT: $root/include/oneapi/dnnl/dnnl.hpp does not exist"
  for candidate in "$root"/{lib,lib64,lib/x86_64-linux-gnu}/libdnnl.so{,.3}; do
    [[ -f $candidate ]] && { library=$candidate; break; }
  done
  [[ -n $library ]] || die "ONEDNN_ROOT: no libdnnl.so or libdnnl.so.3 in lib, lib64 or lib/x86_64-linux-gnu of $root"
  mkdir -p "$stage/onednn/include"
  cp -rL "$root/include/oneapi" "$stage/onednn/include/oneapi"
  take_library "$library" "$stage/onednn/lib"
}

install_onednn() {
  local current= wanted
  [[ -r $ONEDNN_STAMP ]] && current=$(<"$ONEDNN_STAMP")
  wanted="pinned $(cksum <<<"$ONEDNN_PINS")"
  if [[ -n ${ONEDNN_ROOT:-} ]]; then
    wanted="root $(cd "$ONEDNN_ROOT" 2>/dev/null && pwd || die "ONEDNN_ROOT: no folder $ONEDNN_ROOT")"
  elif [[ -z ${ONEDNN_ROOT+set} && $current == root\ * ]]; then
    wanted=$current  # An earlier ONEDNN_ROOT stays selected until it is set to nothing.
  fi
  if [[ $current == "$wanted" && -f $ONEDNN_DIR/lib/libdnnl.so ]]; then
    say "oneDNN: ${wanted%% *} build in $ONEDNN_DIR"
    return
  fi
  mkdir -p .deps
  local stage
  stage=$(mktemp -d .deps/stage.XXXXXX)
  # shellcheck disable=SC2064  # the path of now
  trap "rm -rf '$PWD/$stage'" EXIT
  case $wanted in
    pinned\ *) fetch_pinned_onednn "$stage" ;;
    root\ *) copy_onednn "$stage" "${wanted#root }" ;;
  esac
  publish_onednn "$stage/onednn" "$wanted"
  say "oneDNN: installed in $ONEDNN_DIR"
}

require_supported_system
install_packages
install_onednn
say "ready"
