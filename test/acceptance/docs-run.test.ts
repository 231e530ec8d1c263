/** Whole programs in the guide run as they stand, and end well. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
const PAGES = ["docs/guide/testing.md", "docs/guide/coming-from.md"];

for (const page of PAGES) {
  const programs = [...readFileSync(join(root, page), "utf8").matchAll(/^```ts\n([\s\S]*?)^```$/gm)];
  test(`${page} has programs`, () => assert.ok(programs.length > 1));
  for (const [place, [, program = ""]] of programs.entries()) {
    test(`${page}, program ${place + 1} → ends well`, () => {
      const options = ["--input-type=module-typescript", "--conditions=@gsf/source", "--eval", program];
      // The peers that one page compares with are installed in bench.
      const { status, stderr } = spawnSync(process.execPath, options, {
        cwd: join(root, "bench"),
        encoding: "utf8",
        timeout: 60_000,
      });
      assert.equal(status, 0, stderr);
    });
  }
}
