/** Draining is exhaustive, synchronous, and survives code that throws; what a world's time stands on. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { asTask, canDrain, drainMicrotasks, eventLoopTurn } from "./microtasks.ts";
import { setTraps } from "./traps.ts";

test("this engine drains", async () => {
  assert.equal(await canDrain(), true);
});

test("[S1] a drain runs every reaction and every next tick that these cause, before it returns", async () => {
  const seen = await asTask(() => {
    const order: string[] = [];
    const chain = async (name: string, links: number): Promise<void> => {
      for (let link = 0; link < links; link++) await undefined;
      order.push(name);
      process.nextTick(() => {
        order.push(`${name}, next tick`);
        queueMicrotask(() => order.push(`${name}, microtask of it`));
      });
    };
    void chain("long", 1_000);
    void chain("short", 1);
    drainMicrotasks();
    order.push("drained");
    return order;
  });
  assert.deepEqual(seen, [
    "short",
    "long",
    "short, next tick",
    "long, next tick",
    "short, microtask of it",
    "long, microtask of it",
    "drained",
  ]);
});

test("[S1] nothing waits for a drain that has nothing to do, and one can follow another", async () => {
  const seen = await asTask(() => {
    drainMicrotasks();
    let count = 0;
    for (let round = 0; round < 100; round++) {
      void Promise.resolve().then(() => count++);
      drainMicrotasks();
      if (count !== round + 1) return count;
    }
    return count;
  });
  assert.equal(seen, 100);
});

test("what code throws into nowhere is uncaught, and the rest still runs", async () => {
  const uncaught: unknown[] = [];
  const seen: string[] = [];
  await asTask(() => {
    const takeAway = setTraps({ onTouch: (what) => seen.push(what), onUncaught: (error) => uncaught.push(error) });
    process.nextTick(() => {
      throw "a next tick";
    });
    process.nextTick(() => seen.push("the next tick after it"));
    queueMicrotask(() => {
      throw "a microtask";
    });
    queueMicrotask(() => seen.push("the microtask after it"));
    void Promise.reject("a rejection");
    drainMicrotasks();
    seen.push("drained");
    takeAway();
  });
  assert.deepEqual(uncaught, ["a next tick", "a microtask", "a rejection"]);
  assert.deepEqual(seen, ["the next tick after it", "the microtask after it", "drained"]);
});

test("a task that throws rejects", async () => {
  await assert.rejects(
    asTask(() => {
      throw new Error("from the task");
    }),
    /from the task/,
  );
});

test("a turn of the event loop comes after everything that was pending", async () => {
  const seen: string[] = [];
  setImmediate(() => {
    seen.push("a task");
    void Promise.resolve().then(() => seen.push("what it caused"));
  });
  process.nextTick(() => seen.push("a next tick"));
  await eventLoopTurn();
  assert.deepEqual(seen, ["a next tick", "a task", "what it caused"]);
});
