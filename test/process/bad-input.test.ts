/**
 * What a person does wrong, and what the program answers: a sentence that names file, line, field
 * or option and what is allowed, a documented exit code, and never a stack. And what the network
 * does wrong while it runs: it stays up.
 */
import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { connect, createServer } from "node:net";
import { test } from "node:test";
import { type Ended, Folder, GsfProcess, gsf } from "./gsf-process.ts";

const GOOD = `
groups:
  - name: atlantic
    listen: 127.0.0.1:0
    stations:
      - { name: primary, url: "http://127.0.0.1:9001" }
      - { name: backup, url: "http://127.0.0.1:9002" }
control: { listen: "127.0.0.1:0" }
heartbeats: { listen: "127.0.0.1:0", secretEnv: BEATS }
`;
const ENVIRONMENT = { BEATS: "0123456789abcdef" };

function assertRefused(ended: Ended, code: number, ...patterns: RegExp[]): void {
  assert.equal(ended.code, code, ended.stderr);
  for (const pattern of patterns) assert.match(ended.stderr, pattern);
  assert.doesNotMatch(ended.stderr, /\n {4}at /, "a stack is shown for a mistake of the user");
}

test("[G6] wrong usage: exit code 2, the option named, and what is allowed", async () => {
  const cases: Array<[args: string[], pattern: RegExp]> = [
    [["run"], /required option '-c, --config <file>'/],
    [["run", "--config", "x", "--log-level", "loud"], /--log-level.*Allowed choices are debug, info, warn/],
    [["run", "--config", "x", "--jsn"], /unknown option '--jsn'[\s\S]*--json/],
    [["rum"], /unknown command 'rum'[\s\S]*run/],
    [["status", "--control", "ftp://x"], /--control.*allowed is an address such as http:/],
  ];
  await Promise.all(cases.map(async ([args, pattern]) => assertRefused(await gsf(args), 2, pattern)));
  const help = await gsf(["--help"]);
  assert.equal(help.code, 0);
  assert.match(help.stdout, /Exit codes:\n +0 +done/);
});

test("[G6] wrong configuration: exit code 3, every problem with its line", async () => {
  using folder = new Folder();
  const config = folder.file("fleet.yaml", GOOD.replace("name: backup", "nme: backup").replace("9002", "9002/x"));
  for (const command of [
    ["run", "--config", config],
    ["check-config", config],
  ]) {
    const ended = await gsf(command, ENVIRONMENT);
    assertRefused(
      ended,
      3,
      /fleet\.yaml has 3 problems:/,
      /fleet\.yaml:7:11 groups\[0\]\.stations\[1\]\.nme: there is no such field \(did you mean name\?\)/,
    );
    assert.match(ended.stderr, /fleet\.yaml:7:\d+ groups\[0\]\.stations\[1\]\.url: /);
  }
  assertRefused(
    await gsf(["run", "--config", "/nowhere.yaml"]),
    3,
    /cannot read \/nowhere\.yaml: there is no such file/,
  );
  const checked = await gsf(["check-config", "--json", config], ENVIRONMENT);
  assert.equal(checked.code, 3);
  assert.equal(JSON.parse(checked.stdout).problems.length, 3);
  assert.deepEqual(
    JSON.parse((await gsf(["check-config", "--json", folder.file("good.yaml", GOOD)], ENVIRONMENT)).stdout),
    {
      valid: true,
      groups: 1,
      stations: 2,
      warnings: [],
    },
  );
});

test("[G6] a busy port: exit code 4, the listener named, and nothing left half-started", async () => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
  const { port } = taken.address() as { port: number };
  using folder = new Folder();
  try {
    for (const [place, source] of [
      [
        /listen 127\.0\.0\.1:\d+ \(group atlantic\): the port is in use/,
        GOOD.replace("127.0.0.1:0", `127.0.0.1:${port}`),
      ],
      [
        /listen 127\.0\.0\.1:\d+ \(control\): the port is in use/,
        GOOD.replace('control: { listen: "127.0.0.1:0"', `control: { listen: "127.0.0.1:${port}"`),
      ],
      [
        /listen 203\.0\.113\.7:80 \(group atlantic\): this machine has no such address/,
        GOOD.replace("127.0.0.1:0", "203.0.113.7:80"),
      ],
    ] as const) {
      const ended = await gsf(["run", "--config", folder.file("fleet.yaml", source)], ENVIRONMENT);
      assertRefused(ended, 4, place);
      assert.doesNotMatch(ended.stdout, /ready/);
    }
  } finally {
    taken.close();
  }
});

test("no gateway there: exit code 5, and which one was asked", async () => {
  const ended = await gsf(["status", "--control", "http://127.0.0.1:1"]);
  assertRefused(ended, 5, /no answer from http:\/\/127\.0\.0\.1:1: .*is the gateway running/);
});

test("[G6] malformed requests and datagrams are answered or counted, and the gateway stays up", async () => {
  using folder = new Folder();
  await using gateway = new GsfProcess(["run", "--config", folder.file("fleet.yaml", GOOD), "--json"], ENVIRONMENT);
  const [line] = await gateway.saying(/^\{"ready":true.*\}$/m);
  const ready = JSON.parse(line) as { control: string; groups: { atlantic: { address: string } }; heartbeats: string };
  for (const address of [ready.groups.atlantic.address, ready.control]) {
    for (const bytes of [
      "\u0016\u0003\u0001",
      "GET / HTTP/1.1\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
    ]) {
      assert.match(await answerTo(new URL(address), bytes), /^HTTP\/1\.1 4\d\d /, JSON.stringify(bytes));
    }
  }
  const bad = await fetch(ready.groups.atlantic.address, { headers: { "idempotency-key": "x".repeat(300) } });
  assert.equal(bad.status, 400);
  assert.match(((await bad.json()) as { detail: string }).detail, /Idempotency-Key.*256/);

  const socket = createSocket("udp4");
  const [host, port] = ready.heartbeats.split(":") as [string, string];
  for (let size = 0; size < 200; size += 20) {
    await new Promise((resolve) => socket.send(Buffer.alloc(size, 7), Number(port), host, resolve));
  }
  socket.close();
  const counted = (text: string): number =>
    [...text.matchAll(/gsf_heartbeats_total\{result="(?:malformed|forged)"\} (\d+)/g)].reduce(
      (sum, match) => sum + Number(match[1]),
      0,
    );
  // A datagram has no answer to wait for: ask until it has been counted.
  while (counted(await (await fetch(`${ready.control}/metrics`)).text()) === 0);
  assert.equal((await fetch(`${ready.control}/healthz`)).status, 200);
  assert.equal(gateway.child.exitCode, null);
});

/** Everything that comes back for `bytes` until the other side closes. */
function answerTo(address: URL, bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = "";
    const socket = connect(Number(address.port), address.hostname, () => socket.write(bytes));
    socket.setEncoding("utf8");
    socket.on("data", (piece: string) => {
      answer += piece;
    });
    socket.once("close", () => resolve(answer));
    socket.once("error", reject);
  });
}
