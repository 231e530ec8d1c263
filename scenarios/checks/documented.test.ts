/**
 * The oracle beside the manual: what `documented.ts` takes for a default is what the tables of
 * docs/guide/configuration.md say. The tables are made from the product's own definitions, the
 * oracle is written by hand, and this is where the two meet.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { documented } from "./documented.ts";

const STATIONS = [
  { name: "primary", url: "http://10.0.0.1:9001", capacityPerSecond: 20 },
  { name: "backup", url: "http://10.0.0.2:9001" },
];

test("a group of which nothing is written has the defaults of the manual", () => {
  const group = documented({ name: "atlantic", listen: "127.0.0.1:8080", stations: STATIONS });
  assert.deepEqual(
    group.stations.map(({ capacityPerSecond }) => capacityPerSecond),
    [20, Number.POSITIVE_INFINITY],
  );
  assert.deepEqual(group.heartbeat, { kind: "udp", intervalMs: 50, timeoutMs: 50 });
  assert.deepEqual(
    [group.detector.ceilingMs, group.detector.minDeviationMs, group.commands.timeoutMs, group.failback.mode],
    [1_000, 20, 30_000, "manual"],
  );
  const { model, threshold, suspectThreshold } = group.detector;
  assert.deepEqual([model, threshold, suspectThreshold], ["adaptive", 12, 8]);
});

test("what is written counts, in whatever unit", () => {
  const group = documented({
    name: "atlantic",
    listen: "127.0.0.1:8080",
    stations: STATIONS,
    heartbeat: { kind: "http", interval: "2s", path: "/healthz" },
    commands: { timeout: 250, deadline: "1.5s", errorBody: false },
    retry: { budgetWindow: "1m" },
    detector: { model: "normal" },
  });
  assert.deepEqual(group.heartbeat, { kind: "http", intervalMs: 2_000, timeoutMs: 2_000 });
  assert.equal(group.detector.ceilingMs, 10_000);
  assert.equal(group.detector.minDeviationMs, 500);
  assert.deepEqual([group.detector.threshold, group.detector.suspectThreshold], [8, 5]);
  assert.deepEqual(
    [group.commands.timeoutMs, group.commands.deadlineMs, group.commands.errorBody],
    [250, 1_500, false],
  );
  assert.equal(group.retry.budgetWindowMs, 60_000);
});

const guide = readFileSync(new URL("../../docs/guide/configuration.md", import.meta.url), "utf8");

/** The default in the guide of each field of a group, such as `retry.maxAttempts`. */
function defaultsInGuide(): Map<string, string> {
  const found = new Map<string, string>();
  for (const [, paths = "", table = ""] of guide.matchAll(
    /^<!-- fields: (groups\[\]\S*.*?) -->\n([\s\S]*?)^<!-- end of fields -->$/gm,
  )) {
    const section = paths.includes(" ") ? "" : paths.replace(/^groups\[\]\.?/, "");
    for (const [, name = "", byDefault = ""] of table.matchAll(/^\| `([^`]+)` \| [^|]* \| ([^|]*) \|/gm))
      found.set(section === "" ? name : `${section}.${name}`, byDefault.trim());
  }
  return found;
}

/** What the manual says of a group in which only these sections are written. */
const said = (sections: Readonly<Record<string, unknown>>) =>
  documented({ name: "by default", listen: "", stations: [{ name: "primary", url: "" }], ...sections });

const pushed = said({});
const pulled = said({ heartbeat: { kind: "http", path: "/" } });
const fitted = said({ detector: { model: "normal" } });
const { detector, commands, retry, breaker, commandPath, failback } = pushed;
const word = (text: string) => `\`${text}\``;
const ms = (amount: number) => (amount < 1_000 ? `${amount}ms` : `${amount / 1_000}s`);
const time = (amount: number) => word(ms(amount));
/**
 * With the longest interval that is allowed, and the shortest: which share of it, and the least.
 */
const slow = (kind: string) => said({ heartbeat: { kind, interval: "1m" } });
const quick = (kind: string) => said({ heartbeat: { kind, interval: 10 } });
const intervals = (kind: string) => slow(kind).detector.ceilingMs / 60_000;

const EXPECTED: Readonly<Record<string, string>> = {
  "heartbeat.kind": `${word(pushed.heartbeat.kind)}, where the section is left out`,
  "heartbeat.interval": `udp ${time(pushed.heartbeat.intervalMs)}, http ${time(pulled.heartbeat.intervalMs)}`,
  "heartbeat.timeout": `the larger of ${ms(pulled.heartbeat.timeoutMs)} and the interval (http)`,
  "detector.model": word(detector.model),
  "detector.windowSize": `${fitted.detector.windowSize}`,
  "detector.threshold": `\`adaptive\` ${detector.threshold}, else ${fitted.detector.threshold}`,
  "detector.suspectThreshold": `\`adaptive\` ${detector.suspectThreshold}, else ${fitted.detector.suspectThreshold}, at most \`threshold\``,
  "detector.clearThreshold": `${detector.clearThreshold}`,
  "detector.minDeviation": `\`adaptive\` a tenth of the interval and 150ms together, at least ${ms(quick("udp").detector.minDeviationMs)}; else the larger of ${ms(fitted.detector.minDeviationMs)} and a quarter of the interval`,
  "detector.ceiling": `the larger of ${ms(quick("udp").detector.ceilingMs)} and ${intervals("udp")} intervals (http: ${intervals("http")})`,
  "detector.sustain": `${detector.sustainMs}`,
  "detector.minDwell": time(detector.minDwellMs),
  "detector.gracePeriod": `udp ${time(detector.gracePeriodMs)}; http two ceilings, from ${ms(quick("http").detector.gracePeriodMs)} to ${ms(slow("http").detector.gracePeriodMs)}`,
  "commands.timeout": "the deadline",
  "commands.deadline": time(commands.deadlineMs),
  "commands.maxWait": `${time(commands.maxWaitMs)}, or \`deadline\` where that is less`,
  "commands.maxWaiting": `${commands.maxWaiting}`,
  "commands.maxConcurrent": `${commands.maxConcurrent}, and 10000 with those that take long`,
  "commands.ambiguousKeyed": word(commands.ambiguousKeyed),
  "commands.errorBody": `${commands.errorBody}`,
  "retry.maxAttempts": `${retry.maxAttempts}`,
  "retry.budgetRatio": `${retry.budgetRatio}`,
  "retry.budgetWindow": time(retry.budgetWindowMs),
  "breaker.failureRateThreshold": `${breaker.failureRateThreshold}`,
  "breaker.minimumVolume": `${breaker.minimumVolume}`,
  "breaker.window": time(breaker.windowMs),
  "breaker.openDuration": time(breaker.openDurationMs),
  "commandPath.failingFor": time(commandPath.failingForMs),
  "commandPath.minFailures": `${commandPath.minFailures}`,
  "commandPath.refusalsToDeclare": `${commandPath.refusalsToDeclare}`,
  "commandPath.unansweredAfter": time(commandPath.unansweredAfterMs),
  "failback.mode": word(failback.mode),
  "failback.holdDown": time(failback.holdDownMs),
};

/** No check needs these, or they are no settings of a whole group. */
const WITHOUT_ORACLE: readonly RegExp[] = [
  /^(name|listen|trustedProxies|stations.*|objective|assume.*|probePath)$/,
  // What these decide has checks of its own, or is decided by a socket.
  /^(tls|proxyProtocol|async|commands\.idempotency)(\.|$)/,
  /^(heartbeat|detector|commands|retry|breaker|commandPath|failback|limits)$/,
  /^heartbeat\.(url|port|path|host|headers|expect)$/,
  /^commands\.(deadlineHeader|keyStatus)/,
  /^limits\./,
  /^(detector\.logThreshold|commands\.keepAlive|retry\.base)$/,
];

test("each default of the oracle is the one that the guide's table says", () => {
  const inGuide = defaultsInGuide();
  for (const [field, byDefault] of Object.entries(EXPECTED)) assert.equal(inGuide.get(field), byDefault, field);
});

test("a field in the guide → the oracle has it, or is said not to need it", () => {
  const unknown = [...defaultsInGuide().keys()].filter(
    (field) => !Object.hasOwn(EXPECTED, field) && !WITHOUT_ORACLE.some((one) => one.test(field)),
  );
  assert.deepEqual(unknown, []);
});

test("defaults that follow from other fields follow as the guide says in words", () => {
  assert.equal(slow("udp").detector.minDeviationMs, (60_000 + 150) / 10);
  const fittedSlow = said({ heartbeat: { kind: "udp", interval: "1m" }, detector: { model: "lognormal" } });
  assert.equal(fittedSlow.detector.minDeviationMs, 60_000 / 4);
  assert.equal(slow("http").heartbeat.timeoutMs, 60_000, "the interval, where that is larger");
  const level = said({ detector: { threshold: 3 } }).detector;
  assert.equal(level.suspectThreshold, 3, "at most the threshold");
  const short = said({ commands: { deadline: "2s" } }).commands;
  assert.deepEqual(
    [short.timeoutMs, short.maxWaitMs],
    [2_000, 2_000],
    "the deadline; or the deadline where it is less",
  );
  assert.equal(pulled.detector.gracePeriodMs, 2_000, "two ceilings of a second");
});
