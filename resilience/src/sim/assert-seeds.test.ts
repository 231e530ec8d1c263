/** A simulation as a test: what the one who reads the failure is told, and when it is green. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { assertSeeds } from "./assert-seeds.ts";
import { type Fault, inject } from "./fault.ts";
import { parseReplay, replay } from "./replay.ts";
import type { Simulation } from "./simulation.ts";

interface Plan {
  readonly faults: readonly Fault[];
}

/** A client asks a server once; nobody asks again, so an answer that is lost is missed at the end. */
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
