/**
 * Every program in the documentation is one that a reader can paste: it has no errors of types, and
 * it runs to a good end (`../programs.ts`). The examples in docstrings have a test of their own.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { ended, fencedPrograms, Services, typeErrors, workplace } from "../programs.ts";
import { root } from "../tracked.ts";

const pages = ["README.md", "resilience/README.md", ...globSync("docs/guide/*.md", { cwd: root }).sort()];
const programs = pages.flatMap((page) =>
  fencedPrograms(readFileSync(join(root, page), "utf8")).map((code, place) => ({
    name: `${page}, program ${place + 1}`,
    code,
  })),
);

test("the documentation has programs", () => assert.ok(programs.length >= 15));

test("the programs of the documentation have no errors of types", async () => {
  assert.equal(await typeErrors(programs), "");
});

const services = new Services();
after(() => services.close());

for (const { name, code } of programs) {
  test(`${name} → ends well`, async () => {
    const options = ["--input-type=module-typescript", "--conditions=@gsf/source", "--eval", services.aim(code)];
    const child = spawn(process.execPath, options, { cwd: workplace, timeout: 60_000 });
    const [status, printed] = await ended(child);
    assert.equal(status, 0, printed);
  });
}
