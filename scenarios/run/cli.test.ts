/**
 * `npm run sim` as a stranger meets it: what it prints, what it keeps, with which exit code it
 * ends.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { MUTANTS } from "../mutants/catalogue.ts";
import { SourceCopy } from "../mutants/copy.ts";
import type { Mutant } from "../mutants/mutant.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "gsf-sim-"));
after(() => rmSync(folder, { recursive: true, force: true }));

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function sim(...flags: string[]): Promise<Ended> {
  const child = spawn(process.execPath, ["--conditions=@gsf/source", "scenarios/run/cli.ts", ...flags], { cwd: root });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (text) => {
    stdout += text;
  });
  child.stderr.on("data", (text) => {
    stderr += text;
  });
  return new Promise((resolve) => child.once("close", (code) => resolve({ code, stdout, stderr })));
}

describe("npm run sim", () => {
  test("says how many seeds it ran, how fast, and what was met", async () => {
    const { code, stdout } = await sim("--seeds", "6", "--first-seed", "40");
    assert.match(stdout, /^swarm: 6 seeds \(40 … 45\), none failed$/m);
    assert.match(stdout, /simulated s in [\d.]+ CPU s: [\d,]+ a second, [\d,]+ seeds a minute/);
    assert.equal(code, 0);
  });

  test("runs the same seeds to the same end on one core and on two", async () => {
    const [one, two] = await Promise.all(
      ["1", "2"].map((jobs) =>
        sim("--seeds", "25", "--first-seed", "18", "--jobs", jobs, "--determinism", "0", "--json"),
      ),
    );
    const facts = ({ stdout }: Ended): unknown => {
      const { cpuMs: _, ...rest } = JSON.parse(stdout) as { cpuMs: number; met: object };
      return { ...rest, met: Object.fromEntries(Object.entries(rest.met).toSorted()) };
    };
    assert.deepEqual(facts(one as Ended), facts(two as Ended));
  });

  test("lists the scenarios, a line each", async () => {
    const { stdout } = await sim("--list");
    for (const name of ["incident-cn-2702-003", "half-open-deadlock", "swarm"])
      assert.match(stdout, new RegExp(`^${name} +\\S`, "m"));
  });

  test("[S4] shows the incident's two timelines from one seed", async () => {
    const { code, stdout } = await sim("--scenario", "incident-cn-2702-003", "--seeds", "1", "--first-seed", "7");
    assert.equal(code, 0, stdout);
    assert.match(stdout, /50/);
    assert.match(stdout, /old/i);
  });

  test("a wrong command line is a sentence and exit code 2", async () => {
    for (const [flags, says] of [
      [["--seeds", "many"], /"many" is not allowed; allowed is a whole number from 1/],
      [["--scenario", "sunny-day"], /sunny-day.*Allowed choices are .*swarm/s],
      [["--replay", join(folder, "nowhere.json")], /nowhere\.json/],
      [["--sedes", "3"], /unknown option '--sedes'/],
      [["--replay", "any.json", "--seeds", "3"], /'--replay <file>' cannot be used with option '--seeds <n>'/],
      [["--trace", "text"], /'--trace' goes with --replay FILE only/],
    ] as const) {
      const { code, stderr } = await sim(...flags);
      assert.match(stderr, says);
      assert.equal(code, 2, stderr);
    }
    const broken = join(folder, "broken.json");
    writeFileSync(broken, '{"format": 9}');
    const { code, stderr } = await sim("--replay", broken);
    assert.match(stderr, /"format" is 9; it must be 1/);
    assert.equal(code, 2);
  });
});

test("[S1] [S3] a failing seed is shrunk, kept, and comes back from its file to the bit, with a picture", async () => {
  using copy = new SourceCopy();
  copy.plant(MUTANTS.find(({ name }) => name === "no-deduplication") as Mutant);
  const found = await copy.simulate("--seeds", "20", "--stop-at-first", "--shrink-runs", "30", "--failures", folder);
  assert.equal(found.code, 1, found.stderr);
  assert.match(found.stdout, /violates executed-once at [\d.]+ s/);
  assert.match(found.stdout, /shrunk: \d+ → \d+ faults?/);
  assert.match(found.stdout, /npm run sim -- --replay .*executed-once\.json/);
  const [name, ...others] = readdirSync(folder).filter((one) => one.endsWith("executed-once.json")) as [string];
  const [seed] = /\d+/.exec(name) as [string];
  const only = await copy.simulate(
    "--seeds",
    "1",
    "--first-seed",
    seed,
    "--no-keep",
    "--failures",
    join(folder, "none"),
  );
  assert.match(only.stdout, new RegExp(`seed ${seed}: executed-once at [\\d.]+ s`));
  assert.deepEqual([only.code, others.length, readdirSync(folder).includes("none")], [1, 0, false]);
  const file = join(folder, name);
  const again = await copy.simulate("--replay", file);
  assert.equal(again.code, 1);
  assert.match(again.stdout, /the same run again, to the bit/);
  assert.match(again.stdout, /VIOLATION/);
  const lines = (await copy.simulate("--replay", file, "--trace", "jsonl", "--last", "1")).stdout.trim().split("\n");
  for (const line of lines) assert.equal(typeof (JSON.parse(line) as { atMs: unknown }).atMs, "number");
  const mended = await sim("--replay", file);
  assert.equal(mended.code, 0, mended.stdout);
  assert.match(mended.stdout, /nothing is violated any more/);
  assert.ok(readFileSync(file, "utf8").length < 50_000, "a replay is a small file");
});
