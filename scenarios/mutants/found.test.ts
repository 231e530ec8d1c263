/**
 * [S3] The planted bugs are still found, at the seeds at which `npm run sim:mutants -- --write`
 * found them; on the same seeds the source as it is violates nothing. A bug that is not found any
 * more asks for that command, and if it cannot find it either, for a better swarm.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { MUTANTS } from "./catalogue.ts";
import type { Found } from "./hunt.ts";
import { Planting } from "./planting.ts";

const FOUND = JSON.parse(readFileSync(new URL("./found.json", import.meta.url), "utf8")) as readonly Found[];

test("every planted bug of the catalogue has been found, and has a name of its own", () => {
  assert.deepEqual(
    FOUND.map(({ mutant }) => mutant),
    MUTANTS.map(({ name }) => name),
  );
  assert.equal(new Set(MUTANTS.map(({ name }) => name)).size, MUTANTS.length);
});

describe("[S3] planted bugs", () => {
  let planting: Planting<typeof import("../run/batch.ts")>;
  before(async () => {
    planting = await Planting.of(new URL("../run/batch.ts", import.meta.url));
  });
  after(() => planting[Symbol.dispose]());

  for (const { mutant: name, scenario, seed, invariant } of FOUND) {
    test(`${name} violates ${invariant} at seed ${seed}`, async () => {
      const mutant = MUTANTS.find((one) => one.name === name);
      assert.ok(mutant !== undefined);
      const { runPortion } = await planting.plant(mutant);
      const { failures } = await runPortion({
        ...{ scenario, seeds: 1, firstSeed: seed, checkDeterminismRate: 0 },
        // What else it breaks is not what it is hunted for, and must not end the run before that.
        only: mutant.invariants,
      });
      const violated = failures.map(({ violation }) => violation.invariant);
      assert.ok(
        violated.some((one) => mutant.invariants.includes(one)),
        `not found: ${JSON.stringify(failures)}; npm run sim:mutants -- --only ${name}`,
      );
    });
  }
});
