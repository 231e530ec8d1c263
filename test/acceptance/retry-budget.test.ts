/**
 * Promise [R2]: under 50 % failure the extra attempts stay within 10 % of the calls, at 10, 100 and
 * 10,000 calls a second, and at one a second where the reserve is one. Measured at the downstream's
 * door: each arrival is written down with its instant, and every window that ends at an extra
 * attempt is checked against max(ratio × distinct calls in it, reserve). A quiet caller gets its
 * retries, and a caller whose retry is refused gets what happened.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  httpStatus,
  PhiAccrualDetector,
  PrimaryBackupFailover,
  type Random,
  ResilientClient,
  RetryBudget,
  RetryBudgetExhaustedError,
  type RetryBudgetOptions,
  retryRefusalOf,
  seededRandom,
} from "ground-station-failover";
import { VirtualClock } from "ground-station-failover/sim";

const SEED = process.env["SEED"] ?? "CN-2702-003";
const REPLAY = `seed "${SEED}"; replay: SEED=${SEED} node --conditions=@gsf/source --test test/acceptance/retry-budget.test.ts`;
const WINDOW_MS = 10_000;
const RATIO = 0.1;
/** The default: what the ratio gives at ten calls a second. */
const RESERVE = 10;

/** A downstream that fails half of what arrives, or less, and writes down when what arrived. */
class Door {
  readonly base: number[] = [];
  readonly extra: number[] = [];
  readonly #clock: VirtualClock;
  readonly #random: Random;
  readonly #failing: number;

  constructor(clock: VirtualClock, random: Random, failing: number) {
    this.#clock = clock;
    this.#random = random;
    this.#failing = failing;
  }

  readonly arrive = async ({ attempt }: { attempt: number }): Promise<string> => {
    (attempt === 1 ? this.base : this.extra).push(this.#clock.nowMs());
    if (this.#random.next() < this.#failing) throw new Error("overloaded");
    return "done";
  };

  /**
   * Checks every trailing window that ends at an extra attempt; the instants are in order, so that
   * two marks suffice.
   */
  check(reserve = RESERVE): void {
    let calls = 0;
    let oldestCall = 0;
    let oldestExtra = 0;
    for (const [place, atMs] of this.extra.entries()) {
      while ((this.base[calls] ?? Number.POSITIVE_INFINITY) <= atMs) calls++;
      while ((this.base[oldestCall] ?? Number.POSITIVE_INFINITY) <= atMs - WINDOW_MS) oldestCall++;
      while ((this.extra[oldestExtra] ?? Number.POSITIVE_INFINITY) <= atMs - WINDOW_MS) oldestExtra++;
      const sent = place + 1 - oldestExtra;
      const allowed = Math.max(RATIO * (calls - oldestCall), reserve);
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
  /** Errors that reached a caller, and the refusals of retries that some of them carry. */
  readonly errors: unknown[];
  readonly refusals: RetryBudgetExhaustedError[];
  offer(calls: number): void;
}

/**
 * Three clients that share one downstream and one budget; breakers off, since they would hide what
 * the budget does.
 */
function load(
  retry: { baseMs?: number; capMs?: number; maxAttempts?: number } = {},
  options: RetryBudgetOptions = {},
  failing = 0.5,
): Load {
  const clock = new VirtualClock();
  const random = seededRandom(SEED);
  const door = new Door(clock, random.fork("door"), failing);
  const budget = new RetryBudget({ clock, ...options });
  const errors: unknown[] = [];
  const refusals: RetryBudgetExhaustedError[] = [];
  const clients = ["a", "b", "c"].map(
    (name) =>
      new ResilientClient({
        name,
        clock,
        random: random.fork(name),
        breaker: false,
        retry: { maxAttempts: 5, ...retry, budget },
      }),
  );
  let turn = 0;
  const offer = (calls: number): void => {
    for (let call = 0; call < calls; call++) {
      const client = clients[turn++ % clients.length] as ResilientClient;
      client.call(door.arrive, { idempotent: true }).catch((error: unknown) => {
        errors.push(error);
        const refusal = retryRefusalOf(error);
        if (refusal !== undefined) refusals.push(refusal);
      });
    }
  };
  return { clock, door, budget, clients, errors, refusals, offer };
}

for (const [perSecond, seconds, reserve] of [
  [1, 2_000, 1],
  [10, 500, RESERVE],
  [100, 60, RESERVE],
  [10_000, 8, RESERVE],
] as const) {
  test(`[R2] ${perSecond} calls a second, half of them failing: extra attempts within 10 % at the door`, async () => {
    const { clock, door, budget, errors, refusals, offer } = load({}, reserve === RESERVE ? {} : { reserve });
    // At most a hundred arrivals a second apart in time; above that, bunches.
    const bunch = Math.max(1, perSecond / 100);
    for (let offered = 0; offered < perSecond * seconds; offered += bunch) {
      offer(bunch);
      await clock.advanceBy((1_000 * bunch) / perSecond);
    }
    await clock.advanceBy(60_000);
    door.check(reserve);
    const share = door.extra.length / door.base.length;
    assert.equal(door.base.length, perSecond * seconds);
    assert.ok(share <= RATIO, `${share} of the calls were sent again; ${REPLAY}`);
    assert.ok(share >= RATIO * 0.8, `the budget is there to be used: ${share}; ${REPLAY}`);
    assert.equal(budget.status.pending, 0, "no charge is left behind");
    assert.ok(
      refusals.length > 0 &&
        refusals.every((error) => error.cause instanceof Error && error.cause.message === "overloaded") &&
        errors.every((error) => error instanceof Error && error.message === "overloaded"),
    );
  });
}

test("[R2] one call a second, 5 % of them failing by chance → as good as no failure reaches the caller", async () => {
  const { clock, door, errors, offer } = load({ maxAttempts: 3 }, {}, 0.05);
  for (let call = 0; call < 20_000; call++) {
    offer(1);
    await clock.advanceBy(1_000);
  }
  await clock.advanceBy(60_000);
  door.check();
  // Three attempts that all fail: 2.5 of 20,000. With a reserve of one in ten seconds it was 370.
  assert.ok(errors.length <= 10, `${errors.length} of ${door.base.length} calls failed; ${REPLAY}`);
});

test("[R2] traffic that ebbs while retries sleep: those that no longer fit are refused when they wake", async () => {
  const { clock, door, budget, refusals, offer } = load({ baseMs: 30_000, capMs: 60_000 });
  for (let burst = 0; burst < 20; burst++) {
    offer(burst % 4 === 0 ? 500 : 3);
    await clock.advanceBy(8_000);
  }
  await clock.advanceBy(300_000);
  door.check();
  assert.ok(door.extra.length > 0 && refusals.some((error) => /of \d+ extra attempts/.test(error.message)));
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

test("[R2] a refused retry → the caller gets the error that asked for it; the refusal is an event, a number and written on it", async () => {
  const { clock, clients, budget } = load({}, { reserve: 1 });
  const [client] = clients as [ResilientClient];
  const events: unknown[] = [];
  client.onEvent((event) =>
    events.push(event.type === "retry-refused" ? [event.attempt, event.reason, event.refusal] : event.type),
  );
  const down = Object.assign(new Error("Request failed with status code 503"), { response: { status: 503 } });
  const error = await clock.runUntilSettled(
    client.call(() => Promise.reject(down), { idempotent: true }).catch((e) => e),
  );
  assert.equal(error, down, "that very error, so that a caller who branches on it still can");
  const refusal = retryRefusalOf(down);
  assert.ok(refusal instanceof RetryBudgetExhaustedError);
  assert.deepEqual([refusal.code, refusal.cause], ["RETRY_BUDGET_EXHAUSTED", down]);
  assert.match(refusal.message, /a: retry refused by the budget: 1 of 1 extra attempts used for 1 calls/);
  assert.deepEqual(events, ["retry", [3, refusal.message, refusal]]);
  assert.equal(budget.status.refused, 1);
});

test("[R2] a refused retry of a result that was judged a failure → the caller gets the result, and the refusal is written on it", async () => {
  const clock = new VirtualClock();
  const budget = { clock, reserve: 0 };
  const client = new ResilientClient({ name: "a", clock, classify: httpStatus, retry: { budget } });
  const events: string[] = [];
  client.onEvent(({ type }) => events.push(type));
  const answer = { status: 503 };
  assert.equal(await clock.runUntilSettled(client.call(() => answer, { idempotent: true })), answer);
  assert.match(retryRefusalOf(answer)?.message ?? "", /0 of 0 extra attempts used for 1 calls/);
  assert.deepEqual([events, client.budget?.status.refused], [["retry-refused"], 1]);
  const fine = { status: 200 };
  assert.equal(await clock.runUntilSettled(client.call(() => fine, { idempotent: true })), fine);
  assert.equal(retryRefusalOf(fine), undefined);
});

test("[R2] a retry that the budget refuses when it wakes → the failure it was for is delivered, with the refusal", async () => {
  const clock = new VirtualClock();
  const budget = new RetryBudget({ clock, reserve: 1 });
  const retry = { jitter: "none", baseMs: 30_000, budget } as const;
  const client = new ResilientClient({ name: "slow", clock, breaker: false, retry });
  for (let call = 0; call < 20; call++) await client.call(() => "done");
  let sent = 0;
  // There is room for two while the twenty calls are remembered, and for one when the retries wake.
  const asleep = ["first", "second"].map((name) => {
    const failing = (): Promise<never> => Promise.reject(new Error(`${name} down ${++sent}`));
    return client.call(failing, { idempotent: true }).catch((error: unknown) => error);
  });
  const [first, second] = (await clock.runUntilSettled(Promise.all(asleep))) as [Error, Error];
  assert.deepEqual([first.message, second.message, sent], ["first down 3", "second down 2", 3]);
  for (const error of [first, second]) assert.match(retryRefusalOf(error)?.message ?? "", /slow: retry refused/);
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

test("[R2] the same error or result, handed out again → a refusal is that of its call, not of an earlier one", async () => {
  for (const kind of ["client", "failover"] as const) {
    const clock = new VirtualClock();
    const options = { classify: httpStatus, retry: { budget: { ratio: 0, reserve: 0 } } };
    const client = new ResilientClient({ name: "north", clock, ...options });
    const detector = new PhiAccrualDetector({ clock });
    const stations = { primary: { name: "a" }, backup: { name: "b" } };
    const failover = new PrimaryBackupFailover({ ...stations, detector, client: options });
    const refuses = (operation: () => { status: number }): Promise<unknown> =>
      clock.runUntilSettled(client.call(operation, { idempotent: true }).catch((error: unknown) => error));
    const later = (operation: () => { status: number }): Promise<unknown> => {
      const call = kind === "client" ? client.call(operation) : failover.call(operation);
      return clock.runUntilSettled(call.catch((error: unknown) => error));
    };
    const error = new Error("down");
    const fails = (): never => {
      throw error;
    };
    assert.equal(await refuses(fails), error);
    assert.ok(retryRefusalOf(error) !== undefined);
    assert.equal(await later(fails), error);
    assert.equal(retryRefusalOf(error), undefined, `${kind}: this call was not to be retried`);
    const answer = { status: 500 };
    assert.equal(await refuses(() => answer), answer);
    assert.ok(retryRefusalOf(answer) !== undefined);
    answer.status = 200;
    assert.equal(await later(() => answer), answer);
    assert.equal(retryRefusalOf(answer), undefined, `${kind}: this call succeeded`);
  }
});

test("[R2] a call inside a call was refused its retry → found on what the outer one ends with", async () => {
  const clock = new VirtualClock();
  const inner = new ResilientClient({ name: "inner", clock, retry: { budget: { ratio: 0, reserve: 0 } } });
  const outer = new ResilientClient({ name: "outer", clock, retry: false });
  const error = new Error("down");
  const fails = (): Promise<never> => inner.call(() => Promise.reject(error), { idempotent: true });
  for (let call = 0; call < 3; call++) {
    await clock.runUntilSettled(assert.rejects(outer.call(fails), error));
    assert.match(retryRefusalOf(error)?.message ?? "", /inner: retry refused/);
  }
});
