#!/bin/sh
# Installs Debian packages that tests and benches use, where what they provide is missing:
#   sh scripts/install-packages.sh haproxy nginx-light tcpdump keepalived prometheus libfaketime
# None of them is started or enabled as a service; tests and benches run their own processes.
set -eu

provided() {
  case "$1" in
    nginx-light) command -v nginx ;;
    prometheus) command -v promtool ;;
    libfaketime) ls /usr/lib/*/faketime/libfaketime.so.1 ;;
    *) command -v "$1" ;;
  esac >/dev/null 2>&1
}

missing=""
for package in "$@"; do provided "$package" || missing="$missing $package"; done
if [ -z "$missing" ]; then
  echo "Installed: $*."
  exit 0
fi
if ! command -v apt-get >/dev/null 2>&1; then
  echo "Missing:$missing. There is no apt-get here; install them with the package manager of this system." >&2
  exit 1
fi
asRoot=""
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null 2>&1; then
    echo "Missing:$missing. Run as root: apt-get install --no-install-recommends$missing" >&2
    exit 1
  fi
  asRoot="sudo"
fi
$asRoot apt-get update
# Nothing may listen on port 80 afterwards: a policy file keeps packages from starting their services.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' | $asRoot tee "$policy" >/dev/null
  $asRoot chmod 755 "$policy"
  trap '$asRoot rm -f "$policy"' EXIT
fi
# shellcheck disable=SC2086 # the list is meant to be split into words
$asRoot env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing
