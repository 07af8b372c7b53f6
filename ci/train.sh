#!/usr/bin/env bash
# The training code: every file compiles; its tests run where PyTorch is installed.
set -euo pipefail
cd "$(dirname "$0")/.."
source ci/common.sh
heading "Training code"
python3 -m compileall -q models/train resources ci
if python3 -c 'import numpy, torch' 2>/dev/null; then
  python3 -m unittest discover --start-directory models/train/tests --top-level-directory models/train
else
  echo "!!! SKIPPED: THE TESTS OF models/train DID NOT RUN. PYTORCH IS NOT INSTALLED HERE."
fi
