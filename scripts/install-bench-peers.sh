#!/bin/sh
# Installs what bench/takeover compares with and listens with, and what test/process/beside.test.ts and ops.test.ts try,
# from Debian's packages, where it is missing: haproxy, nginx-light, tcpdump, keepalived, prometheus (for promtool).
# None of them is started or enabled as a service; bench and tests run their own processes.
set -eu

missing=""
command -v haproxy >/dev/null 2>&1 || missing="$missing haproxy"
command -v nginx >/dev/null 2>&1 || missing="$missing nginx-light"
command -v tcpdump >/dev/null 2>&1 || missing="$missing tcpdump"
command -v keepalived >/dev/null 2>&1 || missing="$missing keepalived"
command -v promtool >/dev/null 2>&1 || missing="$missing prometheus"

if [ -z "$missing" ]; then
  echo "haproxy, nginx, tcpdump, keepalived and promtool are installed."
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
