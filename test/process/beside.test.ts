/**
 * The gateway beside real balancers: it decides, and their data plane carries. HAProxy is asked
 * through its statistics and by requests; keepalived runs its script. Real balancers are tried by
 * `npm run test:balancers`, which installs them.
 */
import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { GsfProcess, gsf } from "./gsf-process.ts";
import { ServedPair } from "./served-pair.ts";

const WITHIN_MS = 40_000;
const PROGRAM = fileURLToPath(new URL("../../gateway/bin/gsf.js", import.meta.url));
const started: ChildProcess[] = [];
// With their workers, each program has a process group of its own.
after(() => {
  for (const { pid, exitCode } of started) if (pid !== undefined && exitCode === null) process.kill(-pid, "SIGKILL");
});

/**
 * A test with a balancer of Debian's packages, which `npm run test:balancers` installs. `npm test`
 * needs no root, so it leaves these out.
 */
function balancerTest(title: string, run: () => Promise<void>): void {
  if (process.env["GSF_BALANCERS"] !== undefined) test(title, run);
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { readonly port: number };
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}

/** Starts a program of Debian; `ended` by its handle when the tests are over. */
function start(program: string, args: readonly string[]): ChildProcess & { said: string } {
  const env = { ...process.env, PATH: `${process.env["PATH"]}:/usr/sbin:/sbin` };
  const child = Object.assign(spawn(program, args, { env, detached: true, stdio: ["ignore", "pipe", "pipe"] }), {
    said: "",
  });
  for (const stream of [child.stdout, child.stderr])
    stream?.on("data", (piece: Buffer) => {
      child.said = `${child.said}${piece}`.slice(-20_000);
    });
  started.push(child);
  return child;
}

/** Asks `see` until it answers `wanted`. */
async function until(
  wanted: string,
  see: () => Promise<string> | string,
  said: () => string = () => "",
): Promise<void> {
  const untilMs = performance.now() + WITHIN_MS;
  let seen = "";
  while (performance.now() < untilMs) {
    seen = await see();
    if (seen === wanted) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.equal(seen, wanted, said());
}

/** What `address` answers, or why it does not. */
async function body(address: string): Promise<string> {
  try {
    const answer = await fetch(address, { headers: { connection: "close" } });
    return answer.ok ? await answer.text() : String(answer.status);
  } catch {
    return "no connection";
  }
}

/** A pair that says by whom it was served. */
async function namedPair(agentPort: number): Promise<ServedPair> {
  const more = `agentCheck: { listen: "127.0.0.1:${agentPort}" }\nstate: none\n`;
  return await ServedPair.open((request, response) => response.end(`port ${request.socket.localPort}`), more);
}

const nameOf = (url: string): string => `port ${new URL(url).port}`;

for (const way of ["health checks of the active page", "agent checks"] as const) {
  balancerTest(`[G9] HAProxy with ${way}: switchovers, primary killed → it sends to the active station`, async () => {
    const [agentPort, port] = [await freePort(), await freePort()];
    await using pair = await namedPair(agentPort);
    const at = ({ url }: { readonly url: string }): string => new URL(url).host;
    const control = new URL(pair.control).port;
    const isAgent = way === "agent checks";
    const page = (name: string): string => `server ${name} ${at(name === "primary" ? pair.primary : pair.backup)}`;
    const servers = isAgent
      ? `default-server check inter 200ms agent-check agent-addr 127.0.0.1 agent-port ${agentPort} agent-inter 100ms on-marked-down shutdown-sessions
  ${page("primary")} agent-send "atlantic/primary\\n"
  ${page("backup")} agent-send "atlantic/backup\\n"`
      : `option httpchk
  default-server check addr 127.0.0.1 port ${control} inter 100ms fall 2 rise 1
  http-check send meth GET uri /v1/groups/atlantic/stations/primary/active
  ${page("primary")}
backend backup
  option httpchk GET /v1/groups/atlantic/stations/backup/active
  default-server check addr 127.0.0.1 port ${control} inter 100ms fall 2 rise 1
  ${page("backup")}`;
    const config = `defaults
  mode http
  timeout connect 1s
  timeout client 5s
  timeout server 5s
frontend callers
  bind 127.0.0.1:${port}
  ${isAgent ? "" : "use_backend backup if { nbsrv(backup) gt 0 }"}
  default_backend primary
backend primary
  ${servers}
`;
    const haproxy = start("haproxy", ["-db", "-f", pair.folder.file("haproxy.cfg", config)]);
    const see = (): Promise<string> => body(`http://127.0.0.1:${port}/`);
    await until(nameOf(pair.primary.url), see, () => haproxy.said);
    const order = ["switchover", "atlantic", "--to", "backup", "--reason", "test", "--control", pair.control];
    assert.equal((await gsf(order)).code, 0);
    await until(nameOf(pair.backup.url), see, () => haproxy.said);
    assert.equal((await gsf([...order.slice(0, 3), "primary", ...order.slice(4)])).code, 0);
    await until(nameOf(pair.primary.url), see, () => haproxy.said);
    await pair.primary.die();
    await until(nameOf(pair.backup.url), see, () => haproxy.said);
    if (!isAgent) return;
    // The gateway is gone: HAProxy keeps to what it was told last.
    await pair.end("SIGKILL");
    for (let request = 0; request < 10; request++) {
      assert.equal(await see(), nameOf(pair.backup.url), haproxy.said);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  });
}

/** keepalived refuses the loopback interface, so it gets a network of its own with another one. */
const NETWORK =
  "ip link add gsf0 type veth peer name gsf1 && ip link set gsf1 up && ip link set gsf0 up && ip addr add 192.0.2.1/24 dev gsf0";

balancerTest(
  "[G9] keepalived runs gsf is-active → the station that serves is master, and gives up when killed",
  async () => {
    await using pair = await namedPair(await freePort());
    const script = pair.folder.file(
      "active.sh",
      `#!/bin/sh\nexec nsenter --net=/proc/${process.pid}/ns/net ${process.execPath} ${PROGRAM} is-active atlantic "$1" --control ${pair.control} --timeout 8\n`,
    );
    execFileSync("chmod", ["755", pair.folder.path, script]);
    const states = join(pair.folder.path, "states");
    mkdirSync(states);
    const told = pair.folder.file("told.sh", `#!/bin/sh\nprintf %s "$3" > ${states}/"$2"\n`);
    execFileSync("chmod", ["755", told]);
    const instance = (name: string, id: number): string => `
vrrp_script is_${name} {
  script "${script} ${name}"
  interval 5
  timeout 10
  fall 1
  rise 1
}
vrrp_instance ${name} {
  interface gsf0
  state BACKUP
  virtual_router_id ${id}
  priority 100
  advert_int 1
  unicast_src_ip 192.0.2.1
  unicast_peer {
    192.0.2.${id}
  }
  virtual_ipaddress {
    192.0.2.${id + 100}
  }
  track_script {
    is_${name}
  }
  notify "${told}"
}`;
    const config = `global_defs {\n  script_user root\n}\n${instance("primary", 51)}\n`;
    const files = ["-f", pair.folder.file("keepalived.conf", config)];
    for (const option of ["-p", "-r", "-c"]) files.push(option, join(pair.folder.path, `pid${option}`));
    const run = `${NETWORK} && exec keepalived --dont-fork --log-console --vrrp "$@"`;
    const keepalived = start("unshare", ["--net", "sh", "-c", run, "keepalived", ...files]);
    const state = (name: string) => (): string => {
      try {
        return readFileSync(join(states, name), "utf8");
      } catch {
        return "none yet";
      }
    };
    await until("MASTER", state("primary"), () => keepalived.said);
    await pair.primary.die();
    await until("FAULT", state("primary"), () => keepalived.said);
  },
);

test("[G9] gsf is-active → exit code 0, 1, 2 and 5 for active, not active, unknown and no gateway", async () => {
  await using pair = await namedPair(await freePort());
  const codeOf = async (...words: string[]): Promise<unknown> =>
    (await gsf(["is-active", "atlantic", ...words, "--timeout", "20"])).code;
  const at = ["--control", pair.control];
  assert.deepEqual(
    [await codeOf("primary", ...at), await codeOf("backup", ...at), await codeOf("nobody", ...at)],
    [0, 1, 2],
  );
  const mute = createServer(() => undefined);
  await new Promise<void>((resolve) => mute.listen(0, "127.0.0.1", resolve));
  const { port } = mute.address() as { readonly port: number };
  const { code } = await gsf(["is-active", "atlantic", "primary", "--control", `http://127.0.0.1:${port}`]);
  assert.equal(code, 5);
  mute.close();
  await pair.end("SIGKILL");
  assert.equal(await codeOf("primary", ...at), 5);
});

balancerTest(
  "[G9] nginx follows the file of gsf endpoints → the backup serves after the primary was killed",
  async () => {
    await using pair = await namedPair(await freePort());
    const port = await freePort();
    const servers = join(pair.folder.path, "atlantic.servers");
    const config = `daemon off; pid ${pair.folder.path}/nginx.pid; error_log stderr;
${process.getuid?.() === 0 ? "user root;" : ""}
events {}
http {
  access_log off;
  ${["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((kind) => `${kind}_temp_path ${pair.folder.path}/${kind};`).join(" ")}
  upstream atlantic { include ${servers}; }
  server { listen 127.0.0.1:${port}; location / { proxy_pass http://atlantic; } }
}
`;
    const file = pair.folder.file("nginx.conf", config);
    const follow = ["endpoints", "atlantic", "--format", "nginx", "--file", servers, "--control", pair.control];
    assert.equal((await gsf(follow)).code, 0);
    const nginx = start("nginx", ["-c", file]);
    const see = (): Promise<string> => body(`http://127.0.0.1:${port}/`);
    await until(nameOf(pair.primary.url), see, () => nginx.said);
    const reload = `PATH=$PATH:/usr/sbin nginx -c ${file} -s reload`;
    await using following = new GsfProcess([...follow, "--follow", "--every", "0.1", "--run", reload]);
    await pair.primary.die();
    await until(nameOf(pair.backup.url), see, () => `${nginx.said}\n${following.stderr}`);
    await pair.end("SIGKILL");
    await following.saying(/the file stays as it is/);
    assert.equal(await see(), nameOf(pair.backup.url));
    following.child.kill("SIGTERM");
    assert.equal((await following.ended).code, 0);
  },
);

test("[G9] gsf endpoints for Envoy → the active station alone, by address, in a whole file", async () => {
  await using pair = await namedPair(await freePort());
  const file = join(pair.folder.path, "eds", "atlantic.json");
  const words = ["endpoints", "atlantic", "--format", "envoy", "--file", file, "--control", pair.control];
  assert.equal((await gsf(words)).code, 1, "there is no such folder");
  mkdirSync(dirname(file));
  writeFileSync(file, "{ half of a fi");
  const at = ["--address", "primary=10.0.0.5:5432", "--address", "backup=10.0.0.6:5432"];
  assert.equal((await gsf([...words, ...at])).code, 0);
  const resource = (port: number, address: string): object => ({
    "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
    cluster_name: "atlantic",
    endpoints: [
      {
        lb_endpoints: [
          { endpoint: { address: { socket_address: { address, port_value: port } } }, health_status: "HEALTHY" },
        ],
      },
    ],
  });
  const read = (): object => JSON.parse(readFileSync(file, "utf8"));
  assert.deepEqual(read(), { version_info: "10.0.0.5:5432", resources: [resource(5_432, "10.0.0.5")] });
  for (const wrong of ["primary", "primary=10.0.0.5", "primary=:80", "nobody=10.0.0.5:80"])
    assert.equal((await gsf([...words, "--address", wrong])).code, 2, wrong);
  assert.equal((await gsf([...words, "--address", "primary=db.example:80"])).code, 2, "Envoy takes no names here");
  assert.equal((await gsf(["endpoints", "pacific", ...words.slice(2)])).code, 2);
});
