/**
 * HAProxy (Debian's package) as an expert sets it up: active checks every 50 ms, passive
 * observation of answers, retries, a backup server. `haproxyTuned` adds that a failed primary must
 * pass 60 checks (3 s) before it serves again: the stronger peer against gray failures and
 * flapping.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Place, Program, StationAddress } from "./front.ts";

export const haproxy = (place: Place): Program => program(place, "");

export const haproxyTuned = (place: Place): Program => program(place, "rise 60");

function program(place: Place, primaryExtra: string): Program {
  const { listenPort, primary, backup, setting } = place;
  const answerMs = Math.max(400, 5 * setting.latencyMs);
  const server = (one: StationAddress): string => `${one.host}:${one.port} port ${one.healthPort}`;
  const file = join(place.folder, "haproxy.cfg");
  writeFileSync(
    file,
    `global
  maxconn 4000
  nbthread 1
defaults
  mode http
  timeout client 30s
  timeout http-keep-alive 60s
  timeout connect 100ms
  timeout server ${answerMs}ms
  timeout queue ${answerMs}ms
  retries 3
  option redispatch 1
  retry-on all-retryable-errors
  option http-keep-alive
  http-reuse safe
frontend front
  bind 127.0.0.1:${listenPort}
  default_backend stations
backend stations
  option httpchk
  http-check send meth GET uri /health ver HTTP/1.1 hdr Host station
  http-check expect status 200
  default-server check inter 50ms fastinter 50ms downinter 50ms fall 3 rise 2 observe layer7 error-limit 3 on-error mark-down
  server primary ${server(primary)} ${primaryExtra}
  server backup ${server(backup)} backup
`,
  );
  return { command: "haproxy", args: ["-db", "-q", "-f", file], settleMs: 1_500 };
}
