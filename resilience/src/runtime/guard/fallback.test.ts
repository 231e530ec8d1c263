/** When a fallback is used, when it must not be, and how much of the past is kept. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { AmbiguousOutcomeError, CallAbortedError, ConfigurationError } from "../../core/errors.ts";
import { VirtualClock } from "../../sim/kernel/virtual-clock.ts";
import { CircuitBreaker } from "./breaker.ts";
import { LastGood, type LastGoodOptions, type StaleAnswer, withFallback } from "./fallback.ts";

const down = (): Promise<never> => Promise.reject(new Error("down"));

test("a success → the result, and the fallback is not asked", async () => {
  const result = await withFallback(
    () => 1,
    () => assert.fail(),
  );
  assert.equal(result, 1);
});

test("a failure, thrown or rejected, also an open circuit → the fallback, with the error", async () => {
  const errors: unknown[] = [];
  const options = { onFallback: (error: unknown) => errors.push((error as Error).message) };
  assert.equal(await withFallback(down, (error) => (error as Error).message, options), "down");
  const thrown = (): never => {
    throw new Error("thrown");
  };
  assert.equal(await withFallback(thrown, async () => 2, options), 2);
  const breaker = new CircuitBreaker({ minimumVolume: 1 });
  breaker.noteFailure();
  assert.equal(
    await withFallback(
      () => breaker.execute(down),
      () => 3,
      options,
    ),
    3,
  );
  assert.deepEqual(errors.slice(0, 2), ["down", "thrown"]);
  assert.equal(errors.length, 3);
});

for (const error of [
  new CallAbortedError("gone"),
  new ConfigurationError("h", "m"),
  new AmbiguousOutcomeError("it may have run"),
  new TypeError("x is undefined"),
])
  test(`${error.name} → delivered, and not hidden by a fallback`, async () => {
    const fails = withFallback(
      () => Promise.reject(error),
      () => assert.fail(),
    );
    await assert.rejects(fails, (given) => given === error);
  });

test("`when` decides alone if it is given", async () => {
  const when = (error: unknown): boolean => error instanceof TypeError;
  assert.equal(
    await withFallback(
      () => Promise.reject(new TypeError()),
      () => 1,
      { when },
    ),
    1,
  );
  await assert.rejects(
    withFallback(down, () => 1, { when }),
    /down/,
  );
});

test("the fallback fails, too → its error, with the first one as its cause", async () => {
  const fails = withFallback(down, () => Promise.reject(new Error("also down")));
  await assert.rejects(
    fails,
    (error: Error) => error.message === "also down" && (error.cause as Error).message === "down",
  );
  const frozen = Object.freeze(new Error("frozen"));
  await assert.rejects(
    withFallback(down, () => Promise.reject(frozen)),
    (error) => error === frozen,
  );
});

test("wrong use → refused by name", async () => {
  await assert.rejects(withFallback(1 as never, down), ConfigurationError);
  await assert.rejects(withFallback(down, "text" as never), /instead is "text"/);
  await assert.rejects(withFallback(down, down, { whem: 1 } as never), /did you mean when/);
});

function store(options: Partial<LastGoodOptions<string>> = {}) {
  const clock = new VirtualClock();
  const lastGood = new LastGood<string>({ maxAgeMs: 1_000, clock, ...options });
  const stale: StaleAnswer[] = [];
  lastGood.onStale((one) => stale.push(one));
  return { clock, lastGood, stale };
}

test("the last good answer, as long as it is young enough; then the error", async () => {
  const { clock, lastGood, stale } = store();
  assert.equal(await lastGood.call("k", () => "good"), "good");
  await clock.advanceBy(1_000);
  assert.equal(await lastGood.call("k", down), "good");
  assert.deepEqual(
    stale.map(({ key, ageMs, error }) => [key, ageMs, (error as Error).message]),
    [["k", 1_000, "down"]],
  );
  await clock.advanceBy(1);
  await assert.rejects(lastGood.call("k", down), /down/);
  assert.deepEqual(lastGood.status, { entries: 0, bytes: 0, given: 1 });
});

test("another key has no answer; an answer that was given again is not younger", async () => {
  const { clock, lastGood } = store();
  await lastGood.call("k", () => "good");
  await assert.rejects(lastGood.call("other", down), /down/);
  await clock.advanceBy(900);
  await lastGood.call("k", down);
  await clock.advanceBy(200);
  await assert.rejects(lastGood.call("k", down), /down/);
});

test("a caller's abort and faults of the program are not answered with old answers", async () => {
  const { lastGood } = store();
  await lastGood.call("k", () => "good");
  for (const error of [new CallAbortedError("gone"), new TypeError("mine")])
    await assert.rejects(
      lastGood.call("k", () => Promise.reject(error)),
      (given) => given === error,
    );
});

test("more entries than allowed → those that were stored or used longest ago go", async () => {
  const { lastGood } = store({ maxEntries: 2 });
  await lastGood.call("a", () => "a");
  await lastGood.call("b", () => "b");
  assert.equal(await lastGood.call("a", down), "a");
  await lastGood.call("c", () => "c");
  await assert.rejects(lastGood.call("b", down));
  assert.equal(await lastGood.call("a", down), "a");
  lastGood.forget("a");
  await assert.rejects(lastGood.call("a", down));
});

test("bytes are bounded: too long a one is not kept, and replaces what was there", async () => {
  const { lastGood } = store({ maxBytes: 10, sizeOf: (answer) => answer.length });
  await lastGood.call("a", () => "12345");
  await lastGood.call("b", () => "123456");
  assert.deepEqual([lastGood.status.entries, lastGood.status.bytes], [1, 6]);
  await lastGood.call("b", () => "12345678901");
  assert.deepEqual([lastGood.status.entries, lastGood.status.bytes], [0, 0]);
  await assert.rejects(lastGood.call("b", down));
});

test("wrong options → refused by name", async () => {
  assert.throws(() => new LastGood({} as never), /maxAgeMs is missing/);
  assert.throws(() => new LastGood({ maxAgeMs: 1, maxBytes: 10 }), /sizeOf is missing/);
  assert.throws(() => new LastGood({ maxAgeMs: 1, maxEntires: 1 } as never), /did you mean maxEntries/);
  const { lastGood } = store();
  await assert.rejects(
    lastGood.call(1 as never, () => ""),
    ConfigurationError,
  );
  await assert.rejects(lastGood.call("k", "x" as never), ConfigurationError);
});
