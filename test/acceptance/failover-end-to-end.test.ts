/**
 * The promise of the whole library, on the virtual clock: a primary dies under load, phi crosses 8,
 * the backup is promoted, and no caller ever sees an error.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { FailoverEvent } from "ground-station-failover";
import { deadlineAt, PhiAccrualDetector, PrimaryBackupFailover, seededRandom } from "ground-station-failover";
import { VirtualClock } from "ground-station-failover/sim";

type Fault = "none" | "refuse" | "hang" | "errors" | "lying-200" | "slow";

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

class Station {
  readonly name: string;
  readonly clock: VirtualClock;
  readonly spacecraft: Map<string, number>;
  fault: Fault = "none";
  beats = true;
  received = 0;

  constructor(name: string, clock: VirtualClock, spacecraft: Map<string, number>) {
    this.name = name;
    this.clock = clock;
    this.spacecraft = spacecraft;
  }

  async send(key: string, signal: AbortSignal): Promise<Answer> {
    this.received++;
    if (this.fault === "refuse") throw Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" });
    if (this.fault === "hang") return this.clock.sleepUntil(1e12, signal).then(() => ({ status: 500, body: {} }));
    await this.clock.sleepUntil(this.clock.nowMs() + (this.fault === "slow" ? 5_000 : 5), signal);
    if (this.fault === "errors") return { status: 500, body: {} };
    if (this.fault === "lying-200") return { status: 200, body: { error: "uplink lost" } };
    this.spacecraft.set(key, (this.spacecraft.get(key) ?? 0) + 1);
    return { status: 200, body: { ok: true } };
  }
}

interface World {
  readonly clock: VirtualClock;
  readonly north: Station;
  readonly south: Station;
  readonly failover: PrimaryBackupFailover<Station>;
  readonly events: FailoverEvent[];
  readonly executed: Map<string, number>;
  stop(): Promise<void>;
}

function world(seed: number): World {
  const clock = new VirtualClock();
  const random = seededRandom(seed);
  const executed = new Map<string, number>();
  const north = new Station("north", clock, executed);
  const south = new Station("south", clock, executed);
  const detector = new PhiAccrualDetector({ expectedIntervalMs: 50, clock });
  const jitter = random.fork("jitter");
  for (const station of [north, south]) {
    const beat = (): void => {
      if (station.beats) detector.noteHeartbeat(station.name);
      clock.at(clock.nowMs() + 40 + 20 * jitter.next(), beat);
    };
    beat();
  }
  const events: FailoverEvent[] = [];
  const failover = new PrimaryBackupFailover<Station>({
    primary: north,
    backup: south,
    detector,
    supervisor: { declareThreshold: 8 },
    client: {
      timeoutMs: 1_000,
      classify: {
        result: (answer) =>
          (answer as Answer).status >= 500 || "error" in ((answer as Answer).body as object) ? "failure" : "success",
      },
    },
    random,
    clock,
  });
  failover.onEvent((event) => events.push(event));
  const stop = new AbortController();
  const done = failover.run(stop.signal);
  return {
    clock,
    north,
    south,
    failover,
    events,
    executed,
    stop: async () => {
      stop.abort();
      await done;
    },
  };
}

const command = (key: string) => (context: { station: Station; signal: AbortSignal }) =>
  context.station.send(key, context.signal);

for (const fault of ["refuse", "hang", "errors", "lying-200", "slow"] as const) {
  test(`[F2] the primary starts to ${fault} under load: backup promoted, the next 100 commands succeed, no caller sees an error`, async () => {
    for (let seed = 1; seed <= 5; seed++) {
      const at = world(seed);
      await at.clock.advanceBy(5_000);
      const outcomes: Promise<Answer>[] = [];
      let sent = 0;
      const send = (): void => {
        const key = `c${sent++}`;
        outcomes.push(
          at.failover.call(command(key), { idempotencyKey: key, deadline: deadlineAt(at.clock.nowMs() + 20_000) }),
        );
      };
      const load = (): void => {
        if (sent >= 400) return;
        send();
        at.clock.at(at.clock.nowMs() + 20, load);
      };
      load();
      await at.clock.advanceBy(2_000);
      assert.equal(at.failover.currentActive, "primary");
      at.north.fault = fault;
      if (fault === "refuse" || fault === "hang") at.north.beats = false;
      await at.clock.advanceBy(6_000);
      const promoted = at.events.find((event) => event.type === "promoted");
      assert.ok(promoted, `seed ${seed}: no promotion; ${JSON.stringify(at.events.slice(-5))}`);
      assert.equal(at.failover.currentActive, "backup");
      assert.equal(at.failover.epoch, 2);
      for (let next = 0; next < 100; next++) send();
      await at.clock.advanceBy(30_000);
      const settled = await Promise.allSettled(outcomes);
      const errors = settled.filter(
        (one) => one.status === "rejected" || one.value.status !== 200 || "error" in (one.value.body as object),
      );
      assert.deepEqual(errors.slice(0, 3), [], `seed ${seed}: ${errors.length} of ${settled.length}`);
      assert.equal(at.executed.size, sent, "every command was executed");
      await at.stop();
    }
  });
}
