// Runs the tests: `npm run test:only`, or with files or patterns of your own after `--`;
// `npm run test:unit` (`--unit`) runs those that start no process, open no socket and are quick.
//
// `node --test` alone starts its files in the order of their names, one fewer at once than there
// are cores: on two cores one is idle, and a long file that comes last runs by itself. Here as many
// run at once as there are cores, and those that take longest begin. What one process has compiled,
// and stripped of its types, the next one reads from a cache. The unit tests share processes, a
// dozen or two of files in each: starting Node and loading the library takes longer than most of
// them. A file that watches or patches the process itself has one of its own.
import { spawnSync } from "node:child_process";
import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join, relative } from "node:path";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import { fileURLToPath, pathToFileURL } from "node:url";
import { installEngines } from "./install-engines.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const PATTERNS = ["resilience/src", "gateway/src", "scenarios", "test", "bench"].map((room) => `${room}/**/*.test.ts`);
/** Files that start no process and open no socket. */
const UNIT = [
  "resilience/src/**/*.test.ts",
  "gateway/src/{fleet,config,calibrate}/**/*.test.ts",
  "gateway/src/demo/{report,spacecraft,sums,timeline}.test.ts",
  "gateway/src/adapters/process/waiting.test.ts",
  "gateway/src/drills/experiment/*.test.ts",
  "gateway/src/drills/pictures/*.test.ts",
  "gateway/src/drills/rotation/{due,score,incidents}.test.ts",
  "gateway/src/drills/gameday/{fold,seal}.test.ts",
  "gateway/src/drills/guardrails/{conditions,hours}.test.ts",
  "gateway/src/drills/run/verdict.test.ts",
  "gateway/src/drills/stage/{addresses,detections,executors,measured,settings-schema}.test.ts",
  "gateway/src/proxy/{distribution,request-fields}.test.ts",
  "gateway/src/proxy/tcp/{cutting-machines,delaying-machines}.test.ts",
  "scenarios/checks/**/*.test.ts",
  "scenarios/fleet/**/*.test.ts",
  "scenarios/run/report-text.test.ts",
];
/** Those of them that patch globals, or count what the process has open. */
const OWN_PROCESS = [
  "resilience/src/runtime/time/system-clock.test.ts",
  "resilience/src/runtime/listeners.test.ts",
  "resilience/src/runtime/guard/{call,unread-body}.test.ts",
  "resilience/src/runtime/detection/supervisor.test.ts",
  "resilience/src/sim/kernel/{microtasks,real-world,traps,world-guards,world}.test.ts",
];
/** What `--unit` leaves out, besides the files of `FIRST`: more than two seconds of a core each. */
const NOT_QUICK = [
  "resilience/src/core/failover/dispatch.overload.test.ts",
  "resilience/src/runtime/guard/{bulkhead,call}.test.ts",
  "resilience/src/sim/storage/disk-journal.test.ts",
  "gateway/src/config/{config,json-schema}.test.ts",
  "scenarios/checks/after-fault.test.ts",
  "scenarios/fleet/wide-fleet.test.ts",
];
/** Needs other versions of Node. */
const ENGINES_TEST = "test/process/sim-determinism.test.ts";
/** Needs libfaketime. */
const FAKETIME_TEST = "gateway/src/drills/injectors/clock.test.ts";
/** Files in a process, at most. */
const BATCH = 16;
/** A file that has not ended after so long, in milliseconds, hangs: it fails, and the rest goes on. */
const FILE_TIMEOUT_MS = 8 * 60_000;
const KILLED_WITHIN_MS = 10_000;
/**
 * What is started first, in this order: the longest file; those that wait for processes and sockets
 * more than they compute, so that they wait while it computes; and the other long ones. What takes
 * a few seconds fills up the end.
 */
const FIRST = [
  "scenarios/sample.test.ts",
  ENGINES_TEST,
  "test/process/*.test.ts",
  "gateway/src/drills/guardrails/{attacks,guardrails,cli,rules}.test.ts",
  "gateway/src/drills/stage/stage.test.ts",
  "gateway/src/drills/run/{cli,drill-run}.test.ts",
  "gateway/src/drills/injectors/*.test.ts",
  "scenarios/mutants/found.test.ts",
  "gateway/src/adapters/**/*.test.ts",
  "scenarios/run/cli.test.ts",
  "scenarios/fault-sweep.test.ts",
  "scenarios/oracle.test.ts",
  "scenarios/scenarios.test.ts",
  "resilience/src/calibration/{calibration,advice}.test.ts",
  "resilience/src/core/detection/adaptive/adaptive.test.ts",
  "resilience/src/core/failover/dispatch.comparison.test.ts",
  "gateway/src/calibrate/{charts,report}.test.ts",
  "scenarios/swarm.test.ts",
  "test/acceptance/*.test.ts",
];

const filesOf = (patterns) => globSync(patterns, { cwd: root }).sort();
const gone = [...FIRST, ...UNIT, ...OWN_PROCESS, ...NOT_QUICK].filter((pattern) => filesOf([pattern]).length === 0);
if (gone.length > 0) throw new Error(`scripts/test.mjs names files that do not exist: ${gone.join(", ")}`);

const isUnit = process.argv[2] === "--unit";
const given = process.argv.slice(isUnit ? 3 : 2);
const wanted = new Set(filesOf(given.length > 0 ? given : isUnit ? UNIT : PATTERNS));
if (wanted.size === 0) throw new Error(`there is no test in ${given.join(", ")}`);
const long = FIRST.flatMap((pattern) => filesOf([pattern])).filter((file) => wanted.delete(file));
const first = isUnit ? [] : long;
if (isUnit) for (const file of filesOf(NOT_QUICK)) wanted.delete(file);
const alone = new Set(filesOf(OWN_PROCESS));
// The long ones are not among `wanted` any more.
const shared = filesOf(UNIT).filter((file) => !alone.has(file) && wanted.delete(file));

const cache = join(root, "node_modules/.cache");
const batches = join(cache, `test-batches-${process.pid}`);
const files = [...[...first, ...wanted].map((file) => join(root, file)), ...batchesOf(shared)];

/** Writes a file for each batch, which imports the files of it. */
function batchesOf(names) {
  process.on("exit", () => rmSync(batches, { recursive: true, force: true }));
  mkdirSync(batches, { recursive: true });
  const count = Math.ceil(names.length / BATCH);
  return Array.from({ length: count }, (_, place) => {
    const path = join(batches, `${place + 1}.mjs`);
    // Dealt out in turn: the files of one folder take about as long, so the batches do, too.
    const mine = names.filter((_name, index) => index % count === place);
    writeFileSync(path, mine.map((name) => `import "${pathToFileURL(join(root, name))}";\n`).join(""));
    return path;
  });
}

// A file whose process ended before its turn came would otherwise just not be counted.
const unheard = new Set(shared.map((file) => join(root, file)));
const heard = ({ file }) => unheard.delete(file);

if (first.includes(ENGINES_TEST)) installEngines();
// Without it these tests are skipped, and say so. Nobody is asked for a password.
if (first.includes(FAKETIME_TEST) && process.getuid?.() === 0) {
  spawnSync("sh", [join(root, "scripts/install-packages.sh"), "libfaketime"], { stdio: "inherit" });
}
process.env.NODE_COMPILE_CACHE ??= join(cache, "node-compile");
/** What runs: each file with the timer that ends it, and since when. */
const running = new Map();
const took = [];

function begins({ name, file }) {
  if (name !== file) return;
  running.set(file, { sinceMs: performance.now(), timer: setTimeout(endHanging, FILE_TIMEOUT_MS, file) });
}

function ends({ name, file }) {
  const run = name === file ? running.get(file) : undefined;
  if (run === undefined) return;
  clearTimeout(run.timer);
  running.delete(file);
  took.push({ file, seconds: Math.round((performance.now() - run.sinceMs) / 1_000) });
}

/** Kills the process of `file`, which then counts as failed. `run`'s own `timeout` ends tests, not processes. */
function endHanging(file) {
  console.error(`${relative(root, file)} has not ended after ${FILE_TIMEOUT_MS / 60_000} minutes`);
  const children = globSync("/proc/self/task/*/children").flatMap((list) => readFileSync(list, "utf8").split(" "));
  const own = children.filter((pid) => pid && readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(file));
  for (const pid of own) process.kill(Number(pid), "SIGKILL");
  // Unless a process that it started goes on, and keeps its output open.
  running.get(file).timer = setTimeout(() => process.exit(1), KILLED_WITHIN_MS);
}

function tellSlowest() {
  const longest = took.sort((one, other) => other.seconds - one.seconds).slice(0, 12);
  console.log(
    `longest files: ${longest.map(({ file, seconds }) => `${relative(root, file)} ${seconds} s`).join(", ")}`,
  );
}

run({ files, concurrency: availableParallelism(), cwd: root })
  .on("test:dequeue", begins)
  .on("test:complete", ends)
  .on("test:pass", heard)
  .on("test:fail", heard)
  .on("test:summary", ({ success, file }) => {
    if (!success) process.exitCode = 1;
    if (file !== undefined) return;
    tellSlowest();
    if (unheard.size === 0) return;
    console.error(`no test was run in ${[...unheard].join(", ")}`);
    process.exitCode = 1;
  })
  .compose(spec)
  .pipe(process.stdout);
