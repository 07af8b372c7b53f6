#!/usr/bin/env bash
# The training code: every file parses; its tests run where PyTorch and the rest of
# models/train/requirements.txt are installed (2 GB, so they are not fetched for this).
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
if python3 -c 'import cv2, numpy, onnx, onnxruntime, pytest, torch' 2>/dev/null; then
  python3 -m pytest -q models/train/tests
else
  skip "THE TESTS OF models/train DID NOT RUN. THEY NEED WHAT models/train/requirements.txt NAMES."
fi
