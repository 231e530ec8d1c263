/**
 * Every class and function that a door exports shows its ordinary use in its docstring, in a
 * whole program that a reader can paste: it has no errors of types, runs to its end, and prints
 * what it says it prints. Constants need no example, and are checked where they have one.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { type Door, GATEWAY_SNAPSHOT, SNAPSHOT } from "../doors.ts";
import { declaredAtDoors, expectedOutput } from "../examples.ts";
import { ended, inFolder, type Program, Services, typeErrors, workplace } from "../programs.ts";

const declared = declaredAtDoors();
const examples = declared.flatMap((declaration) => declaration.examples);
/** Processes that run examples side by side, each one example after another. */
const PROCESSES = 2;

/**
 * Runs the programs whose files it is given as arguments, and prints a line of JSON for each: what
 * it printed, or what it threw. Node strips no types below `node_modules`, so they are stripped
 * here.
 */
const RUNNER = `
import { readFileSync, writeFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { format } from "node:util";
for (const file of process.argv.slice(1)) {
  const printed = [];
  console.log = (...values) => printed.push(format(...values));
  const run = async () => {
    writeFileSync(file + ".mjs", stripTypeScriptTypes(readFileSync(file, "utf8")));
    await import(file + ".mjs");
  };
  const error = await run().then(() => undefined, (reason) => String(reason?.stack ?? reason));
  process.stdout.write(JSON.stringify({ printed, error }) + "\\n");
}`;
const RUN = [
  "--conditions=@gsf/source",
  "--disable-warning=ExperimentalWarning",
  "--input-type=module",
  "--eval",
  RUNNER,
];

interface Ran {
  readonly printed: readonly string[];
  readonly error?: string;
}

test("every exported class and function has an example", () => {
  const missing = [SNAPSHOT, GATEWAY_SNAPSHOT]
    .flatMap((path) => Object.entries(JSON.parse(readFileSync(path, "utf8")) as Record<string, Door>))
    .flatMap(([door, { values }]) =>
      values
        .filter((name) => {
          const found = declared.filter((declaration) => declaration.name === name);
          assert.equal(found.length, 1, `${name} of door ${door} is declared once`);
          return found[0]?.kind !== "const" && found[0]?.examples.length === 0;
        })
        .map((name) => `${door}: ${name}`),
    );
  assert.deepEqual(missing, []);
});

test("each line that an example prints is said beside it", () => {
  const unsaid = examples.filter(({ code }) => (expectedOutput(code) ?? []).length === 0);
  assert.deepEqual(
    unsaid.map(({ name }) => name),
    [],
  );
});

test("examples have no errors of types", async () => {
  assert.equal(await typeErrors(examples), "");
});

const services = new Services();
after(() => services.close());

/** Runs `programs` one after another in one process, which has to end by itself. */
async function problemsOf(programs: readonly Program[], share: number, folder: string): Promise<string[]> {
  const files = programs.map(({ code }, place) => {
    const file = join(folder, `${share}-${place}.mts`);
    writeFileSync(file, services.aim(code));
    return file;
  });
  const child = spawn(process.execPath, [...RUN, ...files], { cwd: workplace, timeout: 60_000 });
  const [status, printed] = await ended(child);
  const lines = printed.split("\n").filter((line) => line.startsWith('{"printed"'));
  const problems = programs.slice(0, lines.length).flatMap(({ name, code }, place) => {
    const ran = JSON.parse(lines[place] as string) as Ran;
    if (ran.error !== undefined) return [`${name}: ${ran.error}`];
    const [is, said] = [ran.printed.join("\n"), expectedOutput(code)?.join("\n")];
    return is === said ? [] : [`${name} printed\n${is}\nand says\n${said}`];
  });
  if (lines.length < programs.length) problems.push(`${programs[lines.length]?.name} did not end: ${printed}`);
  else if (status !== 0) problems.push(`the process of ${programs.length} examples ended with ${status}: ${printed}`);
  return problems;
}

test("examples run to their end and print what they say", async () => {
  await inFolder(async (folder) => {
    const shares = Array.from({ length: PROCESSES }, (_, share) =>
      examples.filter((_, place) => place % PROCESSES === share),
    );
    const problems = await Promise.all(shares.map((programs, share) => problemsOf(programs, share, folder)));
    assert.equal(problems.flat().join("\n\n"), "");
  });
});
