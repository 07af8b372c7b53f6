#!/usr/bin/env bash
# The README's test command, with the dependencies of Cargo.lock and no others.
set -euo pipefail
cd "$(dirname "$0")/.."
source ci/common.sh
heading "Tests"
cargo test --workspace --locked
