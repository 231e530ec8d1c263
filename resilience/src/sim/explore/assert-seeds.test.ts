/** A simulation as a test: what the one who reads the failure is told, and when it is green. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Fault } from "../faults/fault.ts";
import { inject } from "../faults/inject.ts";
import { assertSeeds, flagsOf } from "./assert-seeds.ts";
import { parseReplay, replay } from "./replay.ts";
import type { Simulation } from "./simulation.ts";

interface Plan {
  readonly faults: readonly Fault[];
}

/**
 * A client asks a server once; nobody asks again, so an answer that is lost is missed at the end.
 */
function asking(isPatient: boolean): Simulation<Plan> {
  return {
    name: "asking",
    untilMs: 60_000,
    plan: (random) => ({
      faults: [0, 1, 2].map((place) => ({
        ...{ kind: "crash", node: "server", how: "kill", forMs: 500 },
        atMs: Math.floor(random.next() * 10_000) + place * 10_000,
      })),
    }),
    build(world, { faults }) {
      let isAnswered = false;
      world
        .node("server", ({ network }) => {
          network.onDatagram(1, (_question, from) => network.send(from, "answer"));
        })
        .start();
      world
        .node("client", ({ network, clock }) => {
          const ask = (): void => {
            if (!isAnswered) network.send({ node: "server", port: 1 }, "question", 2);
            if (isPatient && !isAnswered) clock.at(clock.nowMs() + 1_000, ask);
          };
          network.onDatagram(2, () => {
            isAnswered = true;
            world.sometimes("answered");
          });
          clock.at(clock.nowMs() + 5_000, ask);
        })
        .start();
      world.atEnd("is-answered", () => (isAnswered ? undefined : "nobody answered"));
      inject(world, faults);
    },
    sometimes: ["answered"],
  };
}

/** What the reader of the failing test sees. */
async function messageOf(run: Promise<unknown>): Promise<string> {
  const error: unknown = await run.then(
    () => assert.fail("it did not fail"),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof Error);
  return error.message;
}

test("a seed fails → what did not hold, the smallest case, its picture from the first fault on, and how to run it again", async () => {
  const files: string[] = [];
  const onFailure = (file: string): void => void files.push(file);
  const message = await messageOf(assertSeeds(asking(false), { seeds: 500, onFailure, only: undefined }));
  const [, seed] = /^asking, seed (\d+): is-answered: nobody answered$/m.exec(message) ?? [];
  assert.ok(seed !== undefined, message);
  assert.match(message, /^3 → 1 fault in \d+ runs$/m);
  assert.match(message, /server: crash kill/);
  assert.match(message, /VIOLATION at 60\.000000 s/);
  assert.match(message, new RegExp(`^again: SEED=${seed} node .*--test \\S+$`, "m"));
  assert.equal((await replay(asking(false), parseReplay(files[0] ?? "", "kept"))).verdict, "exact");
  const again = await messageOf(assertSeeds(asking(false), { seeds: 500, only: Number(seed), shrinkRuns: 0 }));
  assert.match(again, new RegExp(`^asking, seed ${seed}: is-answered`));
});

test("seen at the end of a run in which something happens all the time → its picture still begins at the fault", async () => {
  for (const [untilMs, everyMs] of [
    [20_000, 200],
    [20_050, 200],
    [600_000, 100],
  ] as const) {
    const periodic: Simulation<Plan> = {
      name: "periodic",
      untilMs,
      plan: () => ({ faults: [{ kind: "crash", node: "a", how: "kill", atMs: 1_000, forMs: 500 }] }),
      build(world, { faults }) {
        let starts = 0;
        for (const name of ["a", "b"]) {
          const node = world.node(name, ({ clock, note }) => {
            if (name === "a") starts++;
            const tick = (): void => {
              note("tick");
              clock.at(clock.nowMs() + everyMs, tick);
            };
            tick();
          });
          node.start();
        }
        inject(world, faults);
        world.atEnd("started-once", () => (starts === 1 ? undefined : `started ${starts} times`));
      },
    };
    for (const shrinkRuns of [0, 200]) {
      const message = await messageOf(assertSeeds(periodic, { seeds: 1, shrinkRuns, only: undefined }));
      assert.match(message, /a: crash kill/, `${untilMs} ms, ${shrinkRuns} runs`);
      assert.ok(message.split("\n").length < 450, "and has an end");
      assert.equal(/\d+ rows are not shown/.test(message), untilMs === 600_000);
    }
  }
});

test("the line that runs it again has the flags without which the file may not load, and none of the test runner's", () => {
  const given = [
    "--test-isolation=process",
    "--experimental-addon-modules",
    "--node-snapshot",
    "--conditions=@gsf/source",
  ];
  assert.deepEqual(flagsOf([...given, "--no-warnings", "--conditions", "@gsf/source"]), ["--conditions=@gsf/source"]);
  assert.deepEqual(flagsOf(["-C", "a", "--import", "./b.mjs", "-r", "c", "--loader=d"]), [
    "--conditions=a",
    "--import=./b.mjs",
    "--require=c",
    "--experimental-loader=d",
  ]);
  assert.deepEqual(flagsOf(["--experimental-vm-modules", "--no-experimental-strip-types"]), [
    "--experimental-vm-modules",
    "--no-experimental-strip-types",
  ]);
  assert.deepEqual(flagsOf([]), []);
});

test("no seed fails, and each situation was met → what was explored", async () => {
  const { runs, failed } = await assertSeeds(asking(true), { seeds: 20 });
  assert.deepEqual([runs, failed], [20, 0]);
});

test("no seed fails, and a situation was never met → red, with its name; a single seed need not meet it", async () => {
  const never = { ...asking(true), sometimes: ["answered", "the moon fell"] };
  assert.match(await messageOf(assertSeeds(never, { seeds: 5 })), /none met: the moon fell\. More seeds/);
  assert.equal((await assertSeeds(never, { seeds: 5, only: 3 })).runs, 1);
});

test("SEED that is no whole number → refused", async () => {
  const before = process.env["SEED"];
  process.env["SEED"] = "seven";
  try {
    assert.match(
      await messageOf(assertSeeds(asking(true), { seeds: 5 })),
      /SEED is "seven"; it must be a whole number/,
    );
  } finally {
    if (before === undefined) delete process.env["SEED"];
    else process.env["SEED"] = before;
  }
});
