#!/usr/bin/env bash
# No warning of the compiler or of clippy; the documentation builds without a broken link.
set -euo pipefail
cd "$(dirname "$0")/.."
source ci/common.sh
heading "Clippy"
cargo clippy --quiet --workspace --all-targets --locked -- -D warnings
cargo clippy --quiet --package corridorkey --lib --no-default-features --locked -- -D warnings
heading "Documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --quiet --workspace --no-deps --locked
