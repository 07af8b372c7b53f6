#!/usr/bin/env bash
# The training code: every file parses, and its tests pass. Where PyTorch and the rest of
# models/train/requirements.txt are not installed they are fetched into target/ (5 GB with the CUDA
# libraries that PyTorch's package brings; kept for the next time).
set -euo pipefail
cd "$(dirname "$0")/.."
source ci/common.sh
heading "Training code"
python3 - <<'PYTHON'
import ast, pathlib
for folder in ("models/train", "resources", "ci"):
    for path in pathlib.Path(folder).rglob("*.py"):
        ast.parse(path.read_text(encoding="utf-8"), str(path))
PYTHON
python=python3
complete() { "$python" -c 'import cv2, numpy, onnx, onnxruntime, pytest, torch' 2>/dev/null; }
if ! complete; then
  python=$(absolute target/train/bin/python)
  if ! complete; then
    python3 -m venv target/train || skip "THE TESTS OF models/train DID NOT RUN: PYTHON HAS NO venv."
    "$python" -m pip install -q --disable-pip-version-check -r models/train/requirements.txt ||
      skip "THE TESTS OF models/train DID NOT RUN: WHAT models/train/requirements.txt NAMES COULD NOT BE FETCHED."
  fi
fi
"$python" -m pytest -q models/train/tests
