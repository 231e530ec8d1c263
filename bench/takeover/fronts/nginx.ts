/**
 * nginx (Debian's package) with what its free edition has: passive failover through
 * `proxy_next_upstream` to a backup server. Commands are POST requests, so retries of
 * `non_idempotent` requests are switched on: each carries a key.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Place, Program } from "./front.ts";

export function nginx(place: Place): Program {
  const { folder, listenPort, primary, backup, setting } = place;
  const answerMs = Math.max(400, 5 * setting.latencyMs);
  const file = join(folder, "nginx.conf");
  // The user directive means something, and is allowed without a warning, only where the bench runs
  // as root.
  const user = process.getuid?.() === 0 ? "user root;" : "";
  writeFileSync(
    file,
    `${user} worker_processes 1; pid ${folder}/pid; error_log ${folder}/error.log crit; daemon off;
events { worker_connections 4096; }
http {
  access_log off; keepalive_timeout 75s; keepalive_requests 10000000; tcp_nodelay on;
  client_body_temp_path ${folder}/b; proxy_temp_path ${folder}/p; fastcgi_temp_path ${folder}/f;
  uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
  upstream stations {
    server ${primary.host}:${primary.port} max_fails=3 fail_timeout=2s;
    server ${backup.host}:${backup.port} backup max_fails=0;
    keepalive 256; keepalive_requests 10000000;
  }
  server {
    listen 127.0.0.1:${listenPort} backlog=1024;
    location / {
      proxy_pass http://stations; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_connect_timeout 100ms; proxy_send_timeout ${answerMs}ms; proxy_read_timeout ${answerMs}ms;
      proxy_next_upstream error timeout invalid_header http_500 http_502 http_503 http_504 non_idempotent;
      proxy_next_upstream_tries 3;
    }
  }
}
`,
  );
  return { command: "nginx", args: ["-p", folder, "-e", `${folder}/error.log`, "-c", file], settleMs: 1_500 };
}
