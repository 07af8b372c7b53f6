#!/usr/bin/env bash
# The shipped bundle in melt (the engine of Kdenlive and Shotcut), from a chroot of Debian forky:
# Filter context, no hint, 8-bit, 16-bit, half and float, serial and parallel.
# Where the chroot cannot be made it is skipped; where it can, a wrong render fails.
# usage: ci/melt-host.sh [BUNDLE]
set -euo pipefail
cd "$(dirname "$0")/.."
source ci/common.sh
bundle=$(absolute "${1:-target/bundle/CorridorKey.ofx.bundle}")
cache=${XDG_CACHE_HOME:-$HOME/.cache}/corridorkey-ci
root=$cache/forky
work=$root/shot
id=org.corridorkey.ofx

# Makes the chroot beside its place and moves it there when melt in it answers: a half-made one is
# never used.
make_chroot() {
  local new=$cache/forky.new mirror
  as_root rm -rf "$new"
  mkdir -p "$cache"
  need mmdebstrap mmdebstrap || return 1
  mirror=$(apt-get indextargets --format '$(SITE) $(RELEASE) $(ORIGIN)' 'Created-By: Packages' |
    awk '$3 == "Debian" && $2 !~ /security|updates|backports/ { print $1; exit }')
  [ -n "$mirror" ] || { echo "apt on this machine knows no Debian mirror."; return 1; }
  # A mirror that is kept as a snapshot has an old date; what it holds is signed all the same.
  as_root timeout 900 mmdebstrap --variant=essential --include=melt \
    --aptopt='Apt::Install-Recommends "0"' --aptopt='Acquire::Check-Valid-Until "false"' \
    --dpkgopt='path-exclude=/usr/share/doc/*' \
    forky "$new" "$mirror" || return 1
  as_root chroot "$new" /usr/bin/melt --version >/dev/null 2>&1 || { echo "melt does not start in it."; return 1; }
  as_root rm -rf "$root"
  as_root mv "$new" "$root"
}

heading "melt: chroot"
if as_root chroot "$root" /usr/bin/melt --version >/dev/null 2>&1; then
  echo "$root is there."
elif ! as_root true 2>/dev/null; then
  skip "THE MELT HOST WAS NOT TESTED. MAKING A CHROOT NEEDS ROOT OR SUDO."
else
  log=$(mktemp)
  if ! make_chroot >"$log" 2>&1; then
    tail -n 15 "$log"
    as_root rm -rf "$cache/forky.new"
    skip "THE MELT HOST WAS NOT TESTED. THE CHROOT OF DEBIAN FORKY COULD NOT BE MADE (the reason is above)."
  fi
  rm -f "$log"
fi
as_root chroot "$root" /usr/bin/melt --version 2>&1 | head -n 1

heading "melt: the plug-in is found"
as_root rm -rf "$work" "$root/plugins"
as_root mkdir -p "$root/plugins"
as_root install -d -o "$(id -u)" "$work"
as_root cp -r "$bundle" "$root/plugins/"
python3 ci/pictures.py make "$work"
size=$(python3 -c 'import sys; sys.path.insert(0, "ci"); import pictures; print(pictures.WIDTH, pictures.HEIGHT)')
read -r width height <<<"$size"
cat >"$work/profile" <<PROFILE
description=check
frame_rate_num=25
frame_rate_den=1
width=$width
height=$height
progressive=1
sample_aspect_num=1
sample_aspect_den=1
display_aspect_num=$width
display_aspect_den=$height
colorspace=709
PROFILE

# melt DEPTHS ARGUMENT...: one run inside, with the declared depths overridden ("" for none).
melt() {
  local depths=$1
  shift
  as_root chroot "$root" /usr/bin/env -i PATH=/usr/bin HOME=/shot OFX_PLUGIN_PATH=/plugins \
    MLT_REPOSITORY_DENY=libmltqt6:libmltglaxnimate-qt6 CORRIDORKEY_LOG=error \
    ${depths:+CORRIDORKEY_OFX_DEPTHS="$depths"} /usr/bin/timeout 60 /usr/bin/melt "$@"
}
melt "" -query filters >"$work/filters" 2>"$work/filters.log" ||
  { echo "FAULT melt -query filters ended with $?:"; tail -n 20 "$work/filters.log"; exit 1; }
grep -q "openfx\.$id" "$work/filters" || { echo "FAULT melt does not list openfx.$id:"; cat "$work/filters"; exit 1; }
echo "ok    melt lists openfx.$id"

# render NAME DEPTHS MLT_FORMAT PIX_FMT PICTURE THREADS: three frames as PNG. melt reports no failure
# of a plug-in, so the files are what counts: false when one is missing.
render() {
  local name=$1 depths=$2 format=$3 pixels=$4 picture=$5 threads=$6 frame
  rm -f "$work/$name".*.png
  melt "$depths" -silent -profile /shot/profile "/shot/$picture" out=2 -filter "openfx.$id" \
    inputColor=sRGB output=Foreground \
    -consumer "avformat:/shot/$name.%04d.png" an=1 f=image2 vcodec=png \
    "mlt_image_format=$format" "pix_fmt=$pixels" "real_time=$threads" >"$work/$name.log" 2>&1 ||
    { echo "melt ended with $?"; tail -n 5 "$work/$name.log"; return 1; }
  for frame in 0001 0002 0003; do
    [ -s "$work/$name.$frame.png" ] || { echo "melt wrote no $name.$frame.png"; return 1; }
  done
}

# check NAME: every frame is a key of the plate, and all are equal (the source is a still).
check() {
  python3 ci/pictures.py keyed "$work/plate.png" "$work/$1.0001.png" "$work/truth.png" &&
    python3 ci/pictures.py same "$work/$1.0001.png" "$work/$1.0002.png" &&
    python3 ci/pictures.py same "$work/$1.0001.png" "$work/$1.0003.png"
}

# rendered NAME ARGUMENT...: render and check, as often as melt needs. melt 7.42 on a busy machine
# loses one run in ten, without any plug-in too (`-filter brightness` and libmltopenfx denied): it
# stops before its first frame, does not end, or with several threads writes a garbled picture. A
# plug-in that is wrong is wrong every time, and says so in its own log, which is never forgiven.
rendered() {
  local attempt
  for attempt in 1 2 3 4 5 6 7 8; do
    rm -rf "$work/.local"
    if render "$@" && check "$1" && { [ -z "${serial:-}" ] || python3 ci/pictures.py same "$serial" "$work/$1.0001.png"; }; then
      ! grep -rs ERROR "$work/.local" || { echo "FAULT the plug-in reported the error above."; exit 1; }
      return 0
    fi
    ! grep -rs ERROR "$work/.local" || { echo "FAULT the plug-in reported the error above."; exit 1; }
    echo "      attempt $attempt of $1 went wrong (above)."
  done
  echo "FAULT $1 was never right."
  exit 1
}

while read -r name depths format pixels picture; do
  heading "melt: $name"
  [ "$depths" = - ] && depths=""
  serial="" rendered "$name" "$depths" "$format" "$pixels" "$picture" -1
  serial="$work/$name.0001.png" rendered "$name-parallel" "$depths" "$format" "$pixels" "$picture" -4
  echo "ok    serial and parallel agree"
done <<'RUNS'
8-bit   -      rgba    rgba    plate.png
16-bit  short  rgba64  rgba64be plate16.png
half    half   rgba64  rgba64be plate16.png
float   float  rgba64  rgba64be plate16.png
RUNS
for depth in half float; do
  python3 ci/pictures.py near "$work/16-bit.0001.png" "$work/$depth.0001.png" --most 0.01
done
