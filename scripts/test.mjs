// Runs the tests: `npm run test:only`, or with files or patterns of your own after `--`.
//
// `node --test` alone starts its files in the order of their names, one fewer at once than there
// are cores: on two cores one is idle, and a long file that comes last runs by itself. Here as many
// run at once as there are cores, and those that take longest begin. What one process has compiled,
// and stripped of its types, the next one reads from a cache.
import { globSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const PATTERNS = ["resilience/src", "gateway/src", "scenarios", "test", "bench"].map((room) => `${room}/**/*.test.ts`);
/**
 * What is started first, in this order: the longest file; those that wait for processes and sockets
 * more than they compute, so that they wait while it computes; and the other long ones. What takes
 * a second or two fills up the end.
 */
const FIRST = [
  "scenarios/mutants/found.test.ts",
  "test/process/*.test.ts",
  "scenarios/sample.test.ts",
  "gateway/src/adapters/**/*.test.ts",
  "scenarios/run/cli.test.ts",
  "scenarios/fault-sweep.test.ts",
  "scenarios/oracle.test.ts",
  "scenarios/scenarios.test.ts",
  "resilience/src/calibration/*.test.ts",
  "scenarios/swarm.test.ts",
  "test/acceptance/*.test.ts",
];

const filesOf = (patterns) => globSync(patterns, { cwd: root }).sort();
const gone = FIRST.filter((pattern) => filesOf([pattern]).length === 0);
if (gone.length > 0) throw new Error(`scripts/test.mjs names files that do not exist: ${gone.join(", ")}`);

const given = process.argv.slice(2);
const wanted = new Set(filesOf(given.length > 0 ? given : PATTERNS));
const first = FIRST.flatMap((pattern) => filesOf([pattern])).filter((file) => wanted.delete(file));
const files = [...first, ...wanted].map((file) => join(root, file));
if (files.length === 0) throw new Error(`there is no test in ${given.join(", ")}`);

process.env.NODE_COMPILE_CACHE ??= join(root, "node_modules/.cache/node-compile");
run({ files, concurrency: availableParallelism(), cwd: root })
  .on("test:summary", ({ success }) => {
    if (!success) process.exitCode = 1;
  })
  .compose(spec)
  .pipe(process.stdout);
