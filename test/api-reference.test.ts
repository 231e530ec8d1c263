/**
 * The API reference (`npm run docs:api`) is made from the docstrings. A name that a door exports
 * and nobody describes, a type that a signature needs and no door exports, and a link that leads
 * nowhere are warnings of TypeDoc, which count as errors (`docs/typedoc.json`).
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ended } from "./programs.ts";
import { root } from "./tracked.ts";

const folder = join(root, "docs");

test("the API reference can be built without a warning", async () => {
  const typedoc = join(folder, "node_modules/typedoc/bin/typedoc");
  const [status, printed] = await ended(spawn(process.execPath, [typedoc, "--emit", "none"], { cwd: folder }));
  assert.equal(status, 0, printed);
});

test("the API reference has an entry point for each door", () => {
  const { entryPoints } = JSON.parse(readFileSync(join(folder, "typedoc.json"), "utf8")) as { entryPoints: string[] };
  const { exports: doors } = JSON.parse(readFileSync(join(root, "resilience/package.json"), "utf8")) as {
    exports: Record<string, { readonly "@gsf/source": string }>;
  };
  const sources = Object.values(doors).map((door) => join("../resilience", door["@gsf/source"]));
  assert.deepEqual([...entryPoints].sort(), sources.sort());
});
