#!/usr/bin/env bash
# Builds mesasim for the GPU that is here, proves that it computes what the CPU does, and measures it; in under eight
# minutes. Results go to bench/results/<gpu>.json, a one-screen table comes last; the status is 0 if all went well.
#
#   bench/gpu.sh                                          everything, on cuda:0
#   bench/gpu.sh --skip-build --only parity               one part (bench/gpu/run.py lists them), as mesasim is installed
#   bench/gpu.sh --skip-build --device cpu --quick        every line of it, on a CPU; nothing is measured
#
# Nothing is installed: the package is built into a temporary folder from what the machine has (a compiler, nvcc, CMake,
# Ninja; torch, pybind11, scikit-build-core and mesasim's dependencies). A pure-Python dependency that is missing
# (gymnasium, say) may lie as a wheel in $MESASIM_WHEELS, by default .whl, and is used from there.
set -uo pipefail
cd "$(dirname "$0")/.."
root=$PWD
python=${PYTHON:-python3}
wheels=${MESASIM_WHEELS:-$root/.whl}
build_limit=300 # seconds
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PYTHONUNBUFFERED=1 PYTHONPATH=${PYTHONPATH:-}

skip_build=
arguments=()
for argument in "$@"; do
  if [ "$argument" = --skip-build ]; then skip_build=1; else arguments+=("$argument"); fi
done

shopt -s nullglob
for wheel in "$wheels"/*.whl; do
  "$python" -m zipfile -e "$wheel" "$work/wheels" && PYTHONPATH=$work/wheels${PYTHONPATH:+:$PYTHONPATH}
done
cd "$work" || exit 1 # a checkout's root would shadow the package
missing=$("$python" -c '
from importlib.util import find_spec
print(*(name for name in ("gymnasium", "numpy", "safetensors", "tensorboard", "torch", "yaml") if not find_spec(name)))') ||
  exit 1
if [ -n "$missing" ]; then
  echo "FAILED: $python has no $missing; wheels in $wheels would do" >&2
  exit 1
fi

seconds=0
if [ -z "$skip_build" ]; then
  echo 'build …'
  begun=$SECONDS
  timeout "$build_limit" "$python" -m pip install --quiet --no-index --no-build-isolation --no-deps --target "$work/site" \
    -C cmake.define.MESASIM_CUDA=ON -C cmake.define.MESASIM_CUDA_ARCHITECTURES=native \
    -C cmake.define.CMAKE_CUDA_FLAGS=-lineinfo -C cmake.define.CMAKE_INTERPROCEDURAL_OPTIMIZATION=OFF \
    -C build-dir="$work/build" "$root" || { echo 'FAILED: build' >&2; exit 1; }
  seconds=$((SECONDS - begun))
  PYTHONPATH=$work/site${PYTHONPATH:+:$PYTHONPATH}
fi
"$python" "$root/bench/gpu/run.py" --build-seconds "$seconds" ${arguments[@]+"${arguments[@]}"}
