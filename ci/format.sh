#!/usr/bin/env bash
# The sources are formatted.
set -euo pipefail
cd "$(dirname "$0")/.."
source ci/common.sh
heading "Format"
cargo fmt --all --check
