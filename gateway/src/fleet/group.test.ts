/**
 * What a group hands on to the library: every setting as it is written, every duration on the
 * group's own clock. The clock here begins far from 0 and its process can stand still; stations
 * answer as each test says.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ObserverHealth, seededRandom } from "ground-station-failover";
import { VirtualClock } from "ground-station-failover/sim";
import { type Changes, groupSettings } from "../../../test/process/proxy-rig.ts";
import { StallingClock } from "../../../test/worlds/stalling-clock.ts";
import type { CommandTerms } from "./command.ts";
import { Group } from "./group.ts";
import type { GroupEvent } from "./group-events.ts";
import type { KeyStatusSettings } from "./settings.ts";
import type { CommandReply, CommandRequest, SendContext, Uplink } from "./uplink.ts";

const BEAT_MS = 50;
const START_MS = 1_000_000;

function reply(status: number, json?: unknown): CommandReply {
  return { status, statusText: "", headers: [], body: { kind: "bytes", bytes: new Uint8Array() }, json, trailers: [] };
}

/** As a station that is gone: its machine refuses the connection. */
function refused(): Promise<never> {
  return Promise.reject(Object.assign(new Error("refused"), { code: "ECONNREFUSED" }));
}

const SILENCE = new Promise<never>(() => undefined);

/** Beats every 50 ms, quick to judge: what a test is not about is out of its way. */
const QUICK: Changes = {
  heartbeat: { kind: "udp", intervalMs: BEAT_MS },
  detector: { model: "normal", threshold: 8, logThreshold: 3, minDeviationMs: 10, ceilingMs: 10_000 },
  supervisor: { suspectThreshold: 5, clearThreshold: 2, sustainMs: 0, minDwellMs: 100, gracePeriodMs: 1_000 },
};

/** Events of a type, also where that is one of several of a kind. */
type Told<Type extends GroupEvent["type"]> = GroupEvent extends infer One
  ? One extends { readonly type: infer Types }
    ? Type extends Types
      ? One
      : never
    : never
  : never;

class Setting implements AsyncDisposable {
  readonly world: VirtualClock = new VirtualClock(START_MS);
  readonly clock: StallingClock = new StallingClock(this.world);
  readonly group: Group;
  readonly events: GroupEvent[] = [];
  readonly sent: { readonly station: string; readonly atMs: number; readonly context: SendContext }[] = [];
  /** Whose heartbeats arrive, where they are pushed. */
  readonly beating: Set<string> = new Set(["north", "south"]);
  answer: (station: string) => Promise<CommandReply> = () => Promise.resolve(reply(200));
  probes = 0;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;

  constructor(changes: Changes = {}, uplink: Partial<Uplink> = {}, observer = new ObserverHealth()) {
    this.group = new Group({
      settings: groupSettings([1, 2], { ...QUICK, ...changes }),
      clock: this.clock,
      random: seededRandom(1),
      observer,
      uplinkOf: ({ name }) => ({
        name,
        send: (_request, context) => {
          this.sent.push({ station: name, atMs: this.clock.nowMs(), context });
          return this.answer(name);
        },
        probe: () => {
          this.probes++;
          return Promise.resolve(200);
        },
        ...uplink,
      }),
    });
    this.group.onEvent((event) => this.events.push(event));
    for (const name of this.beating) this.#beat(name, 1);
    this.#running = this.group.run(this.#stop.signal);
  }

  #beat(name: string, sequence: number): void {
    if (this.#stop.signal.aborted) return;
    if (this.beating.has(name)) this.group.noteHeartbeat(name, { sequence }, 0);
    this.world.at(this.world.nowMs() + BEAT_MS, () => this.#beat(name, sequence + 1));
  }

  passes(ms: number): Promise<void> {
    return this.world.advanceBy(ms);
  }

  call(terms: Partial<CommandTerms> = {}, signal = new AbortController().signal): Promise<CommandReply | Error> {
    const request: CommandRequest = { method: "POST", target: "/", headers: [], body: { kind: "none" } };
    const all = { idempotencyKey: undefined, idempotent: false, timeLeftMs: undefined, ...terms };
    return this.group.handle(request, all, signal).catch((error: Error) => error);
  }

  /** Commands that are answered at once. */
  async serves(commands: number): Promise<void> {
    for (let command = 0; command < commands; command++) await this.world.runUntilSettled(this.call());
  }

  told<Type extends GroupEvent["type"]>(type: Type): readonly Told<Type>[] {
    return this.events.filter((event) => event.type === type) as readonly GroupEvent[] as readonly Told<Type>[];
  }

  station(name: string): ReturnType<Setting["all"]>[number] {
    const station = this.all().find((one) => one.name === name);
    assert.ok(station !== undefined);
    return station;
  }

  all(): Group["status"]["stations"] {
    return this.group.status.stations;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }
}

const codeOf = (end: CommandReply | Error): unknown =>
  end instanceof Error ? (end as { code?: string }).code : end.status;

describe("[F7] what a group says of failback", () => {
  test("the hold-down is the one that is set, counted from proven health to the beginning of the return", async () => {
    await using at = new Setting({ failback: { mode: "automatic", holdDownMs: 12_345 } });
    await at.passes(5_000);
    at.beating.delete("north");
    await at.passes(3_000);
    assert.equal(at.group.activeStation, "south");
    at.beating.add("north");
    await at.passes(20_000);
    const back = at.told("declaration").findLast(({ node, to }) => node === "north" && to === "alive");
    const [begun] = at.told("handover-begun");
    assert.ok(back !== undefined && begun !== undefined);
    assert.equal(begun.atMs - back.atMs, 12_345);
    assert.equal(at.station("north").holdDownMs, 12_345);
  });

  test("manual: a primary that is well again waits for ever", async () => {
    await using at = new Setting({ failback: { mode: "manual", holdDownMs: 100 } });
    await at.passes(5_000);
    at.beating.delete("north");
    await at.passes(3_000);
    at.beating.add("north");
    await at.passes(60_000);
    assert.deepEqual([at.group.activeStation, at.told("handover-begun").length], ["south", 0]);
  });
});

describe("[D7] what a group says of how long it may distrust itself", () => {
  /** How long it abstains after it has stood still for `ms`. */
  async function abstention(heartbeat: Changes["heartbeat"], ms: number): Promise<number | undefined> {
    await using at = new Setting({ ...(heartbeat && { heartbeat }) });
    await at.passes(5_000);
    at.clock.stall(ms);
    await at.passes(100);
    const [late] = at.told("abstention").filter(({ reason }) => reason === "observer-stall");
    return late && late.untilMs - late.atMs;
  }

  test("pushed heartbeats: for one interval of them", async () => {
    assert.equal(await abstention({ kind: "udp", intervalMs: 60 }, 3_000), 60);
    assert.equal(await abstention({ kind: "udp", intervalMs: 500 }, 3_000), 500);
  });

  test("pulled ones: for as long as an answer may take, if that is longer", async () => {
    const pulled = { kind: "http", path: "/health" } as const;
    assert.equal(await abstention({ ...pulled, intervalMs: 60, timeoutMs: 700 }, 3_000), 700);
    assert.equal(await abstention({ ...pulled, intervalMs: 600, timeoutMs: 70 }, 3_000), 600);
  });

  test("the log of missing heartbeats, too, trusts itself again after one interval", async () => {
    await using at = new Setting({ supervisor: { ...groupSettings([]).supervisor, sustainMs: 60_000 } });
    await at.passes(5_000);
    at.beating.delete("north");
    at.clock.stall(3_000);
    await at.passes(600);
    const missing = at.told("heartbeats-missing").find(({ station }) => station === "north");
    assert.ok(missing !== undefined && missing.atMs < START_MS + 5_000 + 3_000 + 300, JSON.stringify(missing));
  });
});

describe("[D6] what a group says of silence", () => {
  /** How north was declared down when it fell silent. */
  async function down(detector: Partial<Group["settings"]["detector"]>): Promise<Told<"declaration">> {
    await using at = new Setting({ detector: { ...(QUICK.detector as Group["settings"]["detector"]), ...detector } });
    await at.passes(5_000);
    at.beating.delete("north");
    await at.passes(20_000);
    const { lastDetectionMs } = at.group.quality()["north"] ?? {};
    const declaration = at.told("declaration").find(({ node, to }) => node === "north" && to === "down");
    assert.ok(declaration !== undefined);
    assert.equal(lastDetectionMs, declaration.silentForMs, "what is measured of detection is that silence");
    return declaration;
  }

  test("threshold: the level at which it is declared", async () => {
    const { level, silentForMs = 0 } = await down({ threshold: 20 });
    assert.ok(level >= 20 && level < 21 && silentForMs < 1_000, `${level} after ${silentForMs} ms`);
  });

  test("ceiling: the silence that is declared whatever the level", async () => {
    const { silentForMs } = await down({ threshold: 1e9, ceilingMs: 4_000 });
    assert.equal(silentForMs, 4_000);
  });

  test("observer: what another group of this process hears shows that silence is the stations' own", async () => {
    for (const isHeardElsewhere of [true, false]) {
      const observer = new ObserverHealth();
      await using at = new Setting({}, {}, observer);
      const heardMs = (): number => (isHeardElsewhere ? at.clock.nowMs() : Number.NEGATIVE_INFINITY);
      observer.add({ newestMs: heardMs, expected: () => 2 });
      await at.passes(5_000);
      at.beating.clear();
      await at.passes(2_000);
      const isInDoubt = at.told("abstention").some(({ reason }) => reason === "observer-isolated");
      assert.equal(isInDoubt, !isHeardElsewhere);
    }
  });

  test("pulled heartbeats: a probe that this machine could not send → no accusation until the next was answered", async () => {
    const heartbeat = { kind: "http", path: "/health", intervalMs: 100, timeoutMs: 300 } as const;
    let isShort = false;
    const short = (): Promise<number> => Promise.reject(Object.assign(new Error("none left"), { code: "EMFILE" }));
    await using at = new Setting({ heartbeat }, { probe: () => (isShort ? short() : Promise.resolve(200)) });
    at.beating.clear();
    await at.passes(5_000);
    assert.equal(at.group.probeOf("north")?.isWell, true);
    isShort = true;
    await at.passes(150);
    const [told] = at.told("abstention");
    assert.deepEqual([told?.reason, (told?.untilMs ?? 0) - (told?.atMs ?? 0)], ["own-shortage", 400]);
    const { meanMs } = at.group.quality()["north"] ?? {};
    assert.ok(meanMs !== undefined && Math.abs(meanMs - 100) < 5, String(meanMs));
  });
});

describe("[R2] what a group says of the retry budget", () => {
  test("commands count for as long as its window, and allow so many retries as its ratio says", async () => {
    await using at = new Setting({
      retry: { maxAttempts: 2, baseMs: 10, budgetRatio: 0.5, budgetWindowMs: 3_000 },
    });
    await at.passes(1_000);
    await at.serves(40);
    await at.passes(2_700);
    const { budget } = at.station("north");
    assert.deepEqual([budget?.calls, budget?.allowed], [40, 20]);
    await at.passes(400);
    assert.equal(at.station("north").budget?.calls, 0);
  });

  test("maxAttempts and base: so often, and so far apart, is a command tried where nobody else can serve it", async () => {
    await using at = new Setting({ retry: { maxAttempts: 4, baseMs: 4_000, budgetRatio: 1, budgetWindowMs: 10_000 } });
    at.beating.delete("south");
    await at.passes(3_000);
    // A route that is served as a rule is worth another try.
    for (let command = 0; command < 10; command++)
      await at.world.runUntilSettled(at.call({ idempotencyKey: `${command}`, source: "a" }));
    at.sent.length = 0;
    at.answer = () => Promise.resolve(reply(500));
    const end = await at.world.runUntilSettled(at.call({ idempotencyKey: "k", source: "a" }));
    assert.deepEqual([codeOf(end), at.sent.length], [500, 4]);
    const [first, , , last] = at.sent.map(({ atMs }) => atMs);
    // Three waits by chance within 4, 8 and 10 s; the default base would give 0.7 s in all at most.
    assert.ok((last ?? 0) - (first ?? 0) > 1_000, String((last ?? 0) - (first ?? 0)));
  });
});

describe("[F7] what a group says of maintenance", () => {
  test("it ends so long after it was asked for, on the group's own clock", async () => {
    await using at = new Setting();
    await at.passes(5_000);
    at.group.setMaintenance("north", "new antenna", 4_000);
    assert.deepEqual(at.station("north").maintenance, { reason: "new antenna", untilMs: START_MS + 9_000 });
    await at.passes(3_990);
    assert.equal(at.group.activeStation, "south");
    assert.notEqual(at.station("north").maintenance, undefined);
    await at.passes(20);
    assert.equal(at.station("north").maintenance, undefined);
  });

  test("without a reason it ends now", async () => {
    await using at = new Setting();
    await at.passes(1_000);
    at.group.setMaintenance("south", "new antenna", 60_000);
    at.group.setMaintenance("south", undefined, 0);
    assert.equal(at.station("south").maintenance, undefined);
  });
});

describe("[F3] what a group says of epochs", () => {
  test("its own epoch is told of before anything was sent under it → above it; after that it is its own", async () => {
    await using at = new Setting();
    at.group.noteHeartbeat("south", { sequence: 1_000 }, 2);
    assert.equal(at.group.epoch, 3, "a lagging station");
    at.group.noteHeartbeat("north", { sequence: 1_000 }, 3);
    assert.equal(at.group.epoch, 4, "one that has seen what the killed predecessor sent under 3");
    await at.serves(1);
    assert.equal(at.sent[0]?.context.epoch, 4);
    at.group.noteHeartbeat("north", { sequence: 1_001 }, 4);
    assert.equal(at.group.epoch, 4);
  });

  test("a heartbeat that is not counted teaches nothing", async () => {
    await using at = new Setting();
    at.group.noteHeartbeat("north", { sequence: 1_000 }, 0);
    at.group.noteHeartbeat("north", { sequence: 1_000 }, 9);
    assert.equal(at.group.epoch, 1);
  });
});

describe("what a group says of commands", () => {
  test("[R4] the time left of a command counts from its arrival; without one the group's deadline holds", async () => {
    await using at = new Setting({ commands: { deadlineMs: 7_000 } });
    await at.passes(1_000);
    await at.world.runUntilSettled(at.call({ timeLeftMs: 1_234 }));
    await at.world.runUntilSettled(at.call());
    assert.deepEqual(
      at.sent.map(({ context }) => context.timeLeftMs),
      [1_234, 7_000],
    );
  });

  test("timeout: so long is an attempt given", async () => {
    await using at = new Setting({ commands: { timeoutMs: 600, deadlineMs: 5_000 } });
    await at.passes(1_000);
    at.answer = () => SILENCE;
    const end = at.call();
    await at.passes(599);
    assert.equal(at.sent[0]?.context.signal.aborted, false);
    await at.passes(2);
    assert.equal(at.sent[0]?.context.signal.aborted, true);
    assert.equal(codeOf(await end), "ATTEMPT_TIMEOUT");
  });

  test("[F5] maxWait and maxWaiting: so long, and so many, wait for a station", async () => {
    await using at = new Setting({ commands: { maxWaitMs: 800, maxWaiting: 2 } });
    await at.passes(1_000);
    at.answer = refused;
    const startedMs = at.world.nowMs();
    const ended = async (end: Promise<CommandReply | Error>): Promise<unknown> => [
      codeOf(await end),
      at.world.nowMs() - startedMs,
    ];
    const waiting = [ended(at.call()), ended(at.call())];
    await at.passes(5);
    assert.deepEqual(await ended(at.call()), ["NO_ELIGIBLE_STATION", 5], "two wait already");
    assert.deepEqual(
      await at.world.runUntilSettled(Promise.all(waiting)),
      new Array(2).fill(["NO_ELIGIBLE_STATION", 800]),
    );
  });

  test("[K2] maxConcurrent: so many are out at one station", async () => {
    await using at = new Setting({ commands: { maxConcurrent: 3 } });
    await at.passes(1_000);
    at.answer = () => SILENCE;
    for (let command = 0; command < 5; command++) void at.call();
    await at.passes(1);
    assert.deepEqual([at.sent.length, at.station("north").bulkhead?.maxConcurrent], [3, 3]);
  });

  test("[K2] maxWorking: so many of those that are not known to take long", async () => {
    await using at = new Setting({ commands: { maxConcurrent: 10, maxWorking: 2 } });
    await at.passes(1_000);
    at.answer = () => SILENCE;
    for (let command = 0; command < 5; command++) void at.call();
    await at.passes(1);
    assert.equal(at.sent.length, 2);
  });

  test("[F1] commandPath: so many refused connections replace a station whose heartbeats are well", async () => {
    for (const refusalsToDeclare of [1, 1_000]) {
      const { commandPath } = groupSettings([]);
      await using at = new Setting({ commandPath: { ...commandPath, refusalsToDeclare, failingForMs: 1_000 } });
      await at.passes(1_000);
      at.answer = (station) => (station === "north" ? refused() : Promise.resolve(reply(200)));
      await at.world.runUntilSettled(at.call());
      assert.equal(at.group.activeStation, refusalsToDeclare === 1 ? "south" : "north");
    }
  });

  test("[F6] capacity and burst: so many are sent at once, and in a second", async () => {
    const stations = groupSettings([1, 2]).stations.map((one) => ({ ...one, capacityPerSecond: 10, burst: 2 }));
    await using at = new Setting({ stations });
    await at.passes(1_000);
    for (let command = 0; command < 30; command++) void at.call({ idempotent: true });
    await at.passes(1);
    const atNorth = (): number => at.sent.filter(({ station }) => station === "north").length;
    assert.equal(atNorth(), 2);
    await at.passes(999);
    assert.equal(atNorth(), 12, "and ten more within the second");
  });

  test("[C2] errorBody: whether an answer 200 that reports an error is a failure", async () => {
    for (const errorBody of [true, false]) {
      await using at = new Setting({ commands: { errorBody } });
      await at.passes(1_000);
      at.answer = (station) => Promise.resolve(reply(200, station === "north" ? { error: "uplink lost" } : {}));
      await at.world.runUntilSettled(at.call({ idempotencyKey: "k" }));
      assert.deepEqual(
        at.sent.map(({ station }) => station),
        errorBody ? ["north", "south"] : ["north"],
      );
    }
  });

  test("[F4] ambiguousKeyed: whether a keyed command that was lost goes to the other station", async () => {
    for (const ambiguousKeyed of ["resend", "report"] as const) {
      await using at = new Setting({ commands: { ambiguousKeyed } });
      await at.passes(1_000);
      at.answer = (station) =>
        station === "north"
          ? Promise.reject(Object.assign(new Error("reset"), { code: "ECONNRESET" }))
          : Promise.resolve(reply(200));
      const end = await at.world.runUntilSettled(at.call({ idempotencyKey: "k" }));
      assert.equal(codeOf(end), ambiguousKeyed === "resend" ? 200 : "AMBIGUOUS_OUTCOME");
    }
  });

  test("[F4] keyStatus: a station is asked what became of a key, and for no longer than is set", async () => {
    const keyStatus: KeyStatusSettings = {
      ...{ path: "/{key}", method: "DELETE" as const, executed: "a", answer: "b", cancelled: "c", inFlight: "d" },
      ...{ timeoutMs: 300, trustGet: false },
    };
    const asked: string[] = [];
    await using at = new Setting(
      { commands: { keyStatus, ambiguousKeyed: "report" } },
      {
        askOutcome: (key) => {
          asked.push(key);
          return SILENCE;
        },
      },
    );
    await at.passes(1_000);
    at.answer = () => Promise.reject(Object.assign(new Error("reset"), { code: "ECONNRESET" }));
    const startedMs = at.world.nowMs();
    const end = await at.world.runUntilSettled(at.call({ idempotencyKey: "k" }));
    assert.deepEqual([codeOf(end), asked, at.world.nowMs() - startedMs], ["AMBIGUOUS_OUTCOME", ["k"], 300]);
  });

  test("[B1] the circuit opens at its own rate and volume, for its own time", async () => {
    await using at = new Setting({
      breaker: { failureRateThreshold: 0.8, minimumVolume: 3, windowMs: 2_000, openDurationMs: 777 },
      commandPath: { failingForMs: 60_000, minFailures: 1_000, refusalsToDeclare: 1_000, unansweredAfterMs: 1_000 },
    });
    await at.passes(1_000);
    at.answer = (station) => Promise.resolve(reply(station === "north" ? 500 : 200));
    for (let command = 0; command < 12 && at.told("breaker").length === 0; command++) {
      await at.world.runUntilSettled(at.call({ idempotencyKey: `k${command}`, source: `s${command}` }));
    }
    const { breaker } = at.station("north");
    assert.ok(breaker !== undefined && breaker.state === "open", JSON.stringify(breaker));
    assert.match(breaker.rule, /of 3 calls failed in 2000 ms \(threshold 0\.8\)/);
    assert.equal((breaker.nextProbeAtMs ?? 0) - at.world.nowMs(), 777);
  });

  test("probe: the page that is set is asked of a replaced station", async () => {
    for (const probePath of ["/ready", undefined]) {
      await using at = new Setting({ probePath, failback: { mode: "automatic", holdDownMs: 60_000 } });
      await at.passes(5_000);
      at.beating.delete("north");
      await at.passes(3_000);
      at.beating.add("north");
      await at.passes(5_000);
      assert.equal(at.probes > 0, probePath !== undefined);
    }
  });

  test("who listens to commands is told of each, with its class and how long it took", async () => {
    const told: [string, number][] = [];
    const world = new VirtualClock(START_MS);
    const group = new Group({
      settings: groupSettings([1, 2], QUICK),
      clock: world,
      random: seededRandom(1),
      uplinkOf: ({ name }) => ({
        name,
        send: async () => {
          await world.sleepUntil(world.nowMs() + 30);
          return reply(404);
        },
        probe: () => SILENCE,
      }),
      onCommand: (outcome, elapsedMs) => told.push([outcome, elapsedMs]),
    });
    const request: CommandRequest = { method: "POST", target: "/", headers: [], body: { kind: "none" } };
    const terms = { idempotencyKey: undefined, idempotent: false, timeLeftMs: undefined };
    await world.runUntilSettled(group.handle(request, terms, new AbortController().signal));
    const caller = new AbortController();
    const left = group.handle(request, terms, caller.signal).catch(() => undefined);
    await world.advanceBy(10);
    caller.abort(new Error("gone"));
    await left;
    assert.deepEqual(told, [
      ["4xx", 30],
      ["CALL_ABORTED", 10],
    ]);
  });
});
