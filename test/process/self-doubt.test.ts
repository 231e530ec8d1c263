/**
 * [D7] A gateway that was itself stopped, stalled or had its calendar set accuses nobody for it: a
 * real `gsf run`, real `gsf station`s that beat over UDP, real signals. What it tells is read from
 * its event feed.
 */
import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { test } from "node:test";
import { EventReader } from "./event-reader.ts";
import { Folder, GsfProcess } from "./gsf-process.ts";
import { busyLoop, calendarSteps, garbageCollection } from "./stalls.ts";

/**
 * A test that waits in vain ends. Starting three processes alone can take a minute where the
 * machine has others to serve.
 */
const LIMIT = { timeout: 240_000 };
const INTERVAL_MS = 50;

interface Status {
  readonly heartbeats: { readonly accepted: number };
  readonly groups: Readonly<
    Record<string, { readonly active: string; readonly stations: readonly { name: string; liveness: string }[] }>
  >;
}

/** A gateway and the stations of its one group, beating. */
class Fleet implements AsyncDisposable {
  readonly gateway: GsfProcess;
  readonly stations: ReadonlyMap<string, GsfProcess>;
  readonly control: string;
  readonly events: EventReader;
  readonly #folder: Folder;

  private constructor(
    gateway: GsfProcess,
    stations: ReadonlyMap<string, GsfProcess>,
    control: string,
    events: EventReader,
    folder: Folder,
  ) {
    this.gateway = gateway;
    this.stations = stations;
    this.control = control;
    this.events = events;
    this.#folder = folder;
  }

  /** Resolves when all stations are held to be alive. */
  static async begin(environment: Readonly<Record<string, string>> = {}, detector = "{}"): Promise<Fleet> {
    const folder = new Folder();
    const secret = folder.file("beat.secret", "0123456789abcdef0123456789abcdef");
    const port = await freeDatagramPort();
    const stations = new Map<string, GsfProcess>();
    const lines: string[] = [];
    for (const name of ["primary", "backup"]) {
      const station = new GsfProcess([
        ...["station", "--name", name, "--group", "atlantic", "--listen", "127.0.0.1:0"],
        ...["--heartbeat-to", `127.0.0.1:${port}`, "--secret-file", secret, "--interval", `${INTERVAL_MS}ms`],
      ]);
      stations.set(name, station);
    }
    for (const [name, station] of stations) {
      const [, url] = await station.saying(/listening on (http:\/\/[^,\s]+)/);
      lines.push(`      - { name: ${name}, url: "${url}" }`);
    }
    const config = folder.file(
      "fleet.yaml",
      `
groups:
  - name: atlantic
    listen: 127.0.0.1:0
    stations:
${lines.join("\n")}
    heartbeat: { kind: udp, interval: ${INTERVAL_MS}ms }
    detector: ${detector}
heartbeats: { listen: "127.0.0.1:${port}", secretFile: beat.secret }
control: { listen: "127.0.0.1:0" }
`,
    );
    const gateway = new GsfProcess(["run", "--config", config, "--json"], environment);
    const [ready] = await gateway.saying(/^\{"ready":true.*\}$/m);
    const { control } = JSON.parse(ready) as { control: string };
    await gateway.saying(/primary is alive/);
    await gateway.saying(/backup is alive/);
    return new Fleet(gateway, stations, control, await EventReader.open(control), folder);
  }

  async status(): Promise<Status> {
    return (await (await fetch(`${this.control}/v1/status`)).json()) as Status;
  }

  /** Resolves when the gateway has taken in that many more heartbeats. */
  async hears(more: number): Promise<Status> {
    const from = (await this.status()).heartbeats.accepted;
    for (;;) {
      const status = await this.status();
      if (status.heartbeats.accepted >= from + more) return status;
      // Asked seldom: the stations need the machine as well.
      await passes(INTERVAL_MS);
    }
  }

  /** Stops the gateway's process for `forMs`. */
  async stopGateway(forMs: number): Promise<void> {
    this.gateway.child.kill("SIGSTOP");
    await passes(forMs);
    this.gateway.child.kill("SIGCONT");
  }

  /** Has the preloaded module act, and resolves when it has done so for the `time`th time. */
  async provoke(says: string, time: number): Promise<void> {
    this.gateway.child.kill("SIGUSR2");
    await this.gateway.saying(new RegExp(`(?:${says}[^]*){${time}}`));
  }

  /** Who was declared down or replaced, in sentences. */
  accused(): string[] {
    const declared = this.events.of("declaration").filter(({ to }) => to === "down");
    return [...declared, ...this.events.of("promoted")].map(({ sentence }) => sentence);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.events[Symbol.asyncDispose]();
    await this.gateway[Symbol.asyncDispose]();
    for (const station of this.stations.values()) await station[Symbol.asyncDispose]();
    this.#folder[Symbol.dispose]();
  }
}

/**
 * Time passes in a process that is stopped, or between two questions; no outcome hangs on how much.
 */
function passes(forMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, forMs));
}

async function freeDatagramPort(): Promise<number> {
  const socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  const { port } = socket.address();
  socket.close();
  await once(socket, "close");
  return port;
}

/** A busy machine makes a gateway late by less than a stop of 2 s does. */
function isOfTheStop({ reason, lateByMs }: { readonly reason: string; readonly lateByMs: number }): boolean {
  return reason === "observer-stall" && lateByMs > 1_000;
}

function allAlive({ groups }: Status): boolean {
  return groups["atlantic"]?.stations.every(({ liveness }) => liveness === "alive") === true;
}

test("[D7] stopped for 2 s and continued, it accuses nobody, and says that it was late", LIMIT, async () => {
  await using fleet = await Fleet.begin({}, PATIENT);
  await fleet.hears(40);
  await fleet.stopGateway(2_000);
  await fleet.events.until("abstention", isOfTheStop);
  const status = await fleet.hears(40);
  assert.deepEqual(fleet.accused(), []);
  assert.ok(allAlive(status));
  assert.equal(status.groups["atlantic"]?.active, "primary");
});

test(
  "[D7] a station that dies while the gateway is stopped is declared one interval after it goes on",
  LIMIT,
  async () => {
    await using fleet = await Fleet.begin();
    await fleet.hears(40);
    const stopped = fleet.stopGateway(2_000);
    await fleet.stations.get("primary")?.[Symbol.asyncDispose]();
    await stopped;
    const down = await fleet.events.until("declaration", ({ to }) => to === "down");
    await fleet.events.until("promoted");
    await fleet.events.until("heartbeats-missing", ({ station }) => station === "primary");
    const abstention = fleet.events.of("abstention").find(isOfTheStop);
    assert.ok(abstention !== undefined && down.node === "primary");
    assert.ok(down.atMs >= abstention.untilMs);
    // Generous for a busy machine: what is bounded is that it does not wait for another silence to
    // grow suspicious.
    assert.ok(down.atMs - abstention.atMs < 1_000, `declared ${down.atMs - abstention.atMs} ms after it went on`);
    assert.ok((await fleet.status()).groups["atlantic"]?.active === "backup");
  },
);

/**
 * Silence is declared after 500 ms: less than these stalls, and more than a busy machine keeps a
 * station from beating.
 */
const PATIENT = "{ model: normal, minDeviation: 80ms }";

for (const [cause, environment, detector] of [
  ["busy for 300 ms", busyLoop(300), "{}"],
  ["busy for 600 ms", busyLoop(600), PATIENT],
  ["collecting garbage for 600 ms", garbageCollection(600), PATIENT],
] as const) {
  test(`[D7] ${cause}, five times, it accuses nobody`, LIMIT, async () => {
    await using fleet = await Fleet.begin(environment, detector);
    await fleet.hears(40);
    for (let time = 1; time <= 5; time++) {
      await fleet.provoke("stalled", time);
      await fleet.hears(20);
    }
    assert.ok(fleet.events.of("abstention").length > 0, fleet.gateway.stderr);
    assert.deepEqual(fleet.accused(), []);
    assert.ok(allAlive(await fleet.status()));
  });
}

test("[D7] everything stopped and continued, as by a suspended machine: nobody is accused", LIMIT, async () => {
  await using fleet = await Fleet.begin();
  await fleet.hears(40);
  for (const { child } of [fleet.gateway, ...fleet.stations.values()]) child.kill("SIGSTOP");
  await passes(1_500);
  for (const { child } of fleet.stations.values()) child.kill("SIGCONT");
  fleet.gateway.child.kill("SIGCONT");
  const status = await fleet.hears(40);
  assert.deepEqual(fleet.accused(), []);
  assert.ok(allAlive(status));
});

test(
  "[D7] all silent at once: it doubts itself first and says so, then declares, and promotes nobody",
  LIMIT,
  async () => {
    await using fleet = await Fleet.begin();
    await fleet.hears(40);
    for (const { child } of fleet.stations.values()) child.kill("SIGSTOP");
    const doubt = await fleet.events.until("abstention", ({ reason }) => reason === "observer-isolated");
    for (const name of fleet.stations.keys()) {
      const { atMs } = await fleet.events.until("declaration", ({ node, to }) => node === name && to === "down");
      assert.ok(atMs >= doubt.untilMs, `${name}: down at ${atMs}; nobody was to be until ${doubt.untilMs}`);
    }
    for (const { child } of fleet.stations.values()) child.kill("SIGCONT");
    for (const name of fleet.stations.keys())
      await fleet.events.until("declaration", ({ node, from }) => node === name && from === "down");
    assert.deepEqual(fleet.events.of("promoted"), []);
  },
);

test(
  "[D7] the calendar set an hour ahead and three back changes nothing; a real loss is found as ever",
  LIMIT,
  async () => {
    await using fleet = await Fleet.begin(calendarSteps([1, -3]));
    await fleet.hears(40);
    const order = (reason: string | null): Promise<Response> =>
      fetch(`${fleet.control}/v1/groups/atlantic/maintenance`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ station: "backup", reason }),
      });
    for (const [place, reason] of ["looking at the clock", null].entries()) {
      await fleet.provoke("stepped", place + 1);
      await order(reason);
      await fleet.hears(40);
    }
    const [ahead, back] = fleet.events
      .of("maintenance")
      .map(({ at }) => Math.round((Date.parse(at) - Date.now()) / 3_600_000));
    assert.deepEqual([ahead, back], [1, -2], "the gateway's calendar was set");
    assert.deepEqual(fleet.accused(), []);
    await fleet.stations.get("primary")?.[Symbol.asyncDispose]();
    const { station } = await fleet.events.until("promoted");
    assert.equal(station, "backup");
  },
);
