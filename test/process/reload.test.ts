/**
 * [G4] A running gateway reads its configuration again: by SIGHUP and by `gsf reload`, with
 * stations and callers that are real processes and sockets.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { readdirSync, renameSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { type AddressInfo, createServer as createSocketServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Folder, GsfProcess, gsf } from "./gsf-process.ts";

const LIMIT = { timeout: 240_000 };
/** A service that says its name; `/slow` answers after a while, `/stream` never ends. */
class Service implements AsyncDisposable {
  readonly name: string;
  readonly server: Server;

  constructor(name: string) {
    this.name = name;
    this.server = createServer((message, response) => {
      if (message.url === "/stream") return void response.writeHead(200).write("begun\n");
      setTimeout(() => response.end(name), message.url === "/slow" ? 1_000 : 0);
    });
  }

  async open(): Promise<this> {
    this.server.listen(0, "127.0.0.1");
    await once(this.server, "listening");
    return this;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

interface Group {
  readonly name: string;
  readonly listen: string;
  readonly stations: readonly { readonly name: string; readonly url: string }[];
  readonly more?: string;
}

function fleet(groups: readonly Group[], more = ""): string {
  const written = groups.map(
    ({ name, listen, stations, more: own = "" }) => `
  - name: ${name}
    listen: ${listen}
    heartbeat: { kind: http, path: /healthz, interval: 100ms }
${own}
    stations: ${JSON.stringify(stations)}`,
  );
  return `control: { listen: "127.0.0.1:0" }\ndrain: 2s\ndrainDelay: 0s\n${more}\ngroups:${written.join("")}\n`;
}

interface Status {
  readonly configuration: {
    readonly digest: string;
    readonly hasChangedOnDisk: boolean;
    readonly reloads: number;
    readonly refused: number;
    readonly lastRefusal?: { readonly detail: string };
  };
  readonly groups: Readonly<
    Record<
      string,
      {
        readonly active: string;
        readonly epoch: number;
        readonly stations: readonly { readonly name: string; readonly liveness: string }[];
      }
    >
  >;
}

/** A gateway with two services behind a group `atlantic`. */
class Rig implements AsyncDisposable {
  readonly folder: Folder = new Folder();
  readonly gateway: GsfProcess;
  readonly north: Service;
  readonly south: Service;
  control = "";
  caller = "";

  private constructor(north: Service, south: Service) {
    this.north = north;
    this.south = south;
    this.folder.file("fleet.yaml", fleet([this.atlantic()]));
    this.gateway = new GsfProcess(["run", "--config", `${this.folder.path}/fleet.yaml`, "--json"]);
  }

  static async open(): Promise<Rig> {
    const rig = new Rig(await new Service("north").open(), await new Service("south").open());
    const [line] = await rig.gateway.saying(/^\{"ready":true.*\}$/m);
    const ready = JSON.parse(line) as { control: string; groups: { atlantic: { address: string } } };
    rig.control = ready.control;
    rig.caller = ready.groups.atlantic.address;
    await rig.isAlive("north", "south");
    return rig;
  }

  atlantic(more: Partial<Group> = {}): Group {
    const stations = [this.north, this.south].map(({ name, url }) => ({ name, url }));
    return { name: "atlantic", listen: "127.0.0.1:0", stations, ...more };
  }

  write(text: string): void {
    // At once, as editors do: half a file would be refused.
    renameSync(this.folder.file("fleet.next.yaml", text), join(this.folder.path, "fleet.yaml"));
  }

  async status(): Promise<Status> {
    return (await (await fetch(`${this.control}/v1/status`)).json()) as Status;
  }

  async isAlive(...names: readonly string[]): Promise<void> {
    await this.until(({ groups }) =>
      Object.values(groups).every(({ stations }) =>
        stations.every(({ name, liveness }) => !names.includes(name) || liveness === "alive"),
      ),
    );
  }

  async until(holds: (status: Status) => boolean): Promise<Status> {
    for (let look = 0; look < 600; look++) {
      const status = await this.status();
      if (holds(status)) return status;
      await sleep(50);
    }
    throw new Error(`did not come true: ${JSON.stringify(await this.status())}\n${this.gateway.stderr}`);
  }

  async call(path = "/", at = this.caller): Promise<string> {
    const answer = await fetch(`${at}${path}`);
    const text = await answer.text();
    return answer.status === 200 ? text : `${answer.status} ${text}`;
  }

  async reload(): Promise<{
    readonly code: number | string | null;
    readonly answer: { readonly changes: string[]; readonly lost: string[] };
    readonly stderr: string;
  }> {
    const { code, stdout, stderr } = await gsf(["reload", "--control", this.control, "--json"]);
    return { code, answer: stdout === "" ? { changes: [], lost: [] } : JSON.parse(stdout), stderr };
  }

  /** Sends commands one after the other from several callers until the result is asked for. */
  load(callers = 4): () => Promise<{ readonly answers: Map<string, number>; readonly errors: string[] }> {
    const answers = new Map<string, number>();
    const errors: string[] = [];
    let isOver = false;
    const one = async (): Promise<void> => {
      while (!isOver) {
        const answer = await this.call().catch((error: Error) => {
          errors.push(error.message);
          return "error";
        });
        answers.set(answer, (answers.get(answer) ?? 0) + 1);
        await sleep(2);
      }
    };
    const all = Promise.all(Array.from({ length: callers }, one));
    return async () => {
      isOver = true;
      await all;
      return { answers, errors };
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.gateway[Symbol.asyncDispose]();
    await this.north[Symbol.asyncDispose]();
    await this.south[Symbol.asyncDispose]();
    this.folder[Symbol.dispose]();
  }
}

test(
  "[G4] `gsf reload` of a changed file → says each change; of the same file → none, and nothing happens",
  LIMIT,
  async () => {
    await using rig = await Rig.open();
    const before = await rig.status();
    const same = await rig.reload();
    assert.deepEqual([same.code, same.answer.changes], [0, []]);
    rig.write(fleet([rig.atlantic({ more: "    commands: { deadline: 9s }" })], "callers: { addressRatio: 0.5 }"));
    assert.equal((await rig.status()).configuration.hasChangedOnDisk, true);
    const changed = await rig.reload();
    assert.deepEqual(
      [changed.code, changed.answer.changes],
      [
        0,
        [
          "groups.atlantic.commands.timeoutMs: 30000 → 9000",
          "groups.atlantic.commands.deadlineMs: 30000 → 9000",
          "groups.atlantic.commands.maxWaitMs: 15000 → 9000",
          "callers.addressRatio: 0.75 → 0.5",
        ],
      ],
    );
    const { configuration, groups } = await rig.status();
    assert.deepEqual([configuration.hasChangedOnDisk, configuration.reloads], [false, 2]);
    assert.notEqual(configuration.digest, before.configuration.digest);
    assert.deepEqual([groups["atlantic"]?.epoch, groups["atlantic"]?.active], [1, "north"]);
    assert.equal(await rig.call(), "north");
  },
);

test(
  "[G4] a file with a mistake, by `gsf reload` and by SIGHUP → refused with its line, the old one serves",
  LIMIT,
  async () => {
    await using rig = await Rig.open();
    rig.write(fleet([rig.atlantic({ more: "    commands: { deadline: soon }" })]));
    const { code, stderr } = await rig.reload();
    assert.equal(code, 3);
    assert.match(stderr, /problem:\n {2}\S+:\d+:\d+ groups\[0\]\.commands\.deadline: /);
    rig.gateway.child.kill("SIGHUP");
    const { configuration } = await rig.until((status) => status.configuration.refused === 2);
    assert.deepEqual([configuration.reloads, configuration.hasChangedOnDisk], [0, true]);
    assert.equal(await rig.call(), "north");
  },
);

test(
  "[G4] an address that another program has → the whole reload is refused, also what could be had",
  LIMIT,
  async () => {
    await using rig = await Rig.open();
    const taken = createSocketServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    const listen = `127.0.0.1:${(taken.address() as AddressInfo).port}`;
    const more = "    commands: { deadline: 9s }";
    rig.write(
      fleet([
        rig.atlantic({ more }),
        { ...rig.atlantic(), name: "baltic" },
        { ...rig.atlantic(), name: "pacific", listen },
      ]),
    );
    const { code, stderr } = await rig.reload();
    assert.equal(code, 1);
    assert.ok(stderr.includes(listen), stderr);
    const { groups } = await rig.status();
    assert.deepEqual(Object.keys(groups), ["atlantic"]);
    assert.equal(await rig.call(), "north");
    taken.close();
  },
);

test(
  "[G4] under load: a group comes, an address moves, stations change places and go → no command fails",
  LIMIT,
  async () => {
    await using rig = await Rig.open();
    const { port } = new URL(rig.caller);
    // What is called has to have a fixed address; it is the same listener from then on.
    rig.write(fleet([rig.atlantic(), { ...rig.atlantic(), name: "baltic", listen: "127.0.0.1:0" }]));
    const ended = rig.load();
    assert.equal((await rig.reload()).code, 0);
    await rig.isAlive("north", "south");
    const [north, south] = rig.atlantic().stations as [Group["stations"][0], Group["stations"][0]];
    rig.write(fleet([rig.atlantic({ stations: [south, north] })]));
    assert.equal((await rig.reload()).code, 0);
    await using west = await new Service("west").open();
    rig.write(fleet([rig.atlantic({ stations: [south, { name: "west", url: west.url }] })]));
    await rig.isAlive("south");
    // North is active: south takes over before north goes.
    const { answer } = await rig.reload();
    assert.ok(answer.changes.length > 0);
    await rig.isAlive("west");
    const { answers, errors } = await ended();
    assert.deepEqual(errors, []);
    assert.deepEqual([...answers.keys()].sort(), ["north", "south"]);
    assert.deepEqual([(await rig.status()).groups["atlantic"]?.epoch, new URL(rig.caller).port], [2, port]);
  },
);

test("[G4] a command is out and a stream is open while their station's url changes → both go on", LIMIT, async () => {
  await using rig = await Rig.open();
  const stream = await fetch(`${rig.caller}/stream`);
  const reader = (stream.body as ReadableStream<Uint8Array>).getReader();
  await reader.read();
  let isStreamOver = false;
  const rest = reader.read().finally(() => {
    isStreamOver = true;
  });
  const slow = rig.call("/slow");
  await sleep(100);
  await using moved = await new Service("north, moved").open();
  rig.write(
    fleet([
      rig.atlantic({
        stations: [
          { name: "north", url: moved.url },
          { name: "south", url: rig.south.url },
        ],
      }),
    ]),
  );
  assert.equal((await rig.reload()).code, 0);
  assert.equal(await rig.call(), "north, moved");
  assert.equal(await slow, "north");
  assert.equal(isStreamOver, false);
  await reader.cancel();
  await rest;
});

test(
  "[G2] [G4] a group comes, leaves and comes back by reload → its asynchronous commands are taken, kept and executed",
  LIMIT,
  async () => {
    await using rig = await Rig.open();
    await using west = await new Service("west").open();
    await using east = await new Service("east").open();
    const place = createSocketServer().listen(0, "127.0.0.1");
    await once(place, "listening");
    const listen = `127.0.0.1:${(place.address() as AddressInfo).port}`;
    place.close();
    await once(place, "close");
    const pacific = (...urls: [string, string]): Group => ({
      ...{ name: "pacific", listen },
      stations: [
        { name: "west", url: urls[0] },
        { name: "east", url: urls[1] },
      ],
    });
    // Nobody listens there.
    rig.write(fleet([rig.atlantic(), pacific("http://127.0.0.1:9", "http://127.0.0.1:10")]));
    assert.equal((await rig.reload()).code, 0);
    const headers = { prefer: "respond-async" };
    const accepted = await fetch(`http://${listen}/burn`, { method: "POST", headers, body: "go" });
    assert.equal(accepted.status, 202);
    const location = accepted.headers.get("location") as string;
    rig.write(fleet([rig.atlantic()]));
    assert.equal((await rig.reload()).code, 0);
    rig.write(fleet([rig.atlantic(), pacific(west.url, east.url)]));
    // As long as its commands of before are not over it may not come back.
    for (let again = await rig.reload(); again.code !== 0; again = await rig.reload()) {
      assert.equal(again.code, 1);
      assert.match(again.stderr, /pacific has left a moment ago|in use/);
      await sleep(200);
    }
    const state = async (): Promise<string> => {
      const answer = await fetch(`http://${listen}${location}`);
      return ((await answer.json()) as { state: string }).state;
    };
    for (let look = 0; look < 300 && (await state()) !== "done"; look++) await sleep(50);
    assert.equal(await state(), "done");
    assert.equal(await (await fetch(`http://${listen}${location}/result`)).text(), "west");
  },
);

test(
  "[G4] SIGHUP 100 times in 10 s under load, with changing files → nothing fails, nothing is left",
  LIMIT,
  async () => {
    await using rig = await Rig.open();
    const descriptors = (): number => readdirSync(`/proc/${rig.gateway.child.pid}/fd`).length;
    await rig.call();
    const before = descriptors();
    const ended = rig.load();
    for (let time = 0; time < 100; time++) {
      const group = rig.atlantic({
        more: `    commands: { deadline: ${10 + (time % 5)}s }\n    breaker: { window: ${5 + (time % 3)}s }`,
      });
      const extra: Group = { ...rig.atlantic(), name: `extra-${time}` };
      rig.write(fleet(time % 2 === 0 ? [group, extra] : [group]));
      rig.gateway.child.kill("SIGHUP");
      await sleep(100);
    }
    const { answers, errors } = await ended();
    // A slow machine answers late, and a late read goes to the other station as well.
    assert.deepEqual([errors, [...answers.keys()].filter((name) => name !== "south")], [[], ["north"]]);
    rig.write(fleet([rig.atlantic()]));
    assert.equal((await rig.reload()).code, 0);
    const { groups, configuration } = await rig.status();
    assert.deepEqual([groups["atlantic"]?.epoch, configuration.refused, Object.keys(groups)], [1, 0, ["atlantic"]]);
    assert.ok(configuration.reloads >= 5, `${configuration.reloads} reloads`);
    // Groups that have left end after `drain`, 2 s; their idle connections and their series go with
    // them.
    const left = async (): Promise<string[]> => {
      const metrics = await (await fetch(`${rig.control}/metrics`)).text();
      const more = descriptors() - before;
      return [...metrics.split("\n").filter((line) => line.includes("extra-")), ...(more > 12 ? [`${more} fds`] : [])];
    };
    for (let look = 0; look < 200 && (await left()).length > 0; look++) await sleep(100);
    assert.deepEqual(await left(), []);
  },
);
