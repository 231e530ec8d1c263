/**
 * Settings of a gateway change while it runs, without a socket: what is unchanged is not touched,
 * what stays keeps its state, and what cannot be followed changes nothing at all.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "ground-station-failover";
import { VirtualClock } from "ground-station-failover/sim";
import { type Changes, groupSettings } from "../../../test/process/proxy-rig.ts";
import { compose, type Gateway, type GatewayEvent } from "../compose.ts";
import type { LeavingGroup } from "./group-set.ts";
import type { GatewaySettings, GroupSettings } from "./settings.ts";
import type { CommandReply, CommandRequest, Uplink } from "./uplink.ts";

const BEAT_MS = 50;
const QUICK: Changes = {
  heartbeat: { kind: "udp", intervalMs: BEAT_MS },
  detector: { model: "adaptive", threshold: 8, logThreshold: 3, minDeviationMs: 20, ceilingMs: 2_000 },
  supervisor: { suspectThreshold: 5, clearThreshold: 2, sustainMs: 0, minDwellMs: 100, gracePeriodMs: 1_000 },
};
const CALLERS: GatewaySettings["callers"] = {
  maxMemoryBytes: undefined,
  maxConnections: undefined,
  addressRatio: 0.75,
  minUploadBytesPerSecond: 0,
  maxUploadPauseMs: 30_000,
};

function group(name: string, changes: Changes = {}): GroupSettings {
  return { ...groupSettings([1, 2], { ...QUICK, ...changes }), name };
}

function settings(groups: readonly GroupSettings[], drainMs = 1_000): GatewaySettings {
  const control = { host: "127.0.0.1", port: 0 };
  return { groups, control, heartbeats: undefined, callers: CALLERS, drainDelayMs: 0, drainMs };
}

interface MadeUplink extends Uplink {
  readonly url: string;
  hasLeft: boolean;
}

class Rig implements AsyncDisposable {
  readonly clock: VirtualClock = new VirtualClock(1_000_000);
  readonly gateway: Gateway;
  readonly uplinks: MadeUplink[] = [];
  readonly events: GatewayEvent[] = [];
  readonly beating: Set<string> = new Set(["north", "south", "west"]);
  answer: (station: string) => Promise<string> = (station) => Promise.resolve(station);
  readonly #stop: AbortController = new AbortController();
  readonly #running: Promise<void>;
  #sequence = 0;

  constructor(groups: readonly GroupSettings[]) {
    const challenges = seededRandom("challenges");
    this.gateway = compose({
      settings: settings(groups),
      clock: this.clock,
      random: seededRandom(1),
      challengeOf: (subject) => challenges.fork(subject).next().toString(36).slice(2),
      uplink: (_group, { name, url }) => {
        const made: MadeUplink = {
          name,
          url,
          hasLeft: false,
          send: () => this.answer(name).then((by) => reply(`${by} at ${url}`)),
          probe: () => Promise.resolve(200),
        };
        this.uplinks.push(made);
        return made;
      },
      onUplinkLeft: (uplink) => {
        (uplink as MadeUplink).hasLeft = true;
      },
    });
    this.gateway.onEvent((event) => this.events.push(event));
    this.#running = this.gateway.run(this.#stop.signal);
    this.#beat();
  }

  #beat(): void {
    if (this.#stop.signal.aborted) return;
    this.#sequence++;
    for (const { name, settings: at } of this.gateway.groups.values())
      for (const station of at.stations) if (this.beating.has(station.name)) this.#beatOf(name, station.name);
    this.clock.at(this.clock.nowMs() + BEAT_MS, () => this.#beat());
  }

  #beatOf(groupName: string, station: string): void {
    const beat = { group: groupName, station, session: "one", sequence: this.#sequence, sentAtMs: 0, epochSeen: 0 };
    const challenge = this.#challenges.get(`${groupName}/${station}`) ?? "";
    const admission = this.gateway.receiveBeat({ ...beat, challenge });
    if (admission?.type !== "challenge") return;
    this.#challenges.set(`${groupName}/${station}`, admission.challenge);
    this.gateway.receiveBeat({ ...beat, challenge: admission.challenge });
  }
  readonly #challenges: Map<string, string> = new Map();

  apply(next: GatewaySettings): LeavingGroup[] {
    return this.gateway.prepare(next).apply();
  }

  passes(ms: number): Promise<void> {
    return this.clock.advanceBy(ms);
  }

  async call(name = "atlantic"): Promise<string> {
    const request: CommandRequest = { method: "POST", target: "/", headers: [], body: { kind: "none" } };
    const terms = { idempotencyKey: undefined, idempotent: false, timeLeftMs: undefined };
    const to = this.gateway.groups.get(name);
    assert.ok(to !== undefined);
    const answer = await this.clock.runUntilSettled(to.handle(request, terms, new AbortController().signal));
    return answer.statusText;
  }

  ofType(type: GatewayEvent["type"]): GatewayEvent[] {
    return this.events.filter((event) => event.type === type);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
    assert.equal(this.clock.pending <= 1, true, "a timer is left");
  }
}

function reply(statusText: string): CommandReply {
  const body = { kind: "bytes", bytes: new Uint8Array() } as const;
  return { status: 200, statusText, headers: [], body, json: undefined, trailers: [] };
}

test("[G4] the same settings, read again → no group, uplink, timer or level is touched", async () => {
  await using rig = new Rig([group("atlantic"), group("pacific")]);
  await rig.passes(3_000);
  for (let call = 0; call < 20; call++) await rig.call();
  const groups = [...rig.gateway.groups.values()];
  const [before, timers, events] = [rig.gateway.status(), rig.clock.pending, rig.events.length];
  assert.deepEqual(rig.apply(settings([group("atlantic"), group("pacific")])), []);
  assert.deepEqual(rig.gateway.status(), before);
  assert.deepEqual([...rig.gateway.groups.values()], groups);
  assert.deepEqual([rig.clock.pending, rig.events.length, rig.uplinks.length], [timers, events, 4]);
});

test("[G4] a threshold of one group changes → phi goes on, the event names it, the other group is not touched", async () => {
  await using rig = new Rig([group("atlantic"), group("pacific")]);
  await rig.passes(10_020);
  const level = (): number => rig.gateway.status()["atlantic"]?.stations[0]?.level ?? Number.NaN;
  const before = level();
  assert.ok(before > 0);
  const detector = { ...(QUICK.detector as GroupSettings["detector"]), threshold: 9, minDeviationMs: 21 };
  rig.apply(settings([group("atlantic", { detector }), group("pacific")]));
  assert.ok(Math.abs(level() - before) < 0.2, `${before} → ${level()}`);
  const [changed, ...more] = rig.ofType("settings-changed");
  assert.deepEqual(more, []);
  assert.equal(changed?.group, "atlantic");
  assert.deepEqual(changed?.type === "settings-changed" && changed.changes, [
    "detector.threshold: 8 → 9",
    "detector.minDeviationMs: 20 → 21",
  ]);
  await rig.passes(5_000);
  assert.deepEqual([rig.ofType("promoted").length, rig.uplinks.length], [0, 4]);
});

test("[G4] a station's url changes while a command is out → it ends at the old one, the next goes to the new", async () => {
  await using rig = new Rig([group("atlantic")]);
  await rig.passes(1_000);
  let answer = (): void => undefined;
  rig.answer = (station) => new Promise((resolve) => (answer = () => resolve(station)));
  const out = rig.call();
  await rig.passes(10);
  const [north, south] = group("atlantic").stations as [GroupSettings["stations"][0], GroupSettings["stations"][0]];
  rig.apply(settings([group("atlantic", { stations: [{ ...north, url: "http://moved" }, south] })]));
  assert.deepEqual(
    rig.uplinks.map(({ url, hasLeft }) => [url, hasLeft]),
    [
      ["http://127.0.0.1:1", true],
      ["http://127.0.0.1:2", false],
      ["http://moved", false],
    ],
  );
  answer();
  assert.equal(await out, "north at http://127.0.0.1:1");
  rig.answer = (station) => Promise.resolve(station);
  assert.equal(await rig.call(), "north at http://moved");
});

test("[G4] a group is added and one removed → the new one is supervised, the old one ends its commands", async () => {
  await using rig = new Rig([group("atlantic"), group("pacific")]);
  await rig.passes(1_000);
  let answer = (): void => undefined;
  rig.answer = (station) => new Promise((resolve) => (answer = () => resolve(station)));
  const out = rig.call("pacific");
  await rig.passes(10);
  const left = rig.apply(settings([group("baltic"), group("atlantic")]));
  assert.deepEqual([...rig.gateway.groups.keys()], ["baltic", "atlantic"]);
  answer();
  assert.equal(await out, "north at http://127.0.0.1:1");
  for (const one of left) one.end();
  await rig.passes(2_000);
  assert.equal(rig.uplinks.filter(({ hasLeft }) => hasLeft).length >= 2, true);
  rig.beating.delete("north");
  await rig.passes(5_000);
  assert.equal(rig.gateway.groups.get("baltic")?.activeStation, "south");
  assert.deepEqual(new Set(rig.ofType("promoted").map((event) => event.group)), new Set(["baltic", "atlantic"]));
});

test("[G4] one of two groups cannot follow → neither does", async () => {
  await using rig = new Rig([group("atlantic"), group("pacific")]);
  rig.beating.delete("south");
  await rig.passes(5_000);
  const before = rig.gateway.status();
  const [north, south] = group("pacific").stations as [GroupSettings["stations"][0], GroupSettings["stations"][0]];
  const failback = { mode: "automatic", holdDownMs: 1 } as const;
  const next = settings([
    group("atlantic", { failback }),
    group("pacific", { stations: [south, { ...north, name: "west" }] }),
  ]);
  assert.throws(() => rig.apply(next), { hazard: "no-successor" });
  assert.deepEqual(rig.gateway.status(), before);
  assert.deepEqual(rig.ofType("settings-changed"), []);
});

test("[G4] heartbeats are probed instead of pushed, and pushed again → the station stays alive throughout", async () => {
  await using rig = new Rig([group("atlantic")]);
  await rig.passes(3_000);
  const probed = { kind: "http", intervalMs: 50, timeoutMs: 40, path: "/health" } as const;
  rig.apply(settings([group("atlantic", { heartbeat: probed })]));
  await rig.passes(3_000);
  rig.apply(settings([group("atlantic", { heartbeat: { ...probed, intervalMs: 500 } })]));
  await rig.passes(3_000);
  rig.apply(settings([group("atlantic")]));
  await rig.passes(3_000);
  const fell = rig.events.filter((event) => event.type === "declaration" && event.to !== "alive");
  assert.deepEqual(fell, []);
  assert.equal(rig.gateway.status()["atlantic"]?.stations[0]?.liveness, "alive");
});

test("[F3] a group leaves and comes back, and a station in maintenance leaves → its epoch rises, no order fails", async () => {
  await using rig = new Rig([group("atlantic"), group("pacific")]);
  await rig.passes(1_000);
  const before = rig.gateway.groups.get("pacific")?.epoch ?? 0;
  for (const left of rig.apply(settings([group("atlantic")]))) left.end();
  rig.apply(settings([group("atlantic"), group("pacific")]));
  assert.ok((rig.gateway.groups.get("pacific")?.epoch ?? 0) > before);
  await rig.passes(1_000);
  const pacific = rig.gateway.groups.get("pacific");
  pacific?.setMaintenance("south", "a new disk", 60_000);
  const [north, south] = group("pacific").stations as [GroupSettings["stations"][0], GroupSettings["stations"][0]];
  rig.apply(settings([group("atlantic"), group("pacific", { stations: [north, { ...south, name: "west" }] })]));
  pacific?.setMaintenance("south", undefined, 0);
  assert.equal(await rig.call("pacific"), "north at http://127.0.0.1:1");
});
