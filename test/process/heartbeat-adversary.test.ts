/**
 * Heartbeats that are not what they should be, at a real `gsf run` over real datagrams: floods of
 * recordings and of noise while a station starts, a second process under a station's name, and what
 * must not be taken for one.
 */
import assert from "node:assert/strict";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { systemClock } from "ground-station-failover";
import { HeartbeatCodec } from "../../gateway/src/adapters/heartbeats/heartbeat-codec.ts";
import { HeartbeatSender } from "../../gateway/src/adapters/heartbeats/heartbeat-sender.ts";
import { Folder, GsfProcess } from "./gsf-process.ts";

/**
 * A test that waits in vain ends. Starting three processes alone can take a minute where the
 * machine has others to serve.
 */
const LIMIT = { timeout: 240_000 };
const SECRET = "0123456789abcdef0123456789abcdef";
const GROUP = "atlantic";

interface StationStatus {
  readonly name: string;
  readonly liveness: string;
  readonly nameConflict?: { readonly between: readonly string[]; readonly sinceMs: number };
}

interface Status {
  readonly heartbeats: Readonly<Record<string, number>>;
  readonly groups: {
    readonly [GROUP]: { readonly active: string; readonly stations: readonly StationStatus[] };
  };
}

/** Two services that answer with their name, and a gateway that expects heartbeats of both. */
class Ground implements AsyncDisposable {
  readonly gateway: GsfProcess;
  readonly control: string;
  readonly callers: string;
  readonly heartbeats: { readonly host: string; readonly port: number };
  /** Services that take requests and do not answer, as a process that was stopped. */
  readonly hanging: Set<string>;
  readonly #parts: AsyncDisposableStack;

  private constructor(parts: AsyncDisposableStack, hanging: Set<string>, gateway: GsfProcess, ready: string) {
    const { control, groups, heartbeats } = JSON.parse(ready) as {
      control: string;
      groups: { [GROUP]: { address: string } };
      heartbeats: string;
    };
    this.#parts = parts;
    this.hanging = hanging;
    this.gateway = gateway;
    this.control = control;
    this.callers = groups[GROUP].address;
    const [host, port] = heartbeats.split(":") as [string, string];
    this.heartbeats = { host, port: Number(port) };
  }

  static async begin(): Promise<Ground> {
    const hanging = new Set<string>();
    const parts = new AsyncDisposableStack();
    const folder = parts.use(new Folder());
    folder.file("beat.secret", SECRET);
    const stations: string[] = [];
    for (const name of ["primary", "backup"]) {
      const service = createServer((_request, response) => {
        if (!hanging.has(name)) response.end(name);
      }).listen(0, "127.0.0.1");
      await once(service, "listening");
      parts.defer(() => {
        service.close();
        service.closeAllConnections();
      });
      stations.push(`{ name: ${name}, url: "http://127.0.0.1:${(service.address() as AddressInfo).port}" }`);
    }
    const config = folder.file(
      "fleet.yaml",
      `
groups: [{ name: ${GROUP}, listen: "127.0.0.1:0", stations: [${stations.join(", ")}], detector: { gracePeriod: 1h } }]
heartbeats: { listen: "127.0.0.1:0", secretFile: beat.secret }
control: { listen: "127.0.0.1:0" }
`,
    );
    const gateway = parts.use(new GsfProcess(["run", "--config", config, "--json"]));
    const [ready] = await gateway.saying(/^\{"ready":true.*\}$/m);
    return new Ground(parts, hanging, gateway, ready);
  }

  /** A process that beats as `station`, until the test ends or it is stopped. */
  beats(station: string, port: number = this.heartbeats.port): HeartbeatSender & Disposable {
    const sender = new HeartbeatSender({
      group: GROUP,
      station,
      secrets: [Buffer.from(SECRET)],
      target: { host: this.heartbeats.host, port },
      intervalMs: 50,
      epochSeen: () => 0,
      clock: systemClock,
    });
    sender.start();
    this.#parts.defer(() => sender.stop());
    return Object.assign(sender, { [Symbol.dispose]: () => sender.stop() });
  }

  async socket(): Promise<Socket> {
    const socket = createSocket("udp4");
    socket.bind(0, "127.0.0.1");
    await once(socket, "listening");
    this.#parts.defer(() => void socket.close());
    return socket;
  }

  /** Runs `act` after `ms`, unless the test is over by then. */
  later(ms: number, act: () => void): void {
    const timer = systemClock.at(systemClock.nowMs() + ms, act);
    this.#parts.use(timer);
  }

  /** Sends what `next` gives, 2,400 in a second, until it is disposed. */
  flood(from: readonly Socket[], next: (count: number) => Buffer): Disposable & { readonly sent: number } {
    let sent = 0;
    const startedMs = systemClock.nowMs();
    const timer = setInterval(() => {
      const due = Math.min(2.4 * (systemClock.nowMs() - startedMs), sent + 100);
      while (sent < due) {
        const socket = from[sent % from.length] as Socket;
        socket.send(next(sent++), this.heartbeats.port, this.heartbeats.host, () => undefined);
      }
    }, 1);
    const flooding = {
      get sent() {
        return sent;
      },
      [Symbol.dispose]: () => clearInterval(timer),
    };
    this.#parts.use(flooding);
    return flooding;
  }

  async status(): Promise<Status> {
    return (await (await fetch(`${this.control}/v1/status`)).json()) as Status;
  }

  async station(name: string): Promise<StationStatus> {
    const found = (await this.status()).groups[GROUP].stations.find((station) => station.name === name);
    assert.ok(found !== undefined);
    return found;
  }

  async metric(name: string): Promise<number> {
    const text = await (await fetch(`${this.control}/metrics`)).text();
    const line = text.split("\n").find((one) => one.startsWith(`${name} `));
    assert.ok(line !== undefined, `there is no series ${name}`);
    return Number(line.slice(name.length + 1));
  }

  /** Resolves when `holds` does; rejects with what was seen last after `withinMs`. */
  async until(what: string, holds: (status: Status) => boolean, withinMs = 60_000): Promise<void> {
    const endMs = systemClock.nowMs() + withinMs;
    for (;;) {
      const status = await this.status();
      if (holds(status)) return;
      assert.ok(systemClock.nowMs() < endMs, `in ${withinMs} ms not ${what}: ${JSON.stringify(status.heartbeats)}`);
      await systemClock.sleepUntil(systemClock.nowMs() + 20);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.disposeAsync();
  }
}

const liveness = (status: Status, name: string): string | undefined =>
  status.groups[GROUP].stations.find((station) => station.name === name)?.liveness;

const codec = new HeartbeatCodec({ shared: [Buffer.from(SECRET)], own: new Map() });
/**
 * What somebody may have recorded of sessions of before: `challenge` is empty in their opening
 * beats.
 */
const recorded = (session: string, challenge: string, sequence: number): Buffer =>
  codec.encode({
    ...{ type: "beat", group: GROUP, station: "primary", session, challenge, sequence },
    ...{ sentAtMs: 1, epochSeen: 0 },
  });

/**
 * How long a datagram takes from a station to the gateway, or back: about as long as across a
 * continent.
 */
const PATH_MS = 25;

/**
 * Somebody on the way between a station and its gateway, who passes everything on and keeps what he
 * has seen.
 */
class Path {
  readonly port: number;
  readonly seen: Buffer[] = [];
  #station: { readonly port: number; readonly address: string } | undefined;

  constructor(ground: Ground, near: Socket, far: Socket) {
    this.port = near.address().port;
    const { host, port } = ground.heartbeats;
    near.on("message", (datagram, from) => {
      this.#station = from;
      this.seen.push(datagram);
      ground.later(PATH_MS, () => far.send(datagram, port, host));
    });
    far.on("message", (datagram) => {
      const to = this.#station;
      if (to !== undefined) ground.later(PATH_MS, () => near.send(datagram, to.port, to.address));
    });
  }
}

for (const [flood, next] of [
  ["recorded opening beats of 500 sessions", (count: number) => recorded(`old${count % 500}`, "", 1)],
  ["the opening beats of that very station", (count: number, { seen }: Path) => seen[count % 3] ?? Buffer.alloc(1)],
  ["recorded beats from the middle of sessions", (count: number) => recorded(`old${count % 9}`, "of before", count)],
  ["garbage", (count: number) => Buffer.alloc(1 + (count % 512), count)],
] as const) {
  test(`[G6] ${flood}, 2,400 a second from 50 ports: a station that starts is heard, and stays`, LIMIT, async () => {
    await using ground = await Ground.begin();
    ground.beats("backup");
    const path = new Path(ground, await ground.socket(), await ground.socket());
    const sockets = await Promise.all(Array.from({ length: 50 }, () => ground.socket()));
    using flooding = ground.flood(sockets, (count) => next(count, path));
    await ground.until("flooded", () => flooding.sent > 5_000);
    ground.beats("primary", path.port);
    await ground.until("alive", (status) => liveness(status, "primary") === "alive", 20_000);
    const { accepted = 0 } = (await ground.status()).heartbeats;
    await ground.until("beating on", ({ heartbeats }) => (heartbeats["accepted"] ?? 0) > accepted + 100);
    assert.equal((await ground.status()).groups[GROUP].active, "primary");
  });
}

test("[B9] a second process under a station's name: told, seen, and no sign of life", LIMIT, async () => {
  await using ground = await Ground.begin();
  assert.equal(await ground.metric(`gsf_name_conflicts_total{group="${GROUP}",station="primary"}`), 0);
  assert.equal(await ground.metric(`gsf_station_name_conflict{group="${GROUP}",station="primary"}`), 0);
  ground.beats("backup");
  const primary = ground.beats("primary");
  await ground.until("both alive", (status) =>
    ["primary", "backup"].every((name) => liveness(status, name) === "alive"),
  );
  const twin = ground.beats("primary");
  const [, first, second] = await ground.gateway.saying(
    /two processes send heartbeats as primary, from (127\.0\.0\.1:\d+) and (127\.0\.0\.1:\d+): neither proves/,
  );
  assert.notEqual(first, second);
  const { between = [] } = (await ground.station("primary")).nameConflict ?? {};
  assert.deepEqual(between.toSorted(), [first, second].toSorted());
  assert.equal(await ground.metric(`gsf_name_conflicts_total{group="${GROUP}",station="primary"}`), 1);
  assert.equal(await ground.metric(`gsf_station_name_conflict{group="${GROUP}",station="primary"}`), 1);
  // The true one dies; its twin beats on.
  primary.stop();
  await ground.until("the backup is active", (status) => status.groups[GROUP].active === "backup");
  assert.equal(await (await fetch(ground.callers)).text(), "backup");
  twin.stop();
  // The fault is mended: one process beats, and is believed after a while.
  ground.beats("primary");
  await ground.until("alive again", (status) => liveness(status, "primary") === "alive");
  assert.equal((await ground.station("primary")).nameConflict, undefined);
  assert.match(ground.gateway.stderr, /only one process sends heartbeats as primary again/);
  assert.equal(await ground.metric(`gsf_station_name_conflict{group="${GROUP}",station="primary"}`), 0);
});

test("[B9] a primary that hangs beside its twin is replaced, whichever began first", LIMIT, async () => {
  await using ground = await Ground.begin();
  ground.beats("backup");
  const primary = ground.beats("primary");
  await ground.until("both alive", (status) =>
    ["primary", "backup"].every((name) => liveness(status, name) === "alive"),
  );
  for (let call = 0; call < 100; call++) assert.equal(await (await fetch(ground.callers)).text(), "primary");
  // It hangs, and its twin begins before the silence can be noticed: to its heartbeats, this is a
  // restart.
  ground.hanging.add("primary");
  primary.stop();
  ground.beats("primary");
  // Heartbeats cannot tell; calls do, and none of them is lost.
  while ((await ground.status()).groups[GROUP].active === "primary") {
    const answers = Array.from({ length: 5 }, async () => (await fetch(ground.callers)).text());
    assert.deepEqual(new Set(await Promise.all(answers)), new Set(["backup"]));
  }
  // The process wakes: its twin is seen for what it is.
  primary.start();
  await ground.gateway.saying(/two processes send heartbeats as primary/);
  await ground.until("the primary is down", (status) => liveness(status, "primary") === "down");
  // It hangs again. The twin beats on, is believed after a while, and changes nothing.
  primary.stop();
  await ground.until("the twin is believed", (status) => liveness(status, "primary") === "alive");
  assert.equal(await (await fetch(ground.callers)).text(), "backup");
  assert.equal((await ground.status()).groups[GROUP].active, "backup");
});

test("[B9] restarts, as quick as they may be, are no conflict and no silence", LIMIT, async () => {
  await using ground = await Ground.begin();
  ground.beats("backup");
  let primary = ground.beats("primary");
  await ground.until("alive", (status) => liveness(status, "primary") === "alive");
  for (let start = 0; start < 20; start++) {
    primary.stop();
    primary = ground.beats("primary");
    const { accepted = 0 } = (await ground.status()).heartbeats;
    await ground.until("beating on", ({ heartbeats }) => (heartbeats["accepted"] ?? 0) > accepted + 4);
  }
  assert.equal(await ground.metric(`gsf_name_conflicts_total{group="${GROUP}",station="primary"}`), 0);
  assert.equal((await ground.status()).groups[GROUP].active, "primary");
});
