/**
 * What tests of guarded calls share: a client on a virtual clock, how a call ended as one word, and
 * the check that nothing is left behind. Every world that a test makes is checked after it, so that
 * no test can forget to.
 */
import assert from "node:assert/strict";
import { afterEach } from "node:test";
import { ResilienceError } from "../resilience/src/core/errors.ts";
import { seededRandom } from "../resilience/src/core/random.ts";
import type { CallOptions, Operation } from "../resilience/src/runtime/guard/call-options.ts";
import { type ClientOptions, ResilientClient } from "../resilience/src/runtime/guard/client.ts";
import { VirtualClock } from "../resilience/src/sim/kernel/virtual-clock.ts";

export interface World {
  readonly clock: VirtualClock;
  readonly client: ResilientClient;
}

let worlds: World[] = [];

/**
 * A client with two slots, a timeout of 100 ms, retries after 10 and 20 ms, and a budget that
 * refuses nothing.
 */
export function make(options: Partial<ClientOptions> = {}): World {
  const clock = new VirtualClock(0.1);
  const client = new ResilientClient({
    name: "uplink",
    clock,
    random: seededRandom("calls"),
    bulkhead: { maxConcurrent: 2, acquireTimeoutMs: 50 },
    timeoutMs: 100,
    retry: { jitter: "none", baseMs: 10, budget: { clock, ratio: 1, reserve: 100 } },
    ...options,
  });
  worlds.push({ clock, client });
  return { clock, client };
}

/**
 * To be called once in a test file: after each test, every slot, charge and timer of its worlds
 * must have come back.
 */
export function nothingIsLeftBehind(): void {
  afterEach(() => {
    for (const { clock, client } of worlds) {
      assert.deepEqual([client.bulkhead?.running ?? 0, client.bulkhead?.waiting ?? 0], [0, 0], "slots return");
      assert.equal(client.budget?.status.pending ?? 0, 0, "charges return");
      assert.equal(clock.pending, 0, "timers return");
    }
    worlds = [];
  });
}

/** How a call ended: its value, or the code or message of its error. */
export async function endOf(call: Promise<unknown>): Promise<unknown> {
  return call.catch((error: unknown) => (error instanceof ResilienceError ? error.code : String(error)));
}

/** Runs a call to its end on its clock. */
export async function run(
  { clock, client }: World,
  operation: Operation<unknown>,
  options?: CallOptions,
): Promise<unknown> {
  return clock.runUntilSettled(endOf(client.call(operation, options)));
}

/** Lets every pending microtask finish. */
export const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** An operation that fails. */
export const down = (): never => {
  throw new Error("down");
};

/** An operation that provably sends nothing. */
export const refused = (): never => {
  throw Object.assign(new Error("refused"), { code: "ECONNREFUSED" });
};

/** Resolves when the attempt is told that nobody waits for it any more. */
export function onAbort(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve()));
}
