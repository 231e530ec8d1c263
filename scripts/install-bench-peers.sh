#!/bin/sh
# Installs what bench/takeover compares with and listens with, and what test/process/beside.test.ts and ops.test.ts try,
# from Debian's packages, where it is missing (promtool comes with prometheus).
exec sh "$(dirname "$0")/install-packages.sh" haproxy nginx-light tcpdump keepalived prometheus
