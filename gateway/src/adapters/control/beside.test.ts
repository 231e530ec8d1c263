/**
 * What balancers are told of a station, over real sockets: the `active` page and HAProxy's agent
 * checks, in front of the real composition with stations that exist only in memory. How a real
 * HAProxy acts on it is in `test/process/beside.test.ts`.
 */
import assert from "node:assert/strict";
import { connect } from "node:net";
import { test } from "node:test";
import type { VirtualClock } from "ground-station-failover/sim";
import { type ProbedPair, probedPair } from "../../../../test/worlds/probed-pair.ts";
import { dutyOf } from "../../fleet/station-duty.ts";
import { createLog } from "../telemetry/log.ts";
import { answerActive, askedStation } from "./active-page.ts";
import { type AgentCheckListener, listenForAgentChecks } from "./agent-check.ts";
import { ControlServer } from "./control-server.ts";

class Beside implements AsyncDisposable {
  readonly pair: ProbedPair = probedPair();
  readonly control: ControlServer;
  readonly #stop = new AbortController();
  #agent: AgentCheckListener | undefined;
  #running: Promise<void> | undefined;

  private constructor() {
    const { groups } = this.pair.gateway;
    const serve = (): never => assert.fail("the page must not wait for its turn");
    this.control = new ControlServer({ maxConnections: 20, isReady: () => true, groups, serve });
  }

  /** `heard`: the stations have answered already. */
  static async open({ heard = true, maxConnections = 256 } = {}): Promise<Beside> {
    const beside = new Beside();
    const { gateway, clock } = beside.pair;
    beside.#running = gateway.run(beside.#stop.signal);
    if (heard) await clock.advanceBy(5_000);
    await new Promise<void>((resolve) => beside.control.server.listen(0, "127.0.0.1", resolve));
    beside.#agent = await listenForAgentChecks({
      listen: { host: "127.0.0.1", port: 0 },
      groups: gateway.groups,
      clock,
      maxConnections,
      log: createLog({ level: "info", json: true, to: { write: () => undefined } }),
    });
    return beside;
  }

  get clock(): VirtualClock {
    return this.pair.clock;
  }

  get agentPort(): number {
    return (this.#agent as AgentCheckListener).address.port;
  }

  get group() {
    const group = this.pair.gateway.groups.get("atlantic");
    assert.ok(group !== undefined);
    return group;
  }

  /** The first line of the answer to `request` at the control listener. */
  async ask(request: string): Promise<string> {
    const { port } = this.control.server.address() as { readonly port: number };
    return (await exchange(port, request)).split("\r\n")[0] ?? "";
  }

  /** The statuses of both stations' pages. */
  async pages(): Promise<string[]> {
    const of = async (station: string): Promise<string> =>
      (await this.ask(`GET ${page(station)} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`)).slice(9, 12);
    return [await of("primary"), await of("backup")];
  }

  /** The agent's words for both stations. */
  async words(): Promise<string[]> {
    const of = (station: string): Promise<string> => exchange(this.agentPort, `atlantic/${station}\n`);
    return [await of("primary"), await of("backup")];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
    await this.#agent?.[Symbol.asyncDispose]();
    this.control.cutAll();
    await new Promise<void>((resolve) => this.control.server.close(() => resolve()));
  }
}

const page = (station: string): string => `/v1/groups/atlantic/stations/${station}/active`;

/** Sends `text` and reads to the end; empty if the connection is cut. */
function exchange(port: number, text: string): Promise<string> {
  return new Promise((resolve) => {
    let got = "";
    const socket = connect({ host: "127.0.0.1", port }, () => socket.write(text));
    socket.setEncoding("utf8");
    socket.on("data", (piece: string) => {
      got += piece;
    });
    socket.on("error", () => undefined);
    socket.once("close", () => resolve(got));
  });
}

test("[G9] the primary falls silent → its page says 503, that of the backup 200", async () => {
  await using beside = await Beside.open();
  assert.deepEqual(await beside.pages(), ["200", "503"]);
  beside.pair.silent.add("primary");
  await beside.clock.advanceBy(2_000);
  assert.deepEqual(await beside.pages(), ["503", "200"]);
  beside.pair.silent.add("backup");
  await beside.clock.advanceBy(2_000);
  assert.deepEqual(await beside.pages(), ["503", "503"]);
});

test("[G9] GET, HEAD and OPTIONS of balancers, HTTP/1.0 without a host → answered alike, without a token", async () => {
  await using beside = await Beside.open();
  for (const request of [
    `GET ${page("primary")} HTTP/1.0`,
    `HEAD ${page("primary")} HTTP/1.0`,
    `OPTIONS ${page("primary")} HTTP/1.0`,
    `OPTIONS ${page("primary")}?from=haproxy HTTP/1.1\r\nhost: balancer.example\r\nconnection: close`,
    `GET http://gsf.example${page("primary")} HTTP/1.1\r\nhost: gsf.example\r\nconnection: close`,
  ])
    assert.match(await beside.ask(`${request}\r\n\r\n`), /^HTTP\/1\.1 200 /, request);
  for (const path of ["/v1/groups/pacific/stations/primary/active", page("nobody"), page("constructor")])
    assert.match(await beside.ask(`GET ${path} HTTP/1.0\r\n\r\n`), /^HTTP\/1\.1 404 /, path);
  for (const [method, url] of [
    ["POST", page("primary")],
    ["GET", `${page("primary")}/`],
    ["GET", "/v1/groups/a/b/stations/c/active"],
    ["OPTIONS", "*"],
  ])
    assert.equal(askedStation({ method, url } as Parameters<typeof askedStation>[0]), undefined, `${method} ${url}`);
});

test("[G9] agent checks → the words that HAProxy takes for each duty of a station", async () => {
  await using beside = await Beside.open();
  assert.deepEqual(await beside.words(), ["up ready 100%\n", "up drain\n"]);
  await beside.group.switchover("backup", "test");
  assert.deepEqual(await beside.words(), ["up drain\n", "up ready 100%\n"]);
  beside.group.setMaintenance("primary", "new disk", 60_000);
  assert.deepEqual(await beside.words(), ["maint\n", "up ready 100%\n"]);
  beside.group.setDrain({ reason: "move", refusesAtMs: 0, untilMs: 1e9 });
  assert.deepEqual(await beside.words(), ["maint\n", "up drain\n"]);
  beside.group.setDrain(undefined);
  beside.pair.silent.add("backup");
  await beside.clock.advanceBy(2_000);
  assert.deepEqual(await beside.words(), ["maint\n", "ready down #not eligible\n"]);
});

test("[G9] the only fit station is put into maintenance → it goes on serving, and balancers are told so", async () => {
  await using beside = await Beside.open();
  beside.pair.silent.add("backup");
  await beside.clock.advanceBy(2_000);
  beside.group.setMaintenance("primary", "new disk", 60_000);
  await beside.clock.advanceBy(1_000);
  assert.equal(dutyOf(beside.group, "primary"), "serving");
});

test("[G9] a gateway that has heard no station yet → agent checks change nothing, and no page says active", async () => {
  await using beside = await Beside.open({ heard: false });
  assert.deepEqual(await beside.words(), ["\n", "\n"]);
  assert.deepEqual(await beside.pages(), ["503", "503"]);
});

test("[G9] agent checks without sense or without end → an answer that says so, or the connection is cut in time", async () => {
  await using beside = await Beside.open({ maxConnections: 3 });
  const { agentPort: port } = beside;
  for (const asked of ["\n", "atlantic\n", "atlantic/nobody\n", "GET / HTTP/1.1\r\n", `${"x".repeat(100_000)}`])
    assert.match(await exchange(port, asked), /^ready down #no such group/, asked.slice(0, 20));
  assert.equal(await exchange(port, " atlantic/primary \r\nand more\n"), "up ready 100%\n");
  const silent = Array.from({ length: 5 }, () => exchange(port, "atlantic/"));
  assert.equal(await exchange(port, "atlantic/primary\n"), "up ready 100%\n");
  // Those above the limit are cut at once, the others when their time is over.
  while (beside.clock.nowMs() < 60_000) {
    await beside.clock.advanceBy(1_000);
    await new Promise(setImmediate);
  }
  assert.deepEqual(await Promise.all(silent), ["", "", "", "", ""]);
});

test("[G9] a thousand groups checked once a second → the pages take a small part of a core", async () => {
  await using beside = await Beside.open();
  const groups = new Map([["atlantic", beside.group]]);
  const response = { writeHead: () => ({ end: () => undefined }) } as unknown as Parameters<typeof answerActive>[0];
  const before = process.cpuUsage();
  for (let checks = 0; checks < 1_000; checks++)
    for (const station of ["primary", "backup"])
      answerActive(response, askedStation({ method: "GET", url: page(station) } as never) ?? assert.fail(), groups);
  const { user, system } = process.cpuUsage(before);
  assert.ok(user + system < 300_000, `${user + system} µs for 2,000 checks`);
});
