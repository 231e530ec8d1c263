/**
 * [S3] The planted bugs are still found, at the seeds at which `npm run sim:mutants -- --write`
 * found them; on the same seeds the source as it is violates nothing. A bug that is not found any
 * more asks for that command, and if it cannot find it either, for a better swarm.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { after, describe, test } from "node:test";
import { MUTANTS } from "./catalogue.ts";
import { SourceCopy } from "./copy.ts";
import type { Found } from "./hunt.ts";
import { hunt } from "./hunt.ts";

const FOUND = JSON.parse(readFileSync(new URL("./found.json", import.meta.url), "utf8")) as readonly Found[];

test("every planted bug of the catalogue has been found, and has a name of its own", () => {
  assert.deepEqual(
    FOUND.map(({ mutant }) => mutant),
    MUTANTS.map(({ name }) => name),
  );
  assert.equal(new Set(MUTANTS.map(({ name }) => name)).size, MUTANTS.length);
});

/**
 * So many copies of the source serve all of them, one bug after the other; the other cores are for
 * other files.
 */
const COPIES = Math.max(1, Math.floor(availableParallelism() / 2));
const copies: SourceCopy[] = [];
after(() => {
  for (const copy of copies) copy[Symbol.dispose]();
});

describe("[S3] planted bugs", { concurrency: COPIES }, () => {
  for (const { mutant: name, seed, invariant } of FOUND) {
    test(`${name} violates ${invariant} at seed ${seed}`, async () => {
      const mutant = MUTANTS.find((one) => one.name === name);
      assert.ok(mutant !== undefined);
      const copy = copies.pop() ?? new SourceCopy();
      const result = await hunt(mutant, copy, { firstSeed: seed, seeds: 1, shrinkRuns: 0 });
      copies.push(copy);
      assert.ok("seed" in result, `not found: ${JSON.stringify(result)}; npm run sim:mutants -- --only ${name}`);
    });
  }
});
