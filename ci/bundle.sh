#!/usr/bin/env bash
# The bundle as it is shipped: linked against glibc 2.28, checked, and working where it was not built.
set -euo pipefail
cd "$(dirname "$0")/.."
source ci/common.sh
heading "Bundle: assemble and check"
cargo run --quiet --locked --package bundle -- assemble
cargo run --quiet --locked --package bundle -- check target/bundle

heading "Bundle: installed elsewhere"
elsewhere=$(mktemp -d)
trap 'rm -rf "$elsewhere"' EXIT
cargo run --quiet --locked --package bundle -- install --to "$elsewhere/plug-ins with spaces/é"
command="$elsewhere/plug-ins with spaces/é/CorridorKey.ofx.bundle/Contents/Linux-x86-64/corridorkey"
(cd / && env -i HOME="$elsewhere/home" PATH=/usr/bin:/bin "$command" doctor)
