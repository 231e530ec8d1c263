/**
 * A touch is reported whoever swallows its error; all that is not one stays allowed; and everything
 * is back afterwards.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import nodeCrypto, { randomUUID } from "node:crypto";
import { lookup } from "node:dns";
import fs, { readFileSync } from "node:fs";
import fsPromises, { readFile } from "node:fs/promises";
import { request } from "node:http";
import { createRequire } from "node:module";
import { connect } from "node:net";
import { test } from "node:test";
import timers, { setTimeout as namedSetTimeout } from "node:timers";
import { setTimeout as promisedSetTimeout } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import zlib from "node:zlib";
import { asTask, drainMicrotasks } from "./microtasks.ts";
import { waysOut } from "./real-world.ts";
import { setTraps } from "./traps.ts";

interface Stretch {
  readonly touched: string[];
  readonly uncaught: unknown[];
}

/** Runs `run` with traps set, then what it caused, and takes them away. */
function inTraps(run: () => void): Stretch {
  const stretch: Stretch = { touched: [], uncaught: [] };
  const takeAway = setTraps({
    onTouch: (what) => stretch.touched.push(what),
    onUncaught: (error) => stretch.uncaught.push(error),
  });
  try {
    run();
  } finally {
    takeAway();
  }
  return stretch;
}

const nothing = (): void => undefined;
const bytes = new Uint8Array(4);

test("[S1] an import in the middle of a run trips, also when it is of a file that is loaded already", async () => {
  const imports: Promise<unknown>[] = [];
  const { touched } = inTraps(() => {
    imports.push(import("./traps.ts"), import("node:os"));
  });
  const settled = await Promise.allSettled(imports);
  assert.deepEqual(touched, ['import("./traps.ts")']);
  assert.deepEqual(
    settled.map((one) => one.status),
    ["rejected", "fulfilled"],
  );
});

test("[S1] code that swallows the error is reported all the same", async () => {
  const touched = await asTask(
    () =>
      inTraps(() => {
        try {
          Date["now"]();
        } catch {}
        const swallowing = async (): Promise<void> => {
          await undefined;
          await promisedSetTimeout(1).catch(nothing);
        };
        swallowing().catch(nothing);
        drainMicrotasks();
      }).touched,
  );
  assert.deepEqual(touched, ["Date.now", "timers/promises.setTimeout"]);
});

test("what is the same in each run stays allowed", () => {
  const { touched, uncaught } = inTraps(() => {
    assert.equal(new Date(86_400_000).toISOString(), "1970-01-02T00:00:00.000Z");
    assert.equal(Date.parse("1970-01-02T00:00:00Z"), Date.UTC(1970, 0, 2));
    assert.ok(new Date(0) instanceof Date && new Date(0).constructor === Date);
    assert.ok(timers.setTimeout === setTimeout && fs.promises === fsPromises);
    class Stamp extends Date {}
    assert.ok(new Stamp(5) instanceof Stamp);
    structuredClone({ a: [new Date(0)] });
    const controller = new AbortController();
    AbortSignal.any([controller.signal]).addEventListener("abort", nothing);
    controller.abort();
    new TextDecoder().decode(new TextEncoder().encode("text"));
    nodeCrypto.createHash("sha256").update("text").digest("hex");
    zlib.gunzipSync(zlib.gzipSync(bytes));
    process.nextTick(nothing);
    queueMicrotask(nothing);
    clearTimeout(undefined);
    process.stdout.write("");
    Math.max(1, 2);
  });
  assert.deepEqual([touched, uncaught], [[], []]);
});

test("everything is put back: the same functions, getters and flags, also as named imports", () => {
  const ways = waysOut();
  const look = () => ways.map(({ holder, key }) => Object.getOwnPropertyDescriptor(holder, key));
  const named = () => [
    randomUUID,
    readFileSync,
    spawn,
    connect,
    lookup,
    request,
    namedSetTimeout,
    readFile,
    Worker,
    Date,
  ];
  const [before, namedBefore] = [look(), named()];
  const trapped = inTraps(() => assert.equal(named().filter((one, index) => one === namedBefore[index]).length, 0));
  assert.deepEqual(trapped.touched, []);
  for (const [index, after] of look().entries()) {
    const [way, found] = [ways[index], before[index]];
    assert.ok(after?.value === found?.value && after?.get === found?.get && after?.set === found?.set, way?.what);
    assert.equal(after?.enumerable, found?.enumerable, way?.what);
    assert.equal(after?.writable, found?.writable, way?.what);
    assert.equal(after?.configurable, found?.configurable, way?.what);
  }
  assert.ok(named().every((one, index) => one === namedBefore[index]));
  assert.equal(typeof randomUUID(), "string");
});

test("what somebody else has put there between two runs is trapped, and put back, too", () => {
  const { setTimeout: original } = globalThis;
  const called: number[] = [];
  const theirs = (_run: unknown, delayMs: number): void => void called.push(delayMs);
  Object.assign(globalThis, { setTimeout: theirs });
  try {
    let kept: unknown;
    const { touched } = inTraps(() => {
      kept = setTimeout;
      assert.throws(() => setTimeout(nothing, 1), /setTimeout reaches out/);
    });
    (kept as typeof theirs)(nothing, 2);
    assert.deepEqual([touched, called], [["setTimeout"], [2]]);
    assert.equal(globalThis.setTimeout, theirs);
  } finally {
    Object.assign(globalThis, { setTimeout: original });
  }
  assert.throws(() => inTraps(() => setTimeout(nothing, 1)), /setTimeout reaches out/);
  assert.equal(globalThis.setTimeout, original);
});

test("nothing of the traps is in the way of modules that are loaded after a run", () => {
  inTraps(nothing);
  assert.throws(
    () => createRequire(import.meta.url)("./nowhere.cjs"),
    ({ code, stack }) => code === "MODULE_NOT_FOUND" && !String(stack).includes("traps.ts:"),
  );
});

test("a trap that code has kept leads to the original after the run", () => {
  let kept: () => number = () => 0;
  inTraps(() => {
    kept = Date["now"];
  });
  assert.ok(kept() > 1.7e12);
});

test("the host's listeners do not hear of what a run leaves uncaught, and are back afterwards", async () => {
  const heard: unknown[] = [];
  const always = (error: unknown): void => void heard.push(error);
  const once = (error: unknown): void => void heard.push(error);
  process.on("unhandledRejection", always).once("unhandledRejection", once);
  const events = ["unhandledRejection", "uncaughtException"] as const;
  const look = () => events.map((event) => process.rawListeners(event as "unhandledRejection"));
  const before = look();
  try {
    const { uncaught } = await asTask(() =>
      inTraps(() => {
        void Promise.reject("nobody handles this");
        process.on("uncaughtException", always);
        drainMicrotasks();
      }),
    );
    assert.deepEqual([uncaught, heard], [["nobody handles this"], []]);
    assert.deepEqual(look(), before);
    (process.rawListeners("unhandledRejection").at(-1) as (error: unknown) => void).call(process, "the host's own");
    assert.deepEqual(heard, ["the host's own"]);
    assert.ok(!process.listeners("unhandledRejection").includes(once), "what was to be called once is still there");
  } finally {
    process.off("unhandledRejection", always).off("unhandledRejection", once);
  }
});

test("traps are set once at a time, and taking them away twice does nothing", () => {
  const watch = { onTouch: nothing, onUncaught: nothing };
  const takeAway = setTraps(watch);
  try {
    assert.throws(() => setTraps(watch), /set already/);
  } finally {
    takeAway();
    takeAway();
  }
  setTraps({ ...watch })();
  assert.ok(Date["now"]() > 0);
});

test("whoever is told of a touch may touch", () => {
  let toldAtMs = 0;
  const takeAway = setTraps({ onTouch: () => (toldAtMs = Date["now"]()), onUncaught: nothing });
  try {
    assert.throws(() => performance.now(), /performance\.now reaches out/);
    assert.throws(() => performance.now(), /performance\.now reaches out/);
  } finally {
    takeAway();
  }
  assert.ok(toldAtMs > 1.7e12);
});

test("they work in worker threads", async () => {
  const worker = new Worker(
    `const { parentPort, workerData } = require("node:worker_threads");
     import(workerData).then(({ setTraps }) => setImmediate(() => {
       const touched = [], uncaught = [];
       const takeAway = setTraps({ onTouch: (what) => touched.push(what), onUncaught: (error) => uncaught.push(error) });
       for (const touch of [() => Date.now(), () => setTimeout(() => {}, 1), () => process.exit(1)]) {
         try { touch(); } catch {}
       }
       console.log("");
       queueMicrotask(() => { throw "a microtask"; });
       Promise.reject("a rejection");
       process._tickCallback();
       takeAway();
       parentPort.postMessage({ touched, uncaught, back: Date.now() > 0 });
     }));`,
    { eval: true, stdout: true, workerData: new URL("./traps.ts", import.meta.url).href },
  );
  const told = await new Promise((resolve, reject) => worker.once("message", resolve).once("error", reject));
  await worker.terminate();
  assert.deepEqual(told, {
    touched: ["Date.now", "setTimeout", "process.exit"],
    uncaught: ["a microtask", "a rejection"],
    back: true,
  });
});
