/**
 * Draining is exhaustive, synchronous, and survives code that throws; what a world's time stands
 * on.
 */
import assert from "node:assert/strict";
import { AsyncLocalStorage, AsyncResource } from "node:async_hooks";
import { test } from "node:test";
import { asTask, asTasks, canDrain, drainMicrotasks } from "./microtasks.ts";
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
  assert.deepEqual(uncaught, ["a microtask", "a next tick", "a rejection"]);
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

test("[S1] the slow way: all that a task caused runs before what comes after it, and nothing else does", async () => {
  const seen: string[] = [];
  const pair = (name: string) => {
    const task = (): void => {
      seen.push(name);
      void (async () => {
        for (let link = 0; link < 1_000; link++) await undefined;
        process.nextTick(() => seen.push(`what ${name} caused`));
      })();
    };
    return asTasks([task, task], () => seen.push(`after ${name}`));
  };
  setImmediate(() => seen.push("the host"));
  const pairs = [pair("one"), pair("two")];
  setImmediate(() => seen.push("the host again"));
  await Promise.all(pairs);
  assert.deepEqual(
    seen.filter((what) => what !== "the host again"),
    [
      "the host",
      ...["one", "what one caused", "one", "what one caused", "after one"],
      ...["two", "what two caused", "two", "what two caused", "after two"],
    ],
  );
});

test("the slow way: what is thrown rejects, and the last comes all the same, but nothing between", async () => {
  const seen: string[] = [];
  const say = (what: string) => (): void => void seen.push(what);
  const throwing = (): never => {
    throw new Error("from the task");
  };
  await assert.rejects(asTasks([say("one"), throwing, say("two")], say("last")), /from the task/);
  await assert.rejects(asTasks([], throwing), /from the task/);
  assert.deepEqual(seen, ["one", "last"]);
});

test("a next tick that throws leaves no async context of its own behind", async () => {
  const uncaught: [error: unknown, store: string | undefined][] = [];
  const around = new AsyncResource("around");
  const inner = new AsyncLocalStorage<string>();
  await asTask(() => {
    const takeAway = setTraps({
      onTouch: assert.fail,
      onUncaught: (error) => uncaught.push([error, inner.getStore()]),
    });
    for (const error of ["one", "two"]) {
      around.runInAsyncScope(() => {
        for (let round = 0; round < 3; round++) {
          inner.run(`in ${error}`, () =>
            process.nextTick(() => {
              throw error;
            }),
          );
        }
        drainMicrotasks();
      });
    }
    takeAway();
  });
  // Before this was looked after, the process ended here: "async hook stack has become corrupted".
  assert.deepEqual(
    uncaught.map(([error]) => error),
    ["one", "one", "one", "two", "two", "two"],
  );
  // Node 22 no longer knows it for those behind the first of a drain.
  assert.deepEqual([uncaught[0]?.[1], uncaught[3]?.[1]], ["in one", "in two"]);
  assert.equal(await asTask(() => inner.getStore()), undefined);
});
