/** Listeners that throw, leave, come or call back in do no harm to each other. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Listeners } from "./listeners.ts";

/** Runs `work` and returns what surfaced as uncaught meanwhile. */
async function uncaught(work: () => void): Promise<string[]> {
  const seen: string[] = [];
  const listeners = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  process.on("uncaughtException", (error) => void seen.push(error.message));
  try {
    work();
    await new Promise((resolve) => setImmediate(resolve));
  } finally {
    process.removeAllListeners("uncaughtException");
    for (const listener of listeners) process.on("uncaughtException", listener);
  }
  return seen;
}

test("one that throws stops neither the teller nor the others, and surfaces as an uncaught exception", async () => {
  const listeners = new Listeners<number>();
  const heard: number[] = [];
  listeners.add(() => {
    throw new Error("mine");
  });
  listeners.add((event) => heard.push(event));
  assert.deepEqual(await uncaught(() => listeners.tell(1)), ["mine"]);
  assert.deepEqual(heard, [1]);
});

test("coming and leaving while being told counts from the next time", () => {
  const listeners = new Listeners<number>();
  const heard: string[] = [];
  const first = listeners.add((event) => {
    heard.push(`first ${event}`);
    first[Symbol.dispose]();
    listeners.add((later) => heard.push(`new ${later}`));
  });
  listeners.tell(1);
  listeners.tell(2);
  assert.deepEqual(heard, ["first 1", "new 2"]);
});

test("the same listener twice is two: disposing one leaves the other", () => {
  const listeners = new Listeners<number>();
  let heard = 0;
  const listener = (): void => void heard++;
  const one = listeners.add(listener);
  const other = listeners.add(listener);
  one[Symbol.dispose]();
  one[Symbol.dispose]();
  listeners.tell(1);
  assert.equal(heard, 1);
  other[Symbol.dispose]();
  assert.equal(listeners.any, false);
});
