#!/usr/bin/env bash
# THIRD-PARTY-NOTICES.md lists what Cargo.lock links in.
set -euo pipefail
cd "$(dirname "$0")/.."
source ci/common.sh
heading "Third-party notices"
cargo run --quiet --locked --package bundle -- notices --check
