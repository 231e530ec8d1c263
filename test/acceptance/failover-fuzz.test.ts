/**
 * Promises [F2]–[F6] under everything at once: random faults, loads, aborts, deadlines, switchovers
 * and maintenance, from a seed. What must hold whatever happens: every call ends in time, nothing
 * is left behind, nothing takes effect twice or is acknowledged without effect, nobody is told of a
 * failure that was none, epochs never go down, and neither a station's declared capacity nor its
 * retry budget is exceeded at its door.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { deadlineAt, type FailoverOptions, type Random, seededRandom } from "ground-station-failover";
import { type Attempt, type Fault, isWell, mostInAnySecond, type Station } from "../worlds/station.ts";
import { CLIENT, shown, TwoStations, type WorldOptions } from "../worlds/two-stations.ts";

const FIRST_SEED: number = Number(process.env["SEED"] ?? 2702);
const RUNS: number = Number(process.env["RUNS"] ?? 16);
const FAULTS: readonly Fault[] = ["refuse", "hang", "errors", "lying-200", "slow", "reset", "throw", "none"];
const CHAOS_MS = 15_000;
const LONGEST_DEADLINE_MS = 8_000;

const between = (random: Random, low: number, high: number): number => low + (high - low) * random.next();
const pick = <T>(random: Random, from: readonly T[]): T => from[Math.floor(random.next() * from.length)] as T;

interface Drawn {
  readonly world: WorldOptions;
  readonly capacityPerSecond: number;
}

function draw(random: Random): Drawn {
  const capacityPerSecond = pick(random, [Number.POSITIVE_INFINITY, 40, 150]);
  const bulkhead = pick(random, [
    {},
    { bulkhead: { maxConcurrent: 20 } },
    { bulkhead: { maxConcurrent: 10, acquireTimeoutMs: 300, maxQueue: 50 } },
  ]);
  const automatic = random.next() < 0.5;
  const given: Partial<FailoverOptions<Station>> = {
    client: { ...CLIENT, ...bulkhead },
    ramp: { capacityPerSecond },
    ambiguousKeyed: pick(random, ["resend", "resend", "report"] as const),
    failback: { mode: automatic ? "automatic" : "manual", holdDownMs: 1_000, canaryWaitMs: between(random, 0, 1_000) },
    cooldownMs: between(random, 500, 10_000),
    maxWaitMs: between(random, 500, 20_000),
    maxWaiting: pick(random, [5, 100, 10_000]),
    ...(random.next() < 0.5
      ? {}
      : { probe: (station: Station, signal: AbortSignal) => probe(station, signal), probeIntervalMs: 300 }),
    ...(random.next() < 0.6 ? {} : { keyStatus: (station: Station, key: string) => keyStatus(station, key) }),
  };
  return { world: { ...given, stations: pick(random, [2, 2, 3]) }, capacityPerSecond };
}

async function probe(station: Station, signal: AbortSignal): Promise<void> {
  if (station.fault === "hang") await station.clock.sleepUntil(1e12, signal);
  if (station.fault !== "none") throw new Error("not well");
}

async function keyStatus(station: Station, key: string): Promise<"unknown" | { ran: true; result: unknown }> {
  if (station.fault !== "none" || !station.spacecraft.executed.has(key)) return "unknown";
  return { ran: true, result: { status: 200, body: { by: `status of ${station.name}` } } };
}

/** Something happens every now and then, until the end of the chaos. */
function disturb(at: TwoStations, random: Random): void {
  const endsMs = at.clock.nowMs() + CHAOS_MS;
  const next = (): void => {
    if (at.clock.nowMs() >= endsMs) return;
    const station = pick(random, at.stations);
    const what = random.next();
    if (what < 0.6) {
      station.fault = pick(random, FAULTS);
      const share = pick(random, [1, 1, 0.3]);
      station.strikes = () => random.next() < share;
      station.beats = random.next() < 0.6;
    } else if (what < 0.75) station.beats = !station.beats;
    else if (what < 0.85) at.failover.switchover(station.name, "fuzz").catch(() => undefined);
    else if (what < 0.95)
      at.failover.setMaintenance(station.name, "fuzz", at.clock.nowMs() + between(random, 0, 3_000));
    else at.failover.noteEpochSeen(at.failover.epoch + Math.floor(between(random, 0, 3)));
    at.clock.at(at.clock.nowMs() + between(random, 50, 2_500), next);
  };
  next();
}

function send(at: TwoStations, random: Random): void {
  const endsMs = at.clock.nowMs() + CHAOS_MS;
  const perSecond = pick(random, [3, 30, 150]);
  const keyedRatio = pick(random, [0, 0.5, 1, 1]);
  const next = (): void => {
    if (at.clock.nowMs() >= endsMs) return;
    const burst = random.next() < 0.01 ? 40 : 1;
    for (let count = 0; count < burst; count++) {
      const caller = new AbortController();
      if (random.next() < 0.1) at.clock.at(at.clock.nowMs() + between(random, 0, 2_000), () => caller.abort());
      at.send({
        keyed: random.next() < keyedRatio,
        deadline: deadlineAt(at.clock.nowMs() + between(random, 200, LONGEST_DEADLINE_MS)),
        signal: caller.signal,
      });
    }
    at.clock.at(at.clock.nowMs() + (-Math.log(1 - random.next()) * 1_000) / perSecond, next);
  };
  next();
}

/** ADR 0004: a window may hold so many extra attempts however few calls it has. */
const RESERVE = 10;

/**
 * Extra attempts in any budget window (10 s) that ends with one of them, against what the calls in
 * it allow. An attempt is extra where an earlier one of its call came in here; connections that
 * were refused did not, nor did old epochs.
 */
function budgetBroken(door: readonly Attempt[], staleKeys: ReadonlySet<string>): string | undefined {
  const seen = new Set<string>();
  const marked = door.map(({ key, atMs, refused }) => {
    const extra = seen.has(key) && !staleKeys.has(key);
    if (!refused) seen.add(key);
    return { atMs, extra };
  });
  let first = 0;
  let calls = 0;
  let extras = 0;
  for (const { atMs, extra } of marked) {
    if (extra) extras++;
    else calls++;
    while ((marked[first]?.atMs ?? atMs) <= atMs - 10_000) {
      if (marked[first]?.extra === true) extras--;
      else calls--;
      first++;
    }
    if (extra && extras > Math.max(0.1 * calls, RESERVE))
      return `${extras} extra attempts for ${calls} calls by ${atMs} ms`;
  }
  return undefined;
}

/**
 * Errors that say that nothing is known, or that the caller itself gave up: none of them claims
 * that nothing ran.
 */
const UNKNOWING = new Set(["AMBIGUOUS_OUTCOME", "DEADLINE_EXCEEDED", "CALL_ABORTED"]);

for (let run = 0; run < RUNS; run++) {
  const seed = FIRST_SEED + run;
  test(`[F2] [F3] [F4] [F5] [F6] whatever happens, seed ${seed}`, async () => {
    const replay = `SEED=${seed} RUNS=1 node --conditions=@gsf/source --test test/acceptance/failover-fuzz.test.ts`;
    const random = seededRandom(seed);
    const drawn = draw(random.fork("options"));
    const at = await TwoStations.begin({ ...drawn.world, seed });
    disturb(at, random.fork("faults"));
    send(at, random.fork("load"));
    await at.clock.advanceBy(CHAOS_MS);
    for (const station of at.stations) {
      station.fault = "none";
      station.beats = true;
    }
    await at.clock.advanceBy(LONGEST_DEADLINE_MS + 2_000);

    const late = at.outcomes.filter(
      ({ settledAtMs, deadline }) => settledAtMs === undefined || settledAtMs > deadline + 1,
    );
    assert.equal(late.length, 0, `every call ends by its deadline\n${shown(late)}\n${replay}`);
    assert.deepEqual(at.account, { doubled: [], lost: [] }, replay);
    const falselyFailed = at.outcomes.filter(({ keyed, key, error }) => {
      return !keyed && error !== undefined && !UNKNOWING.has(error.code ?? "") && at.spacecraft.executed.has(key);
    });
    assert.equal(falselyFailed.length, 0, `no false failure\n${shown(falselyFailed)}\n${replay}`);
    const epochs = at.told("promoted").map(({ epoch }) => epoch);
    assert.ok(
      epochs.every((epoch, place) => place === 0 || epoch > (epochs[place - 1] as number)),
      `${epochs}\n${replay}`,
    );
    for (const { name, door } of at.stations) {
      const down = door.find(({ epoch }, place) => place > 0 && epoch < (door[place - 1] as Attempt).epoch);
      assert.equal(down, undefined, `epochs at ${name} never go down\n${replay}`);
      const most = mostInAnySecond(door.map(({ atMs }) => atMs));
      assert.ok(
        most <= drawn.capacityPerSecond,
        `${name} declared ${drawn.capacityPerSecond} a second and was sent ${most}\n${replay}`,
      );
      assert.equal(budgetBroken(door, at.spacecraft.refused), undefined, `${name}\n${replay}`);
    }

    const after = at.send({ deadline: deadlineAt(at.clock.nowMs() + 20_000) });
    await at.clock.advanceBy(20_000);
    assert.ok(after.answer !== undefined && isWell(after.answer), `service after heal\n${shown([after])}\n${replay}`);
    await at.stop();
    await at.clock.advanceBy(10_000);
    const { waiting, parked, stations } = at.failover.status;
    const left = stations.map(({ inFlight, ramp, budget }) => [inFlight, ramp.inFlight, budget?.pending]);
    assert.deepEqual(
      [waiting, parked, ...left.flat()],
      new Array(2 + 3 * stations.length).fill(0),
      `nothing is left\n${replay}`,
    );
    assert.equal(at.clock.pending, 0, `no timer is left\n${replay}`);
  });
}
