# Sourced by the scripts beside it: the repository's root, a clock, and the build.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
TORCH_ROOT=${ZCB_TORCH_ROOT:-$HOME/.cache/zcbench/libtorch-2.11.0}

say() { echo "[$(basename "$0")] $*" >&2; }
fail() { say "error: $*"; exit 1; }

# took START: the time since START, which is a value of $SECONDS.
took() { local t=$((SECONDS - $1)); echo "$((t / 60)) min $((t % 60)) s"; }

# install_packages PACKAGE...: Debian packages that are missing, by apt-get as root or through sudo.
install_packages() {
  local missing=() package start=$SECONDS
  if ! command -v dpkg-query >/dev/null; then
    say "not a Debian system: packages are not checked. Needed are, under the names of your system: $*"
    return
  fi
  for package in "$@"; do
    [[ $(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null) == ii* ]] || missing+=("$package")
  done
  if [ ${#missing[@]} = 0 ]; then return; fi

  say "missing packages: ${missing[*]}"
  local as_root=()
  if [ "$(id -u)" != 0 ]; then
    # Without a terminal nobody can answer sudo's question.
    if command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
      as_root=(sudo)
    else
      say "run as root, then try again:"
      echo "apt-get update && apt-get install -y --no-install-recommends ${missing[*]}" >&2
      exit 1
    fi
  fi
  say "installing ${#missing[@]} packages with apt-get: up to 3 minutes"
  "${as_root[@]}" apt-get update -qq || say "apt-get update failed; trying with the package lists that are here"
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2 ||
    fail "apt-get could not install ${missing[*]} (see above)"
  say "installed packages in $(took "$start")"
}

# One compiler a core, and 2 GiB of free memory for each: a file that includes ATen takes about one.
parallel_jobs() {
  local cores memory
  cores=$(nproc)
  memory=$(awk '/^MemAvailable:/ {print int($2 / 2097152)}' /proc/meminfo)
  local n=$((memory < cores ? memory : cores))
  echo $((n < 1 ? 1 : n))
}

# build PRESET [TARGET...]: configures build/PRESET when it is new or LibTorch has moved, then builds.
build() {
  local preset=$1 start=$SECONDS
  local folder=$ROOT/build/$preset
  shift
  if [ -f "$folder/build.ninja" ] && [ "$(cached_torch_root "$folder")" = "$TORCH_ROOT" ]; then
    say "building build/$preset: seconds when little has changed"
  else
    say "building build/$preset: the first build takes about 20 minutes on 2 cores, later ones seconds"
    # -U: CMake remembers what it found in another LibTorch.
    (cd "$ROOT" && cmake --preset "$preset" -U 'LibTorch_*' -DZCB_TORCH_ROOT="$TORCH_ROOT") ||
      fail "build/$preset cannot be configured (see above); scripts/setup installs what it needs"
  fi
  (cd "$ROOT" && cmake --build --preset "$preset" --parallel "$(parallel_jobs)" ${1:+--target "$@"}) ||
    fail "build/$preset does not build (see above)"
  say "built build/$preset in $(took "$start")"
}

cached_torch_root() { sed -n 's/^ZCB_TORCH_ROOT:[A-Z]*=//p' "$1/CMakeCache.txt" 2>/dev/null || true; }
