# What the checks share; sourced, with the project's root as the current folder.

heading() { printf '\n=== %s ===\n' "$*"; }

absolute() { realpath -m -- "$1"; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

# Installs Debian packages; the lists are brought up to date once, and only when something is needed.
apt_install() {
  if [ -z "${APT_LISTS_FRESH:-}" ]; then
    as_root apt-get update -qq
    export APT_LISTS_FRESH=1
  fi
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# need COMMAND PACKAGE...: installs the packages when the command is not there.
need() {
  local command=$1
  shift
  command -v "$command" >/dev/null || apt_install "$@"
}

# The exit status of a check that could not be made: neither passed nor failed.
SKIPPED=77

# skip REASON...: ends a check that this machine cannot make.
skip() {
  printf '\n!!! SKIPPED: %s\n' "$*"
  exit "$SKIPPED"
}
