/**
 * Promise [R2]: under 50 % failure the extra attempts stay within 10 % of the calls, at 1, 100 and 10,000 calls a
 * second. Measured at the downstream's door: each arrival is written down with its instant, and every window that ends
 * at an extra attempt is checked against max(ratio × distinct calls in it, reserve).
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type Random,
  ResilientClient,
  RetryBudget,
  RetryBudgetExhaustedError,
  seededRandom,
} from "ground-station-failover";
import { VirtualClock } from "ground-station-failover/sim";

const SEED = process.env["SEED"] ?? "CN-2702-003";
const REPLAY = `seed "${SEED}"; replay: SEED=${SEED} node --conditions=@gsf/source --test test/acceptance/retry-budget.test.ts`;
const WINDOW_MS = 10_000;
const RATIO = 0.1;
const RESERVE = 1;

/** A downstream that fails half of what arrives, and writes down when what arrived. */
class Door {
  readonly base: number[] = [];
  readonly extra: number[] = [];
  readonly #clock: VirtualClock;
  readonly #random: Random;

  constructor(clock: VirtualClock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  readonly arrive = async ({ attempt }: { attempt: number }): Promise<string> => {
    (attempt === 1 ? this.base : this.extra).push(this.#clock.nowMs());
    if (this.#random.next() < 0.5) throw new Error("overloaded");
    return "done";
  };

  /** Checks every trailing window that ends at an extra attempt; the instants are in order, so that two marks suffice. */
  check(): void {
    let calls = 0;
    let oldestCall = 0;
    let oldestExtra = 0;
    for (const [place, atMs] of this.extra.entries()) {
      while ((this.base[calls] ?? Number.POSITIVE_INFINITY) <= atMs) calls++;
      while ((this.base[oldestCall] ?? Number.POSITIVE_INFINITY) <= atMs - WINDOW_MS) oldestCall++;
      while ((this.extra[oldestExtra] ?? Number.POSITIVE_INFINITY) <= atMs - WINDOW_MS) oldestExtra++;
      const sent = place + 1 - oldestExtra;
      const allowed = Math.max(RATIO * (calls - oldestCall), RESERVE);
      assert.ok(
        sent <= allowed,
        `${sent} extra attempts of ${allowed} allowed in the window ending at ${atMs}; ${REPLAY}`,
      );
    }
  }
}

interface Load {
  readonly clock: VirtualClock;
  readonly door: Door;
  readonly budget: RetryBudget;
  readonly clients: readonly ResilientClient[];
  readonly refusals: RetryBudgetExhaustedError[];
  offer(calls: number): void;
}

/** Three clients that share one downstream and one budget; breakers off, since they would hide what the budget does. */
function load(retry: { baseMs?: number; capMs?: number } = {}): Load {
  const clock = new VirtualClock();
  const random = seededRandom(SEED);
  const door = new Door(clock, random.fork("door"));
  const budget = new RetryBudget({ clock });
  const refusals: RetryBudgetExhaustedError[] = [];
  const clients = ["a", "b", "c"].map(
    (name) =>
      new ResilientClient({
        name,
        clock,
        random: random.fork(name),
        breaker: false,
        retry: { ...retry, maxAttempts: 5, budget },
      }),
  );
  let turn = 0;
  const offer = (calls: number): void => {
    for (let call = 0; call < calls; call++) {
      const client = clients[turn++ % clients.length] as ResilientClient;
      client.call(door.arrive, { idempotent: true }).catch((error: unknown) => {
        if (error instanceof RetryBudgetExhaustedError) refusals.push(error);
      });
    }
  };
  return { clock, door, budget, clients, refusals, offer };
}

for (const [perSecond, seconds] of [
  [1, 2_000],
  [100, 60],
  [10_000, 8],
] as const) {
  test(`[R2] ${perSecond} calls a second, half of them failing: extra attempts within 10 % at the door`, async () => {
    const { clock, door, budget, refusals, offer } = load();
    // At most a hundred arrivals a second apart in time; above that, bunches.
    const bunch = Math.max(1, perSecond / 100);
    for (let offered = 0; offered < perSecond * seconds; offered += bunch) {
      offer(bunch);
      await clock.advanceBy((1_000 * bunch) / perSecond);
    }
    await clock.advanceBy(60_000);
    door.check();
    const share = door.extra.length / door.base.length;
    assert.equal(door.base.length, perSecond * seconds);
    assert.ok(share <= RATIO, `${share} of the calls were sent again; ${REPLAY}`);
    assert.ok(share >= RATIO * 0.8, `the budget is there to be used: ${share}; ${REPLAY}`);
    assert.equal(budget.status.pending, 0, "no charge is left behind");
    assert.ok(
      refusals.length > 0 &&
        refusals.every((error) => error.cause instanceof Error && error.cause.message === "overloaded"),
    );
  });
}

test("[R2] traffic that ebbs while retries sleep: those that no longer fit are refused when they wake", async () => {
  const { clock, door, budget, refusals, offer } = load({ baseMs: 30_000, capMs: 60_000 });
  for (let burst = 0; burst < 20; burst++) {
    offer(burst % 4 === 0 ? 500 : 3);
    await clock.advanceBy(8_000);
  }
  await clock.advanceBy(300_000);
  door.check();
  assert.ok(
    door.extra.length > 0 && refusals.some((error) => /of 1 extra attempts|of \d extra attempts/.test(error.message)),
  );
  assert.equal(budget.status.pending, 0);
});

test("[R2] calls in waves of random size and silence never break the bound", async () => {
  const { clock, door, offer } = load({ baseMs: 2_000 });
  const random = seededRandom(SEED).fork("waves");
  for (let wave = 0; wave < 300; wave++) {
    offer(Math.floor(random.next() ** 4 * 300));
    await clock.advanceBy(random.next() ** 3 * 15_000);
  }
  await clock.advanceBy(60_000);
  door.check();
  assert.ok(door.extra.length > 10, REPLAY);
});

test("[R2] a refusal is visible: RETRY_BUDGET_EXHAUSTED with the cause and the numbers, and an event", async () => {
  const { clock, clients, offer } = load();
  const events: string[] = [];
  clients[0]?.onEvent((event) => events.push(event.type === "retry" ? "retry" : event.reason));
  const down = async (): Promise<never> => {
    throw new Error("down");
  };
  offer(0);
  const first = clients[0]?.call(down, { idempotent: true });
  const error: unknown = await clock.runUntilSettled(first as Promise<never>).catch((thrown: unknown) => thrown);
  assert.ok(error instanceof RetryBudgetExhaustedError);
  assert.equal(error.code, "RETRY_BUDGET_EXHAUSTED");
  assert.equal(error.origin, "downstream");
  assert.ok(error.cause instanceof Error && error.cause.message === "down");
  assert.match(error.message, /a: retry refused by the budget: 1 of 1 extra attempts used for 1 calls/);
  assert.deepEqual(events, ["retry", error.message]);
});

test("[R2] a call aborted while it backs off gives its charge back", async () => {
  const { clock, clients, budget } = load();
  const controller = new AbortController();
  const call = clients[0]?.call(() => Promise.reject(new Error("down")), {
    idempotent: true,
    signal: controller.signal,
  });
  const rejected = assert.rejects(call as Promise<never>, { code: "CALL_ABORTED" });
  await clock.advanceBy(0);
  assert.equal(budget.status.pending, 1);
  controller.abort();
  await rejected;
  assert.equal(budget.status.pending, 0);
});
