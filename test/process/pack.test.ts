/**
 * What is published works for a stranger: `npm run pack:check` builds, packs and lints both
 * packages, installs the tarballs into an empty folder, and runs the examples and `gsf demo` there,
 * without the repository's sources.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const root = fileURLToPath(new URL("../..", import.meta.url));

test("both tarballs install into an empty folder and work there", async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ["scripts/pack-check.mjs"], {
    cwd: root,
    timeout: 300_000,
  });
  assert.match(stdout, /served by north north north south/);
  assert.match(stdout, /gsf demo: \d+ commands, 0 errors/);
  assert.match(stdout, /pack:check passed\s*$/);
});
