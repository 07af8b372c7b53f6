#!/usr/bin/env bash
# The shipped bundle in the reference HostSupport library: General with Source and Hint connected,
# Filter with Source alone. The matte must be near the truth of a picture made for the purpose, and
# equal to the one that the project's own host gives.
# usage: ci/reference-host.sh [BUNDLE]
set -euo pipefail
cd "$(dirname "$0")/.."
source ci/common.sh
bundle=$(absolute "${1:-target/bundle/CorridorKey.ofx.bundle}")
work=target/reference-host
mkdir -p "$work"

heading "Reference host: build"
need g++ g++
[ -e /usr/include/expat.h ] || apt_install libexpat1-dev
manifest=ci/hosts/Cargo.toml
cargo fetch --quiet --locked --manifest-path "$manifest"
tree=$(cargo metadata --quiet --locked --offline --format-version 1 --manifest-path "$manifest" |
  python3 -c 'import json, os, sys
packages = json.load(sys.stdin)["packages"]
path, = [p["manifest_path"] for p in packages if p["name"] == "openfx-sys"]
print(os.path.join(os.path.dirname(path), "openfx"))')
host="$work/reference_host"
flags=(-std=c++14 -O1 -include cstring -include memory -include sstream
  -DOFX_SUPPORTS_OPENGLRENDER -isystem "$tree/include" -isystem "$tree/HostSupport/include")
# The library is compiled once; it is not this project's code, so its warnings are not shown.
for source in "$tree"/HostSupport/src/*.cpp; do
  object="$work/$(basename "$source" .cpp).o"
  [ "$object" -nt "$source" ] || g++ "${flags[@]}" -w -c "$source" -o "$object"
done
g++ "${flags[@]}" -Wall -Wextra -Wno-deprecated \
  -Itests/hosts tests/hosts/reference_host.cpp "$work"/ofxh*.o -o "$host" -lexpat -ldl

heading "Reference host: render"
python3 ci/pictures.py make "$work"
# output 1 is the matte, inputColor 1 is sRGB: choices are given by index.
OFX_PLUGIN_PATH=$(dirname "$bundle") "$host" --plate "$work/plate.pfm" --hint "$work/hint.pfm" \
  --set output=1 --set inputColor=1 --out "$work/matte.pfm" --filter-out "$work/filter.pfm"
python3 ci/pictures.py near "$work/matte.pfm" "$work/truth.pfm" --mean 0.02
python3 ci/pictures.py near "$work/filter.pfm" "$work/truth.pfm" --mean 0.02

heading "Reference host: the same matte as the project's own host"
"$bundle/Contents/Linux-x86-64/corridorkey" key --quiet --plugin "$bundle" --source "$work/plate.png" \
  --hint "$work/hint.png" --output matte --format png --depth float --out "$work"
python3 ci/pictures.py near "$work/matte.pfm" "$work/plate.matte.png" --most 0.004
