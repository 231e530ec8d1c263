/**
 * The learned limit in front of a model of a service that works on so many calls at once and lets
 * the others wait: how near it comes to what the service takes, and how soon it follows a change.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../random.ts";
import { AdaptiveLimitMachine, type AdaptiveLimitOptions } from "./adaptive-limit.ts";

const SEED: string = process.env["SEED"] ?? "1";

/** A service with `workers`, `serviceMs` a call, a queue, and callers who always want more. */
class Model {
  readonly machine: AdaptiveLimitMachine;
  readonly #random = seededRandom(`adaptive-limit/${SEED}`);
  workers: number;
  serviceMs: number;
  /** Calls beyond so many that wait are refused. */
  maxQueue = Number.POSITIVE_INFINITY;
  /** How many calls callers want at once. */
  wanted: number = Number.POSITIVE_INFINITY;
  nowMs = 0;
  served = 0;
  times: number[] = [];
  /** When each call in flight ends, and when it began. */
  #inFlight: { readonly beganMs: number; endsMs: number; readonly isRefused: boolean }[] = [];
  /** When each worker is free. */
  #freeAt: number[] = [];

  constructor(workers: number, serviceMs: number, options: AdaptiveLimitOptions = {}) {
    this.workers = workers;
    this.serviceMs = serviceMs;
    this.machine = new AdaptiveLimitMachine(options);
  }

  run(forMs: number): void {
    const endMs = this.nowMs + forMs;
    this.served = 0;
    this.times = [];
    for (;;) {
      while (this.#inFlight.length < Math.min(this.machine.limit, this.wanted)) this.#send();
      const next = this.#inFlight.reduce((one, other) => (other.endsMs < one.endsMs ? other : one));
      if (next.endsMs > endMs) break;
      this.nowMs = next.endsMs;
      const inFlight = this.#inFlight.length;
      this.#inFlight.splice(this.#inFlight.indexOf(next), 1);
      const tookMs = this.nowMs - next.beganMs;
      if (!next.isRefused) {
        this.served++;
        this.times.push(tookMs);
      }
      this.machine.note({ tookMs, inFlight, isOverload: next.isRefused }, this.nowMs);
    }
    this.nowMs = endMs;
  }

  #send(): void {
    this.#freeAt = this.#freeAt.slice(-this.workers);
    while (this.#freeAt.length < this.workers) this.#freeAt.unshift(this.nowMs);
    this.#freeAt.sort((left, right) => left - right);
    const waiting = this.#inFlight.length - this.workers;
    if (waiting >= this.maxQueue) {
      this.#inFlight.push({ beganMs: this.nowMs, endsMs: this.nowMs + 1, isRefused: true });
      return;
    }
    const startsMs = Math.max(this.nowMs, this.#freeAt.shift() as number);
    const endsMs = startsMs + this.serviceMs * (0.5 + this.#random.next());
    this.#freeAt.push(endsMs);
    this.#inFlight.push({ beganMs: this.nowMs, endsMs, isRefused: false });
  }

  get meanMs(): number {
    return this.times.reduce((sum, one) => sum + one, 0) / this.times.length;
  }

  /** Of what the service could have served in so long. */
  shareServed(ofMs: number): number {
    return this.served / ((ofMs / this.serviceMs) * this.workers);
  }
}

for (const workers of [5, 20, 100])
  test(`[K6] gradient, a service that works on ${workers} at once → it is kept busy, and answers take less than three times as long`, () => {
    const model = new Model(workers, 50);
    model.run(60_000);
    model.run(60_000);
    assert.ok(model.shareServed(60_000) > 0.95, `${model.shareServed(60_000)}; SEED=${SEED}`);
    assert.ok(model.meanMs < 150, `${model.meanMs} ms; SEED=${SEED}`);
    assert.ok(model.machine.limit >= workers && model.machine.limit <= 3 * workers + 4, `${model.machine.limit}`);
  });

test("[K6] gradient: the service loses three quarters of its workers → the limit follows, and comes back", () => {
  const model = new Model(40, 50);
  model.run(60_000);
  const before = model.machine.limit;
  model.workers = 10;
  model.run(30_000);
  model.run(30_000);
  assert.ok(model.machine.limit < before / 2, `${before} → ${model.machine.limit}`);
  assert.ok(model.meanMs < 250, `${model.meanMs} ms`);
  model.workers = 40;
  model.run(60_000);
  model.run(30_000);
  assert.ok(model.shareServed(30_000) > 0.9, `${model.shareServed(30_000)}`);
});

test("[K6] gradient: the work itself takes three times as long from now on → not throttled for ever", () => {
  const model = new Model(20, 50);
  model.run(30_000);
  model.serviceMs = 150;
  model.run(60_000);
  model.run(60_000);
  assert.ok(model.shareServed(60_000) > 0.9, `${model.shareServed(60_000)}`);
});

test("[K6] a limit that is not used is not raised", () => {
  for (const algorithm of ["gradient", "aimd"] as const) {
    const model = new Model(1_000, 20, { algorithm, initialConcurrent: 30 });
    model.wanted = 10;
    model.run(60_000);
    assert.equal(model.machine.limit, 30, algorithm);
  }
});

test("[K6] aimd: a service that refuses what is too much → busy, with few refusals", () => {
  const model = new Model(20, 50, { algorithm: "aimd" });
  model.maxQueue = 20;
  model.run(60_000);
  model.run(60_000);
  assert.ok(model.shareServed(60_000) > 0.9, `${model.shareServed(60_000)}`);
  assert.ok(model.machine.limit <= 45, `${model.machine.limit}`);
});

test("[K6] never below the least nor above the greatest limit", () => {
  const down = new AdaptiveLimitMachine({ minConcurrent: 3, initialConcurrent: 10 });
  for (let nowMs = 0; nowMs < 60_000; nowMs += 5) down.note({ tookMs: 1_000, inFlight: 10, isOverload: true }, nowMs);
  assert.equal(down.limit, 3);
  const up = new AdaptiveLimitMachine({ maxConcurrent: 25 });
  for (let nowMs = 0; nowMs < 60_000; nowMs += 5) up.note({ tookMs: 1, inFlight: up.limit, isOverload: false }, nowMs);
  assert.equal(up.limit, 25);
});

for (const options of [
  { algorithm: "vegas" },
  { minConcurrent: 0 },
  { minConcurrent: 5, maxConcurrent: 4 },
  { initialConcurrent: 2 },
  { tolerance: 0.5 },
  { maxConcurent: 5 },
])
  test(`[K6] ${JSON.stringify(options)} → refused`, () => {
    assert.throws(() => new AdaptiveLimitMachine(options as AdaptiveLimitOptions), { name: "ConfigurationError" });
  });
