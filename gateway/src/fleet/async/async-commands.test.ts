/**
 * Asynchronous commands of a group on a virtual clock: a store in memory that can fail and crash,
 * and a station that executes a key once.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, test } from "node:test";
import { CallAbortedError, NoEligibleStationError, seededRandom } from "ground-station-failover";
import { VirtualClock } from "ground-station-failover/sim";
import { groupSettings } from "../../../../test/process/proxy-rig.ts";
import { CrashingRecords } from "../../../../test/worlds/crashing-records.ts";
import type { CommandTerms } from "../command.ts";
import type { AsyncEvent } from "../group-events.ts";
import type { AsyncSettings } from "../settings.ts";
import type { CommandReply, CommandRequest } from "../uplink.ts";
import { type Acceptance, AsyncCommands } from "./async-commands.ts";
import type { AsyncTerms, CommandPriority } from "./async-terms.ts";

const WALL_MS = 1_800_000_000_000;
const SETTINGS: AsyncSettings = {
  ...{ maxQueued: 100, maxResults: 100, maxBytes: 1_000_000, keepResultMs: 86_400_000 },
  ...{ expireAfterMs: 3_600_000, maxInFlight: 4 },
};
const TERMS: AsyncTerms = { waitMs: 0, priority: "command", expiresAfterMs: undefined };

function reply(status: number, body = ""): CommandReply {
  const bytes = new TextEncoder().encode(body);
  return {
    ...{ status, statusText: "", json: undefined, trailers: [] },
    headers: [["content-type", "text/plain"]],
    body: { kind: "bytes", bytes },
  };
}

function posts(target: string, body = "go", headers: [string, string][] = []): CommandRequest {
  return { method: "POST", target, headers, body: { kind: "bytes", bytes: new TextEncoder().encode(body) } };
}

/** An attempt whose end tells nothing. */
const OUT = new Promise<CommandReply>(() => undefined);

type Sent = {
  readonly target: string;
  readonly request: CommandRequest;
  readonly terms: CommandTerms;
  readonly atMs: number;
};

class World {
  readonly clock = new VirtualClock(500);
  readonly settings: AsyncSettings;
  readonly events: AsyncEvent[] = [];
  readonly sent: Sent[] = [];
  /** Keys that the station has executed, and how often. */
  readonly executed = new Map<string, number>();
  readonly ambiguousKeyed: "resend" | "report";
  answer: (sent: Sent, signal: AbortSignal) => Promise<CommandReply> = async () => reply(200, "done");
  waiting = 0;
  store: CrashingRecords;
  commands: AsyncCommands;
  #stop = new AbortController();
  #ids = 0;

  constructor(settings: Partial<AsyncSettings> = {}, ambiguousKeyed: "resend" | "report" = "resend") {
    this.settings = { ...SETTINGS, ...settings };
    this.ambiguousKeyed = ambiguousKeyed;
    this.store = new CrashingRecords({ clock: this.clock });
    this.commands = this.#process();
  }

  #process(): AsyncCommands {
    const base = groupSettings([1, 2]);
    const commands = new AsyncCommands({
      settings: { ...base, name: "atlantic", commands: { ...base.commands, ambiguousKeyed: this.ambiguousKeyed } },
      async: this.settings,
      clock: this.clock,
      random: seededRandom("async"),
      records: this.store,
      wallNowMs: () => WALL_MS + this.clock.nowMs(),
      newId: () => `id${++this.#ids}`,
      digestOf: (parts) => {
        const hash = createHash("sha256");
        for (const part of parts) hash.update(part).update("\n");
        return hash.digest("hex");
      },
      send: async (request, terms, signal) => {
        const sent = { target: request.target, request, terms, atMs: this.clock.nowMs() };
        this.sent.push(sent);
        return this.answer(sent, signal);
      },
      belongsToAnother: () => false,
      waiting: () => this.waiting,
      onEvent: (event) => this.events.push(event),
    });
    void commands.run(this.#stop.signal);
    return commands;
  }

  /** Executes as a station that knows keys. */
  executes({ terms, request }: Sent): CommandReply {
    request.trace?.noteAttempt("north", 1, OUT, () => 0);
    const key = terms.idempotencyKey as string;
    if (!this.executed.has(key)) this.executed.set(key, 1);
    return reply(200, `executed ${key}`);
  }

  /** kill -9, and the next process on what was durable. */
  crash(keepsPending?: (place: number) => boolean): void {
    this.store = this.store.crashed(keepsPending);
    this.#stop = new AbortController();
    this.commands = this.#process();
  }

  accept(target: string, terms: Partial<AsyncTerms> = {}, request: Partial<CommandRequest> = {}): Promise<Acceptance> {
    return this.within(this.commands.accept({ ...posts(target), ...request }, { ...TERMS, ...terms }));
  }

  async accepted(target: string, terms: Partial<AsyncTerms> = {}, request: Partial<CommandRequest> = {}) {
    const acceptance = await this.accept(target, terms, request);
    assert.equal(acceptance.type, "accepted");
    return acceptance.type === "accepted" ? acceptance.view.id : "";
  }

  /** Lets time pass until `promise` is settled. */
  async within<T>(promise: Promise<T>): Promise<T> {
    let isOver = false;
    const over = (): void => {
      isOver = true;
    };
    promise.then(over, over);
    for (let step = 0; !isOver && step < 10_000; step++) await this.passes(1);
    return promise;
  }

  async passes(ms: number): Promise<void> {
    await this.clock.advanceBy(ms);
    for (let turn = 0; turn < 20; turn++) await Promise.resolve();
  }

  state(id: string) {
    return this.commands.view(id).then((view) => view?.state);
  }
}

async function codeOf(acceptance: Promise<Acceptance>): Promise<string | undefined> {
  const given = await acceptance;
  return given.type === "problem" ? `${given.problem.status} ${given.problem.code}` : undefined;
}

describe("[G2] acceptance", () => {
  test("a command → durable before it is acknowledged, then executed, and its answer is kept", async () => {
    const world = new World();
    world.answer = async (sent) => world.executes(sent);
    const acceptance = world.commands.accept(posts("/a"), TERMS);
    await Promise.resolve();
    assert.equal(world.store.commits, 0);
    const accepted = await world.within(acceptance);
    assert.equal(accepted.type, "accepted");
    assert.equal(world.store.commits, 1);
    const id = accepted.type === "accepted" ? accepted.view.id : "";
    await world.passes(20);
    const view = await world.commands.view(id);
    assert.equal(view?.state, "done");
    assert.equal(view?.status, 200);
    assert.equal(view?.attempts, 1);
    const answer = await world.commands.answer(id);
    assert.match(new TextDecoder().decode(answer?.body), /^executed gsf-/);
    assert.equal(world.store.tables.get("async-requests")?.size, 0);
  });

  for (const [refusal, expected] of [
    ["full", "503 STORE_FULL"],
    ["busy", "503 STORE_BUSY"],
    ["failed", "503 STORE_FAILED"],
    ["closed", "503 STORE_CLOSED"],
  ] as const) {
    test(`store ${refusal} → ${expected}, and nothing is sent`, async () => {
      const world = new World();
      world.store.refusal = refusal;
      assert.equal(await codeOf(world.accept("/a")), expected);
      world.store.refusal = undefined;
      await world.passes(10_000);
      assert.equal(world.sent.length, 0);
      assert.deepEqual(
        world.events.map(({ type }) => type),
        ["async-refused"],
      );
    });
  }

  test("a full store has room again → commands are accepted again, under the same key too", async () => {
    const world = new World();
    const keyed = posts("/a", "go", [["idempotency-key", "k"]]);
    world.store.refusal = "full";
    assert.equal(await codeOf(world.accept("/a", {}, keyed)), "503 STORE_FULL");
    world.store.refusal = undefined;
    await world.accepted("/a", {}, keyed);
  });

  test("same key and command → the same id, at the same time too; another body → 422", async () => {
    const world = new World();
    const keyed = (body: string): CommandRequest => posts("/a", body, [["Idempotency-Key", "k"]]);
    const [one, two] = await world.within(
      Promise.all([world.commands.accept(keyed("go"), TERMS), world.commands.accept(keyed("go"), TERMS)]),
    );
    assert.ok(one?.type === "accepted" && two?.type === "accepted");
    assert.equal(one.view.id, two.view.id);
    assert.deepEqual([one.isNew, two.isNew], [true, false]);
    assert.equal(await codeOf(world.accept("", {}, keyed("stop"))), "422 KEY_REUSED");
    await world.passes(50);
    const again = await world.accept("", {}, keyed("go"));
    assert.ok(again.type === "accepted" && again.view.state === "done");
    assert.equal(world.sent.length, 1);
  });

  test("two callers with the same key → two commands, also after a crash; the same caller again → the same one", async () => {
    const world = new World();
    const of = (caller: string): CommandRequest =>
      posts("/a", "go", [
        ["Idempotency-Key", "k"],
        ["Authorization", caller],
      ]);
    const ids = [await world.accepted("", {}, of("A")), await world.accepted("", {}, of("B"))];
    assert.notEqual(ids[0], ids[1]);
    await world.passes(50);
    assert.equal(world.sent.length, 2);
    world.crash();
    assert.deepEqual([await world.accepted("", {}, of("A")), await world.accepted("", {}, of("B"))], ids);
  });

  test("queue full → 503 with a time, emergencies have a reserve", async () => {
    const world = new World({ maxQueued: 20 });
    world.answer = () => new Promise(() => undefined);
    for (let n = 0; n < 18; n++) await world.accepted(`/${n}`, { priority: "telemetry" });
    assert.equal(await codeOf(world.accept("/t", { priority: "telemetry" })), "503 ASYNC_QUEUE_FULL");
    await world.accepted("/c");
    assert.equal(await codeOf(world.accept("/c")), "503 ASYNC_QUEUE_FULL");
    await world.accepted("/e", { priority: "emergency" });
    assert.equal(await codeOf(world.accept("/e", { priority: "emergency" })), "503 ASYNC_QUEUE_FULL");
  });

  test("no room for results → refused, unless some were read", async () => {
    const world = new World({ maxResults: 3 });
    const ids = [await world.accepted("/1"), await world.accepted("/2"), await world.accepted("/3")];
    await world.passes(50);
    assert.equal(await codeOf(world.accept("/4")), "503 ASYNC_RESULTS_FULL");
    world.commands.noteFetched(ids[1] as string);
    await world.accepted("/4");
    assert.deepEqual(await Promise.all(ids.map((id) => world.state(id))), ["done", undefined, "done"]);
    assert.equal(world.store.tables.get("async-commands")?.has(`atlantic/${ids[1]}`), false);
  });

  test("no room for its bytes → 413 or 503", async () => {
    const world = new World({ maxBytes: 5_000 });
    world.answer = () => new Promise(() => undefined);
    assert.equal(await codeOf(world.accept("/1", {}, posts("/1", "x".repeat(5_000)))), "413 REQUEST_TOO_LARGE");
    await world.accepted("/1", {}, posts("/1", "x".repeat(2_000)));
    assert.equal(await codeOf(world.accept("/2", {}, posts("/2", "x".repeat(2_000)))), "503 ASYNC_BYTES_FULL");
  });
});

describe("[G2] order, expiry, cancellation", () => {
  test("by priority, then by age", async () => {
    const world = new World({ maxInFlight: 1 });
    const gate = Promise.withResolvers<void>();
    world.answer = () => gate.promise.then(() => reply(204));
    const priorities: CommandPriority[] = ["telemetry", "telemetry", "command", "emergency", "command", "emergency"];
    for (const [place, priority] of priorities.entries()) await world.accepted(`/${place}-${priority}`, { priority });
    gate.resolve();
    await world.passes(200);
    assert.deepEqual(
      world.sent.map(({ target }) => target),
      ["/0-telemetry", "/3-emergency", "/5-emergency", "/2-command", "/4-command", "/1-telemetry"],
    );
  });

  test("expired before it was sent → never sent, also after a restart", async () => {
    const world = new World({ maxInFlight: 1 });
    world.answer = () => new Promise(() => undefined);
    await world.accepted("/first");
    const id = await world.accepted("/second", { expiresAfterMs: 5_000 });
    await world.passes(5_100);
    const view = await world.commands.view(id);
    assert.deepEqual([view?.state, view?.outcomeUnknown, view?.attempts], ["expired", false, 0]);
    world.crash();
    await world.passes(10_000);
    assert.equal(await world.state(id), "expired");
    assert.ok(!world.sent.some(({ target }) => target === "/second"));
    assert.equal(world.events.filter(({ type }) => type === "async-expired").length, 1);
  });

  test("the time left of the caller → the expiry; the station is told what is left", async () => {
    const world = new World();
    const id = await world.accepted("/a", {}, posts("/a", "go", [["x-time-left-ms", "4000"]]));
    const view = await world.commands.view(id);
    assert.equal((view?.expiresAtMs ?? 0) - (view?.acceptedAtMs ?? 0), 4_000);
    await world.passes(20);
    assert.ok((world.sent[0]?.terms.timeLeftMs ?? 0) <= 4_000);
  });

  test("cancelled while it waits → never sent; once it was sent → too late", async () => {
    const world = new World({ maxInFlight: 1 });
    const gate = Promise.withResolvers<void>();
    world.answer = async (sent) => {
      sent.request.trace?.noteAttempt("north", 1, OUT, () => 0);
      await gate.promise;
      return reply(204);
    };
    const first = await world.accepted("/first");
    const second = await world.accepted("/second");
    await world.passes(10);
    assert.equal((await world.within(world.commands.cancel(second)))?.type, "cancelled");
    assert.equal((await world.within(world.commands.cancel(first)))?.type, "too-late");
    gate.resolve();
    await world.passes(50);
    assert.equal(await world.state(first), "done");
    assert.equal((await world.within(world.commands.cancel(first)))?.type, "too-late");
    world.crash();
    await world.passes(50);
    assert.equal(await world.state(second), "cancelled");
    assert.deepEqual(
      world.sent.map(({ target }) => target),
      ["/first"],
    );
    assert.equal(await world.commands.cancel("nobody"), undefined);
  });

  test("cancelled while it waits for a station in the failover → its wait ends, nothing was sent", async () => {
    const world = new World();
    world.answer = (_sent, signal) =>
      new Promise((_resolve, reject) =>
        signal.addEventListener("abort", () => reject(new CallAbortedError(signal.reason))),
      );
    const id = await world.accepted("/a");
    await world.passes(10);
    assert.equal(await world.state(id), "running");
    assert.equal((await world.within(world.commands.cancel(id)))?.type, "cancelled");
    await world.passes(10_000);
    assert.equal(world.sent.length, 1);
  });
});

describe("[G2] rounds", () => {
  test("no eligible station → again until one serves", async () => {
    const world = new World();
    let refusals = 3;
    world.answer = async (sent) => {
      if (refusals-- > 0) throw new NoEligibleStationError("nobody");
      return world.executes(sent);
    };
    const id = await world.accepted("/a");
    await world.passes(60_000);
    const view = await world.commands.view(id);
    assert.deepEqual([view?.state, view?.attempts, world.sent.length], ["done", 1, 4]);
  });

  for (const status of [408, 425, 429, 502, 503, 504]) {
    test(`${status} → sent again under the same key`, async () => {
      const world = new World();
      world.answer = async (sent) => (world.sent.length < 3 ? reply(status) : world.executes(sent));
      const id = await world.accepted("/a");
      await world.passes(10_000);
      assert.equal((await world.commands.view(id))?.status, 200);
      assert.equal(new Set(world.sent.map(({ terms }) => terms.idempotencyKey)).size, 1);
    });
  }

  for (const status of [200, 204, 303, 400, 404, 409, 422, 501]) {
    test(`${status} → that is the answer`, async () => {
      const world = new World();
      world.answer = async () => reply(status, "word");
      const id = await world.accepted("/a");
      await world.passes(100_000);
      assert.equal((await world.commands.view(id))?.status, status);
      assert.equal(world.sent.length, 1);
    });
  }

  test("always 500 → the answer after eight rounds", async () => {
    const world = new World();
    world.answer = async () => reply(500, "bug");
    const id = await world.accepted("/a");
    await world.passes(600_000);
    const view = await world.commands.view(id);
    assert.deepEqual([view?.state, view?.status, world.sent.length], ["done", 500, 8]);
  });

  test("503 with Retry-After → not before that", async () => {
    const world = new World();
    const asks = { ...reply(503), headers: [["retry-after", "20"]] } as const;
    world.answer = async () => (world.sent.length < 2 ? asks : reply(200));
    await world.accepted("/a");
    await world.passes(30_000);
    const [first, second] = world.sent.map(({ atMs }) => atMs) as [number, number];
    assert.ok(second - first >= 20_000 && second - first < 21_000, `${second - first}`);
  });

  test("ambiguous commands are reported → lost in flight or at a kill, it fails with an unknown outcome", async () => {
    const world = new World({}, "report");
    const lost = Object.assign(new Error("reset"), { code: "ECONNRESET", syscall: "read" });
    world.answer = async ({ request }) => {
      request.trace?.noteAttempt("north", 1, OUT, () => 0);
      throw lost;
    };
    const id = await world.accepted("/a");
    await world.passes(100);
    const view = await world.commands.view(id);
    assert.deepEqual([view?.state, view?.outcomeUnknown], ["failed", true]);
    world.answer = () => new Promise(() => undefined);
    const killed = await world.accepted("/b");
    await world.passes(100);
    assert.equal(world.sent.length, 2);
    world.crash();
    await world.passes(100_000);
    const after = await world.commands.view(killed);
    assert.deepEqual([after?.state, after?.outcomeUnknown, world.sent.length], ["failed", true, 2]);
  });
});

describe("[G1] kill at any commit", () => {
  for (let after = 0; after < 24; after++) {
    for (const isKept of [false, true]) {
      test(`after commit ${after}, the pending ones ${isKept ? "kept" : "lost"} → nothing acknowledged is lost or doubled`, async () => {
        const world = new World({ maxInFlight: 2 });
        world.answer = async (sent) => {
          await world.clock.sleepUntil(world.clock.nowMs() + 2);
          return world.executes(sent);
        };
        let left = after;
        let isDown = false;
        world.store.onCommit = () => {
          if (left-- > 0) return;
          isDown = true;
        };
        const acknowledged: string[] = [];
        for (let n = 0; n < 8; n++) {
          void world.commands.accept(posts(`/${n}`), TERMS).then((acceptance) => {
            if (acceptance.type === "accepted" && !isDown) acknowledged.push(acceptance.view.id);
          });
        }
        for (let ms = 0; ms < 100 && !isDown; ms++) await world.passes(1);
        world.crash(() => isKept);
        await world.passes(5_000);
        for (const id of acknowledged) assert.equal(await world.state(id), "done", id);
        assert.ok([...world.executed.values()].every((times) => times === 1));
        assert.ok(world.executed.size >= acknowledged.length);
      });
    }
  }
});

describe("[F6] pace", () => {
  test("a long queue after an outage → one at first, more with each answer, never more than the bound", async () => {
    const world = new World({ maxInFlight: 8 });
    let out = 0;
    const most: number[] = [];
    let isUp = false;
    world.answer = async (sent) => {
      if (!isUp) throw new NoEligibleStationError("nobody");
      most.push(++out);
      await world.clock.sleepUntil(world.clock.nowMs() + 10);
      out--;
      return world.executes(sent);
    };
    for (let n = 0; n < 60; n++) await world.accepted(`/${n}`);
    isUp = true;
    world.commands.notePromotion();
    await world.passes(20_000);
    assert.equal(world.executed.size, 60);
    assert.equal(most[0], 1);
    assert.ok(Math.max(...most) <= 8);
  });

  test("live commands wait → only one a second goes, and emergencies", async () => {
    const world = new World({ maxInFlight: 8 });
    for (let n = 0; n < 10; n++) await world.accepted(`/warm-${n}`);
    await world.passes(100);
    world.waiting = 5;
    world.sent.length = 0;
    for (let n = 0; n < 20; n++) await world.accepted(`/${n}`, { priority: "telemetry" });
    for (let n = 0; n < 3; n++) await world.accepted(`/urgent-${n}`, { priority: "emergency" });
    await world.passes(3_500);
    assert.equal(world.sent.filter(({ target }) => target.startsWith("/urgent")).length, 3);
    assert.ok(world.sent.length - 3 >= 3 && world.sent.length - 3 <= 5, String(world.sent.length));
    world.waiting = 0;
    await world.passes(200);
    assert.equal(world.sent.length, 23);
  });
});

describe("[G2] results", () => {
  test("kept for a stated time, then forgotten in the store, too", async () => {
    const world = new World({ keepResultMs: 60_000 });
    const id = await world.accepted("/a");
    await world.passes(59_000);
    assert.equal(await world.state(id), "done");
    await world.passes(2_000);
    assert.equal(await world.state(id), undefined);
    for (const table of world.store.tables.values()) assert.equal(table.size, 0);
  });

  test("the store is full when a result comes → told only when it is durable, then without its body", async () => {
    const world = new World();
    world.answer = async (sent) => {
      world.store.refusal = "full";
      return world.executes(sent);
    };
    const id = await world.accepted("/a");
    await world.passes(3_000);
    assert.equal(await world.state(id), "running");
    world.store.refusal = undefined;
    await world.passes(2_000);
    assert.equal(await world.state(id), "done");
    assert.equal(world.sent.length, 1);
  });

  test("a waiting caller → told as soon as it has ended, or when its time is over", async () => {
    const world = new World();
    const gate = Promise.withResolvers<void>();
    world.answer = () => gate.promise.then(() => reply(204));
    const id = await world.accepted("/a");
    const signal = new AbortController().signal;
    assert.equal((await world.within(world.commands.settled(id, 100, signal)))?.state, "running");
    const waits = world.commands.settled(id, 10_000, signal);
    gate.resolve();
    const beforeMs = world.clock.nowMs();
    assert.equal((await world.within(waits))?.state, "done");
    assert.ok(world.clock.nowMs() - beforeMs < 100);
  });

  test("a damaged request → the command fails, and the others go on", async () => {
    const world = new World({ maxInFlight: 1 });
    world.answer = () => new Promise(() => undefined);
    await world.accepted("/first");
    const damaged = await world.accepted("/second");
    world.crash();
    world.store.tables.get("async-requests")?.set(`atlantic/${damaged}`, new Uint8Array([1, 2]));
    world.store.tables.get("async-commands")?.set("atlantic/zzz", new Uint8Array([1, 2]));
    world.crash();
    world.answer = async (sent) => world.executes(sent);
    await world.passes(10_000);
    assert.equal(await world.state(damaged), "failed");
    assert.equal(world.executed.size, 1);
    const restored = world.events.find(({ type }) => type === "async-restored");
    assert.ok(restored?.type === "async-restored" && restored.commands === 2);
  });
});
