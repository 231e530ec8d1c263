/**
 * The examples are promises too: each runs as a process of its own and must say what it says in the
 * docs.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const folder = fileURLToPath(new URL("../../examples/", import.meta.url));
const SAYS: Record<string, RegExp> = {
  "express-deadline.ts": /^504 no answer in time$/m,
  "guarded-fetch.ts": /^azimuth 141\.2 after 2 requests$/m,
  "guarded-undici.ts": /^azimuth 141\.2 after 2 requests$/m,
  "hour-of-heartbeats.ts": /^node,arrival,sequence\nprimary,\d+\.\d{3},0\n(?:primary,\d+\.\d{3},\d+\n){70000,72000}$/,
  "primary-and-backup.ts":
    /ms: south promoted, epoch 2\nserved by north north north south south south south south south south$/m,
  "resilient-fetch.ts": /^azimuth 141\.2 after 2 requests$/m,
  "simulate-your-own.ts": /^seed \d+: booked-once: payment \d+ was booked twice\n\d+ → 1 fault in \d+ runs$/m,
};

test("every example is listed here", () => {
  assert.deepEqual(
    readdirSync(folder)
      .filter((name) => name.endsWith(".ts"))
      .sort(),
    Object.keys(SAYS).sort(),
  );
});

for (const [name, says] of Object.entries(SAYS)) {
  test(`examples/${name} runs and says what it should`, async () => {
    const { stdout } = await promisify(execFile)(process.execPath, ["--conditions=@gsf/source", folder + name], {
      timeout: 60_000,
      maxBuffer: 16 * 1_024 ** 2,
    });
    assert.match(stdout, says);
  });
}
