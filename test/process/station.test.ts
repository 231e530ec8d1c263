/**
 * `gsf station` as a process: what it sends, what it refuses, and that a station which was stopped
 * does not relay what has become too late meanwhile.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { createSocket, type Socket } from "node:dgram";
import { on, once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";

const GSF = fileURLToPath(new URL("../../gateway/bin/gsf.js", import.meta.url));

interface Ground {
  readonly secretFile: string;
  /** Where heartbeats arrive. */
  readonly ear: Socket;
  readonly beatsTo: string;
  /** The service behind, and the paths that reached it. */
  readonly serviceUrl: string;
  readonly reached: string[];
}

async function ground(context: TestContext): Promise<Ground> {
  const directory = mkdtempSync(join(tmpdir(), "gsf-station-"));
  const secretFile = join(directory, "secret");
  writeFileSync(secretFile, "0123456789abcdef0123456789abcdef", { mode: 0o600 });
  const ear = createSocket("udp4");
  ear.bind(0, "127.0.0.1");
  await once(ear, "listening");
  const reached: string[] = [];
  const service = createServer((request, response) => {
    reached.push(request.url ?? "");
    response.end("done");
  });
  const serviceUrl = await listenOn(service);
  context.after(() => {
    ear.close();
    service.close();
    service.closeAllConnections();
    rmSync(directory, { recursive: true });
  });
  return { secretFile, ear, beatsTo: `127.0.0.1:${ear.address().port}`, serviceUrl, reached };
}

async function listenOn(server: Server): Promise<string> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function start(context: TestContext, args: readonly string[]): ChildProcess {
  const child = spawn(process.execPath, [GSF, "station", ...args], { stdio: ["ignore", "pipe", "pipe", "ipc"] });
  context.after(() => child.kill("SIGKILL"));
  return child;
}

async function startStation(
  context: TestContext,
  { secretFile, beatsTo, serviceUrl }: Ground,
  about: readonly string[] = ["--relay-to", serviceUrl],
) {
  const child = start(context, [
    ...["--name", "north", "--group", "uplink", "--listen", "127.0.0.1:0", ...about],
    ...["--heartbeat-to", beatsTo, "--secret-file", secretFile],
  ]);
  const errors = createInterface({ input: child.stderr as NodeJS.ReadableStream });
  const log = on(errors, "line");

  const [line] = (await once(createInterface({ input: child.stdout as NodeJS.ReadableStream }), "line")) as [string];
  const url = /listening on (http:\/\/[^,]+),/.exec(line)?.[1];
  assert.ok(url, line);
  /** The next line of its log. */
  const logged = async (): Promise<string> => ((await log.next()).value as [string])[0];
  return { child, url, logged };
}

/** Heartbeats that arrive in so many ms. */
async function beatsIn(ear: Socket, ms: number): Promise<number> {
  let beats = 0;
  const count = (): number => beats++;
  ear.on("message", count);
  const over = Promise.withResolvers<void>();
  setTimeout(over.resolve, ms);
  await over.promise;
  ear.off("message", count);
  return beats;
}

/** Exit code and standard error of a station that is not expected to run. */
async function refusal(context: TestContext, args: readonly string[]): Promise<{ code: number | null; text: string }> {
  const child = start(context, args);
  let text = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    text += chunk;
  });
  const [code] = (await once(child, "close")) as [number | null];
  return { code, text };
}

test("it beats for its service, and ends when whoever started it is gone", async (t) => {
  const at = await ground(t);
  const { child } = await startStation(t, at);
  for (let beat = 0; beat < 3; beat++) await once(at.ear, "message");
  const ended = once(child, "exit");
  child.disconnect();
  assert.deepEqual(await ended, [0, null]);
});

test("with --check it beats only while the page answers 2xx or 3xx, and its log says when it stops and resumes", async (t) => {
  const at = await ground(t);
  let status = 503;
  const page = createServer((_request, response) => response.writeHead(status).end());
  const pageUrl = `${await listenOn(page)}/healthz`;
  t.after(() => {
    page.close();
    page.closeAllConnections();
  });
  const { logged } = await startStation(t, at, ["--check", pageUrl, "--check-interval", "50ms"]);
  assert.match(await logged(), /healthz answered 503.*not beating/);
  assert.equal(await beatsIn(at.ear, 200), 0, "not before the service has shown that it lives");
  status = 302;
  assert.match(await logged(), /the service lives: beating/);
  await once(at.ear, "message");
  status = 404;
  assert.match(await logged(), /healthz answered 404.*not beating/);
  assert.equal(await beatsIn(at.ear, 300), 0);
});

test("with --relay-to alone it beats only while the service takes connections", async (t) => {
  const at = await ground(t);
  const service = createServer();
  const serviceUrl = await listenOn(service);
  const { logged } = await startStation(t, at, ["--relay-to", serviceUrl, "--check-interval", "50ms"]);
  assert.match(await logged(), /the service lives: beating/);
  await once(at.ear, "message");
  service.close();
  service.closeAllConnections();
  // Reset: the check that was under way when it closed.
  assert.match(await logged(), /connection (refused|reset).*not beating/);
  assert.equal(await beatsIn(at.ear, 300), 0);
});

test("with neither it says that its heartbeats prove only itself, and beats", async (t) => {
  const at = await ground(t);
  const { logged } = await startStation(t, at, []);
  assert.match(await logged(), /prove only that this process runs; give --check URL/);
  await once(at.ear, "message");
});

test("it ends on SIGTERM", async (t) => {
  const { child } = await startStation(t, await ground(t));
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  assert.deepEqual(await ended, [0, null]);
});

test("[F4] woken after it was stopped, it drops commands whose deadline passed meanwhile and relays the others", async (t) => {
  const at = await ground(t);
  const { child, url } = await startStation(t, at);
  assert.equal((await fetch(`${url}/first`)).status, 200);
  child.kill("SIGSTOP");
  const late = fetch(`${url}/late`, { headers: { "x-time-left-ms": "400" } });
  const inTime = fetch(`${url}/in-time`, { headers: { "x-time-left-ms": "60000" } });
  // The kernel takes both in; the first one's deadline passes while nobody reads them.
  const passed = Promise.withResolvers<void>();
  setTimeout(passed.resolve, 1_000);
  await passed.promise;
  child.kill("SIGCONT");
  assert.equal((await inTime).status, 200);
  assert.equal((await late).status, 504);
  assert.deepEqual(at.reached, ["/first", "/in-time"]);
  const { counts } = (await (await fetch(`${url}/healthz`)).json()) as { counts: { droppedLate: number } };
  assert.equal(counts.droppedLate, 1);
});

test("[G6] bad flags, a missing secret and a busy port end it with a sentence and a documented exit code", async (t) => {
  const at = await ground(t);
  const common = ["--name", "north", "--group", "uplink", "--heartbeat-to", at.beatsTo];
  const busy = new URL(at.serviceUrl).host;
  const cases: ReadonlyArray<readonly [code: number, says: RegExp, args: readonly string[]]> = [
    [2, /--listen.*host:port/s, [...common, "--listen", "nowhere", "--secret-file", at.secretFile]],
    [2, /--listen.*host:port/s, [...common, "--listen", "256.1.1.1:80", "--secret-file", at.secretFile]],
    [
      2,
      /--interval.*5ms to 60s/s,
      [...common, "--listen", "127.0.0.1:0", "--interval", "1ms", "--secret-file", at.secretFile],
    ],
    [
      2,
      /--heartbeat-to.*1 to 65535/s,
      ["--name", "n", "--group", "g", "--listen", "a:0", "--heartbeat-to", "a:0", "--secret-file", "s"],
    ],
    ...["http://a:0", "http://a..b", "http:\\\\a", "http://0.0.0.0:1"].map(
      (url) =>
        [
          2,
          /--relay-to.*address of a service/s,
          [...common, "--listen", "a:1", "--relay-to", url, "--secret-file", "s"],
        ] as const,
    ),
    [
      2,
      /--check.*address of a service/s,
      [...common, "--listen", "a:1", "--check", "http://a\t:1", "--secret-file", "s"],
    ],
    [
      2,
      /it would relay to itself/,
      [...common, "--listen", ":9001", "--relay-to", "http://localhost:9001", "--secret-file", at.secretFile],
    ],
    [3, /secret-file .*missing/, [...common, "--listen", "127.0.0.1:0", "--secret-file", `${at.secretFile}-missing`]],
    [4, /port is in use/, [...common, "--listen", busy, "--secret-file", at.secretFile]],
  ];
  const results = await Promise.all(cases.map(([, , args]) => refusal(t, args)));
  for (const [place, { code, text }] of results.entries()) {
    const [expected, says] = cases[place] as (typeof cases)[number];
    assert.match(text, says);
    assert.equal(code, expected, text);
  }
});
