/**
 * Options of a failover are changed while it works: its state stays, and what cannot be changed is
 * refused before anything is.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "../../sim/kernel/virtual-clock.ts";
import { PhiAccrualDetector } from "../detection/detectors.ts";
import { PrimaryBackupFailover } from "./failover.ts";
import type { FailoverOptions, FailoverStatus } from "./options.ts";

interface Named {
  readonly name: string;
}

const BEAT_MS = 50;
const NORTH = { name: "north" };
const SOUTH = { name: "south" };
const WEST = { name: "west" };

class Rig implements Disposable {
  readonly clock: VirtualClock = new VirtualClock(1_000);
  readonly detector: PhiAccrualDetector = new PhiAccrualDetector({ clock: this.clock, expectedIntervalMs: BEAT_MS });
  readonly options: FailoverOptions<Named>;
  readonly failover: PrimaryBackupFailover<Named>;
  readonly beating: Set<string> = new Set(["north", "south", "west"]);
  readonly events: string[] = [];
  readonly #stop = new AbortController();
  #sequence = 0;

  constructor(more: Partial<FailoverOptions<Named>> = {}) {
    this.options = { primary: NORTH, backup: SOUTH, detector: this.detector, deadlineMs: 60_000, ...more };
    this.failover = new PrimaryBackupFailover<Named>(this.options);
    this.failover.onEvent(({ type }) => this.events.push(type));
    void this.failover.run(this.#stop.signal);
    this.#beat();
  }

  #beat(): void {
    if (this.#stop.signal.aborted) return;
    this.#sequence++;
    for (const name of this.beating) this.detector.noteHeartbeat(name, { sequence: this.#sequence });
    this.clock.at(this.clock.nowMs() + BEAT_MS, () => this.#beat());
  }

  change(more: Partial<FailoverOptions<Named>>): void {
    this.failover.reconfigure({ ...this.options, ...more });
  }

  call(serve: (station: string) => unknown = (station) => station): Promise<unknown> {
    return this.failover.call(({ station }) => serve(station.name)).catch((error: unknown) => error);
  }

  station(name: string): FailoverStatus["stations"][number] {
    const station = this.failover.status.stations.find((one) => one.name === name);
    assert.ok(station !== undefined);
    return station;
  }

  [Symbol.dispose](): void {
    this.#stop.abort();
  }
}

test("[G4] the same options again → the status is the same, number for number", async () => {
  using rig = new Rig();
  await rig.clock.advanceBy(3_000);
  for (let call = 0; call < 30; call++) await rig.call();
  await rig.clock.advanceBy(7);
  const before = rig.failover.status;
  rig.change({});
  assert.deepEqual(rig.failover.status, before);
  await rig.clock.advanceBy(1_000);
  assert.deepEqual(
    rig.events.filter((type) => type !== "declaration"),
    [],
  );
});

test("[G4] calls wait and are out during a change → each is answered once, and keeps its deadline", async () => {
  using rig = new Rig({
    client: { bulkhead: { maxConcurrent: 2, acquireTimeoutMs: 1_000, maxQueue: 100 }, timeoutMs: 30_000 },
  });
  await rig.clock.advanceBy(1_000);
  const answers: (() => void)[] = [];
  const calls = Array.from({ length: 5 }, (_, number) =>
    rig.call(() => new Promise((resolve) => answers.push(() => resolve(number)))),
  );
  assert.equal(rig.failover.status.waiting, 3);
  rig.change({ client: { bulkhead: { maxConcurrent: 4, acquireTimeoutMs: 1_000, maxQueue: 100 }, timeoutMs: 20_000 } });
  await rig.clock.advanceBy(50);
  assert.deepEqual([rig.failover.status.waiting, rig.station("north").inFlight], [1, 4]);
  for (let answered = 0; answered < 5; answered++) {
    answers[answered]?.();
    await rig.clock.advanceBy(20);
  }
  assert.deepEqual(await Promise.all(calls), [0, 1, 2, 3, 4]);
});

test("[G4] a station is added → it is watched, and takes over when the others fall silent", async () => {
  using rig = new Rig();
  await rig.clock.advanceBy(1_000);
  rig.change({ backups: [WEST] });
  await rig.clock.advanceBy(1_000);
  assert.equal(rig.station("west").liveness, "alive");
  rig.beating.clear();
  rig.beating.add("west");
  await rig.clock.advanceBy(5_000);
  assert.equal(await rig.call(), "west");
});

test("[G4] the active station is removed → a remaining one is active first; calls out there finish", async () => {
  using rig = new Rig({ backups: [WEST] });
  await rig.clock.advanceBy(2_000);
  let finish = (_: string): void => undefined;
  const slow = rig.call((station) => new Promise((resolve) => (finish = (text) => resolve(`${station} ${text}`))));
  rig.change({ primary: SOUTH, backup: WEST, backups: [] });
  assert.deepEqual(
    [rig.failover.activeStation.name, rig.failover.epoch, rig.failover.currentActive],
    ["south", 2, "primary"],
  );
  assert.equal(
    rig.failover.status.stations.some(({ name }) => name === "north"),
    false,
  );
  assert.equal(await rig.call(), "south");
  finish("answers");
  assert.equal(await slow, "north answers");
});

test("[G4] the active station is to be removed, and no other is eligible → refused, nothing changed", async () => {
  using rig = new Rig({ backups: [WEST] });
  rig.beating.delete("south");
  rig.beating.delete("west");
  await rig.clock.advanceBy(8_000);
  const before = rig.failover.status;
  assert.throws(() => rig.change({ primary: SOUTH, backup: WEST, backups: [] }), { hazard: "no-successor" });
  assert.deepEqual(rig.failover.status, before);
});

test("[G4] the order of priority changes → the active station stays, and roles follow", async () => {
  using rig = new Rig();
  await rig.clock.advanceBy(1_000);
  rig.change({ primary: SOUTH, backup: NORTH });
  const { active, role, epoch, preferred } = rig.failover.status;
  assert.deepEqual(
    { active, role, epoch, preferred },
    { active: "north", role: "backup", epoch: 1, preferred: "south" },
  );
});

test("[G4] options that contradict themselves, or another detector → refused, nothing changed", async () => {
  using rig = new Rig();
  await rig.clock.advanceBy(1_000);
  const before = rig.failover.status;
  assert.throws(() => rig.change({ deadlineMs: 1, client: { timeoutMs: 10 } }), { code: "INVALID_CONFIGURATION" });
  assert.throws(() => rig.change({ detector: new PhiAccrualDetector() }), { hazard: "unchangeable" });
  assert.throws(() => rig.change({ client: { breaker: false } }), { hazard: "unchangeable" });
  assert.deepEqual(rig.failover.status, before);
});

test("[G4] stations come and go a hundred times → their numbers are used again, and calls are served", async () => {
  using rig = new Rig();
  await rig.clock.advanceBy(1_000);
  for (let time = 0; time < 100; time++) {
    rig.change(time % 2 === 0 ? { backups: [{ name: `west-${time}` }] } : {});
    assert.equal(await rig.call(), "north");
  }
  rig.change({ backups: [WEST] });
  assert.deepEqual(
    rig.failover.status.stations.map(({ name }) => name),
    ["north", "south", "west"],
  );
});

test("[G4] the sustained time is shortened during a silence → the station is declared by the new rule", async () => {
  using rig = new Rig({ supervisor: { sustainMs: 20_000, gracePeriodMs: 1_000 } });
  await rig.clock.advanceBy(3_000);
  rig.beating.delete("north");
  await rig.clock.advanceBy(2_000);
  assert.equal(rig.station("north").liveness, "suspected");
  rig.change({ supervisor: { sustainMs: 0, gracePeriodMs: 1_000 } });
  await rig.clock.advanceBy(10);
  assert.equal(rig.failover.activeStation.name, "south");
});
