/**
 * The laws of the house that no compiler or linter knows, read off the tree: how long a file may
 * be, that it says what it is, that every core file has a test, that doors name what they let out,
 * that no drawer of odds and ends appears, and the import table in words (the compiler's project
 * references enforce it, this says it readably).
 */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { test } from "node:test";
import { root, text, trackedFiles } from "./tracked.ts";

const tracked = trackedFiles();
const sources = tracked.filter((path) => /^((resilience|gateway)\/src|scenarios)\/.*\.ts$/.test(path));
const shipped = sources.filter((path) => !path.endsWith(".test.ts"));

/**
 * Which rooms a room may import, besides itself. Packages and node built-ins are the walls' other
 * half, below.
 */
const MAY_IMPORT: Record<string, readonly string[]> = {
  "resilience/core": [],
  "resilience/calibration": ["resilience/core"],
  "resilience/runtime": ["resilience/core"],
  "resilience/chaos": ["resilience/core", "resilience/runtime"],
  "resilience/sim": ["resilience/core", "resilience/runtime"],
  "resilience/doors": ["resilience/core", "resilience/runtime"],
  resilience: ["resilience/core", "resilience/runtime"],
  "gateway/fleet": [],
  "gateway/adapters": ["gateway/fleet", "gateway/compose"],
  "gateway/station": ["gateway/fleet", "gateway/adapters"],
  "gateway/demo": ["gateway/fleet", "gateway/adapters", "gateway/station"],
  "gateway/calibrate": ["gateway/fleet", "gateway/adapters"],
  "gateway/proxy": ["gateway/fleet", "gateway/adapters"],
  "gateway/drills": ["gateway/fleet", "gateway/adapters", "gateway/demo"],
  "gateway/config": ["gateway/fleet", "gateway/adapters"],
  "gateway/compose": ["gateway/fleet"],
  gateway: [
    "gateway/fleet",
    "gateway/adapters",
    "gateway/config",
    "gateway/station",
    "gateway/demo",
    "gateway/calibrate",
    "gateway/proxy",
    "gateway/drills",
    "gateway/compose",
  ],
  // Worlds run what ships: `gateway/config` is for the configuration's parser, `gateway/demo` for
  // the spacecraft.
  scenarios: ["gateway/config", "gateway/compose", "gateway/fleet", "gateway/demo"],
};

function roomOf(path: string): string {
  if (path === "gateway/src/compose.ts") return "gateway/compose";
  if (path.startsWith("scenarios/")) return "scenarios";
  const [workspace, , ...rest] = path.split("/");
  return rest.length > 1 ? `${workspace}/${rest[0]}` : `${workspace}`;
}

function importsOf(path: string): string[] {
  return [...text(path).matchAll(/(?:^|\n)(?:import|export)\b[^;]*?from\s+"([^"]+)"/g)].map(
    (match) => match[1] as string,
  );
}

/**
 * The law on length serves one purpose: a file is one thing. Functions have a bound of their own
 * (the linter's 70 lines).
 */
test("a source file above 400 lines says in its header why it is one thing", () => {
  const unexplained = shipped
    .map((path) => [path, text(path).split("\n").length - 1] as const)
    .filter(
      ([path, lines]) => lines > 400 && !/^(#!.*\n)?\/\*\*(?:(?!\*\/)[\s\S])*?\bone[\s*]+file\b/.test(text(path)),
    );
  assert.deepEqual(unexplained, []);
});

test("comments wrap at 100 columns, but for pictures and tables", () => {
  const tooLong = tracked
    .filter((path) => path.endsWith(".ts"))
    .flatMap((path) =>
      text(path)
        .split("\n")
        .map((line) => [path, line] as const),
    )
    // A line of prose: one space behind the sign of the comment, and no table.
    .filter(([, line]) => line.length > 100 && /^ *(\*|\/\/) [^\s|─]/.test(line) && !/biome-ignore/.test(line));
  assert.deepEqual(tooLong, []);
});

test("a source file opens by saying what it is", () => {
  assert.deepEqual(
    shipped.filter((path) => !/^(#!.*\n)?(\/\*\*|\/\/ )/.test(text(path))),
    [],
  );
});

test("every file of core and calibration has a test beside it", () => {
  const untested = shipped.filter(
    (path) =>
      /^resilience\/src\/(core|calibration)\//.test(path) &&
      !path.endsWith("/index.ts") &&
      /\bexport (abstract )?(class|function|const)\b/.test(text(path)) &&
      !existsSync(join(root, path.replace(/\.ts$/, ".test.ts"))),
  );
  assert.deepEqual(untested, []);
});

test("a door re-exports by name and does nothing else", () => {
  for (const path of shipped.filter((one) => one.endsWith("/index.ts") && !one.startsWith("scenarios/"))) {
    assert.doesNotMatch(text(path), /export \*/, path);
    assert.doesNotMatch(text(path).replace(/\/\*[\s\S]*?\*\//g, ""), /^(import|const|function|class|let)\b/m, path);
  }
});

test("there is no drawer of odds and ends", () => {
  assert.deepEqual(
    tracked.filter((path) => /(^|\/)(utils?|helpers?|common|misc|manager)(\.ts|\/)/i.test(path)),
    [],
  );
});

test("rooms import only the rooms that the picture allows", () => {
  for (const path of shipped) {
    const room = roomOf(path);
    const allowed = MAY_IMPORT[room];
    assert.ok(allowed !== undefined, `${path}: room "${room}" is not in the picture`);
    for (const specifier of importsOf(path)) {
      if (!specifier.startsWith(".")) continue;
      const target = roomOf(normalize(join(dirname(path), specifier)));
      assert.ok(target === room || allowed.includes(target), `${path} (${room}) imports ${specifier} (${target})`);
    }
  }
});

test("the library imports nothing but itself and node's AsyncLocalStorage; its traps, what they trap", () => {
  for (const path of shipped.filter((one) => one.startsWith("resilience/"))) {
    const foreign = importsOf(path).filter((specifier) => !specifier.startsWith("."));
    const allowed = /\/sim\/kernel\/(traps|real-world)\.ts$/.test(path) ? /^node:/ : /^node:async_hooks$/;
    assert.deepEqual(
      foreign.filter((specifier) => !allowed.test(specifier)),
      [],
      path,
    );
  }
  const manifest = JSON.parse(text("resilience/package.json")) as { dependencies: object };
  assert.deepEqual(manifest.dependencies, {});
});

test("fleet and compose know no socket, file or process", () => {
  for (const path of shipped.filter(
    (one) => one.startsWith("gateway/src/fleet/") || one === "gateway/src/compose.ts",
  )) {
    const foreign = importsOf(path).filter(
      (specifier) => !specifier.startsWith(".") && !/^ground-station-failover(\/core)?$/.test(specifier),
    );
    assert.deepEqual(foreign, [], path);
  }
});

test("compose only constructs and connects: at most 150 lines", () => {
  assert.ok(text("gateway/src/compose.ts").split("\n").length - 1 <= 150);
});

/** The clock, and the traps that keep a world from touching it. */
const NAMES_TIMERS = /\/(system-clock|sim\/kernel\/(traps|real-world))\.ts$/;

test("only system-clock.ts names timers and performance in the library", () => {
  for (const path of shipped.filter((one) => one.startsWith("resilience/") && !NAMES_TIMERS.test(one))) {
    const code = text(path)
      .replace(/\/\*[\s\S]*?\*\//g, "")
      .replace(/\/\/.*$/gm, "");
    const timers = path.includes("/sim/")
      ? /\b(setTimeout|setInterval|performance)\b/
      : /\b(setTimeout|setInterval|setImmediate|performance)\b/;
    assert.doesNotMatch(code, timers, path);
    assert.doesNotMatch(code, /\bMath\.random\b|\bDate\.now\b|\bnew Date\b|\bcrypto\b/, path);
  }
});

test("no link in the docs leads nowhere", () => {
  for (const path of tracked.filter((one) => one.endsWith(".md"))) {
    for (const match of text(path).matchAll(/\]\(([^)#\s]+)(#[^)]*)?\)/g)) {
      const target = match[1] as string;
      if (/^[a-z]+:/.test(target)) continue;
      assert.ok(existsSync(join(root, dirname(path), target)), `${path} links to ${target}`);
    }
  }
});

test("every test file that the docs name exists", () => {
  for (const path of tracked.filter((one) => one.endsWith(".md"))) {
    for (const match of text(path).matchAll(
      /`((?:test|resilience|gateway|bench|examples)\/[\w./-]+\.(?:ts|mjs|py|json|yaml))`/g,
    )) {
      assert.ok(existsSync(join(root, match[1] as string)), `${path} names ${match[1]}`);
    }
  }
});

test("every file that ARCHITECTURE names by its room exists", () => {
  for (const [, named] of text("ARCHITECTURE.md").matchAll(/`((?:core|runtime|sim|fleet|adapters)\/[\w./-]+)`/g)) {
    const there = tracked.some(
      (path) => path.replace(/^(resilience|gateway)\/src\//, "").replace(/\.ts$/, "") === named,
    );
    const folder = tracked.some((path) => path.replace(/^(resilience|gateway)\/src\//, "").startsWith(`${named}/`));
    assert.ok(
      there || folder || tracked.some((path) => path.endsWith(`src/${named}`)),
      `ARCHITECTURE.md names ${named}`,
    );
  }
});

test("every file that a comment names exists", () => {
  const names = new Set(tracked.map((path) => path.slice(path.lastIndexOf("/") + 1)));
  for (const path of shipped) {
    for (const [comment] of text(path).matchAll(/\/\*\*[\s\S]*?\*\/|\/\/.*/g)) {
      for (const [, named] of comment.matchAll(/`(?:[\w./-]+\/)?([\w-]+\.(?:ts|md))`/g)) {
        assert.ok(names.has(named as string), `${path} names ${named}`);
      }
    }
  }
});
