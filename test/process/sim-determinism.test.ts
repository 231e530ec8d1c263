/**
 * [S1] Same seed, same run: in this process, in another one, and on every version of Node that is
 * supported. The other versions are packages of `test/engines`, which `npm test` installs before
 * the tests begin (`scripts/install-engines.mjs`).
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../..", import.meta.url));
const engines = `${root}test/engines`;
const engine = (version: 22 | 26): string =>
  `${engines}/node_modules/node${version}-${process.platform}-${process.arch}/bin/node`;
const SEEDS = 6;

/** The hash of each of the first seeds of the swarm, and how many events it had. */
async function hashesOn(node: string): Promise<{ readonly version: string; readonly hashes: readonly string[] }> {
  const { stdout } = await run(node, ["--conditions=@gsf/source", "scenarios/run/hashes.ts", String(SEEDS)], {
    cwd: root,
    timeout: 300_000,
  });
  return JSON.parse(stdout) as { version: string; hashes: string[] };
}

describe("[S1] one seed is one run", () => {
  let ours: readonly string[];
  before(
    async () => {
      ours = (await hashesOn(process.execPath)).hashes;
    },
    { timeout: 300_000 },
  );

  test("in two processes", async () => {
    assert.equal(ours.length, SEEDS);
    assert.equal(new Set(ours).size, SEEDS, "different seeds are different runs");
    assert.deepEqual((await hashesOn(process.execPath)).hashes, ours);
  });

  for (const version of [22, 26] as const) {
    test(`on Node ${version}`, async () => {
      assert.ok(
        existsSync(engine(version)),
        `${engine(version)} is missing: run "npm ci" in test/engines; test/engines/package.json says for which platforms there is one`,
      );
      const theirs = await hashesOn(engine(version));
      assert.match(theirs.version, new RegExp(`^v${version}\\.`));
      assert.deepEqual(theirs.hashes, ours);
    });
  }
});
