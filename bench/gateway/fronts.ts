/** What is measured: programs that pass requests on to one station. */
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { isInstalled } from "../takeover/machine.ts";

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
/** As it is published: JavaScript, nothing to be stripped. */
const BUILT: string = here("../../gateway/dist/cli.js");

interface Place {
  readonly port: number;
  readonly stationPort: number;
  /** A second station, for those that have a use for it. */
  readonly backupPort: number;
  /** Where nothing listens. */
  readonly sparePort: number;
  readonly folder: string;
}

export interface Front {
  readonly name: string;
  /** Why it cannot be measured here; undefined if it can. */
  readonly missing: string | undefined;
  command(place: Place): readonly string[];
}

/** The minimum file, with a backup that is there as well. */
function gatewayFile({ port, stationPort, backupPort, sparePort, folder }: Place): string {
  const file = join(folder, "fleet.yaml");
  writeFileSync(
    file,
    `groups:
  - name: uplink
    listen: 127.0.0.1:${port}
    stations:
      - { name: primary, url: "http://127.0.0.1:${stationPort}" }
      - { name: backup, url: "http://127.0.0.1:${backupPort}" }
    heartbeat: { kind: http, path: /health }
control: { listen: "127.0.0.1:${sparePort}" }
drainDelay: 0s
drain: 1s
`,
  );
  return file;
}

const packageHint = (program: string): string | undefined =>
  isInstalled(program) ? undefined : `${program} is not installed: sh scripts/install-bench-peers.sh`;

export const FRONTS: readonly Front[] = [
  {
    name: "gsf",
    missing: existsSync(BUILT) ? undefined : "the gateway is not built: npm run check",
    command: (place) => [
      process.execPath,
      "--input-type=module",
      "-e",
      `const { runCommandLine } = await import(${JSON.stringify(BUILT)}); await runCommandLine(process.argv.slice(1));`,
      ...["run", "--config", gatewayFile(place), "--json"],
    ],
  },
  {
    name: "bare undici",
    missing: undefined,
    command: ({ port, stationPort }) => [process.execPath, here("bare-proxy.ts"), `${port}`, `${stationPort}`],
  },
  {
    name: "HAProxy",
    missing: packageHint("haproxy"),
    command: ({ port, stationPort, folder }) => {
      const file = join(folder, "haproxy.cfg");
      writeFileSync(
        file,
        `global
  maxconn 4000
  nbthread 1
defaults
  mode http
  timeout client 60s
  timeout connect 1s
  timeout server 60s
  http-reuse always
frontend front
  bind 127.0.0.1:${port}
  default_backend stations
backend stations
  server primary 127.0.0.1:${stationPort}
`,
      );
      return ["haproxy", "-db", "-q", "-f", file];
    },
  },
  {
    name: "nginx",
    missing: packageHint("nginx"),
    command: ({ port, stationPort, folder }) => {
      const file = join(folder, "nginx.conf");
      writeFileSync(
        file,
        `${process.getuid?.() === 0 ? "user root;" : ""} worker_processes 1; master_process off; daemon off;
pid ${folder}/pid; error_log ${folder}/error.log crit;
events { worker_connections 4096; }
http {
  access_log off; keepalive_requests 10000000; tcp_nodelay on;
  client_body_temp_path ${folder}/b; proxy_temp_path ${folder}/p; fastcgi_temp_path ${folder}/f;
  uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
  upstream stations { server 127.0.0.1:${stationPort}; keepalive 256; keepalive_requests 10000000; }
  server {
    listen 127.0.0.1:${port};
    location / { proxy_pass http://stations; proxy_http_version 1.1; proxy_set_header Connection ""; }
  }
}
`,
      );
      return ["nginx", "-p", folder, "-e", `${folder}/error.log`, "-c", file];
    },
  },
];
