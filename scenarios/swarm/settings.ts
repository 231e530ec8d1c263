/**
 * Draws what an operator writes for a group. Every setting is within its documented range, near
 * values that operators would use and sometimes at the ends of the range. Whole sections are left
 * out, so that the product's defaults apply. An operator knows the network and the load, so a
 * healthy day stays healthy under any of these settings. A draw that does not suit the network is
 * moved to the nearest value that does. A section is left out only if its defaults suit the
 * network.
 */
import type { Random } from "ground-station-failover";
import { between, chance, logUniform, pick, wholeBetween } from "ground-station-failover/sim";
import { leastReach } from "../checks/detection/model-bounds.ts";
import { documented } from "../checks/documented.ts";
import type { GroupPlan } from "../fleet/plan.ts";
import type { Demands } from "./load.ts";
import { demandsOf } from "./load.ts";
import type { Surroundings } from "./surroundings.ts";
import type { WrittenHeartbeat, WrittenSections } from "./written.ts";

type Detector = NonNullable<WrittenSections["detector"]>;
type Commands = NonNullable<WrittenSections["commands"]>;

/** A group's sections, and the part of its stations' lines that depends on its load. */
export interface DrawnSettings extends WrittenSections {
  readonly capacityPerSecond?: number;
}

export function drawSettings(random: Random, load: GroupPlan, path: Surroundings): DrawnSettings {
  const demands = demandsOf(load, path);
  const heartbeat = drawHeartbeat(random.fork("heartbeat"), path);
  const failback = section(random.fork("failback"), (draws) => ({
    mode: chance(draws, 0.5) ? ("automatic" as const) : ("manual" as const),
    holdDown: milliseconds(logUniform(draws, 200, 10_000)),
  }));
  const capacity = random.fork("capacity");
  const declared = chance(capacity, 0.4);
  const capacityPerSecond = Math.ceil(
    (3 * load.commandsPerSecond + 2 * demands.peak + 20) * logUniform(capacity, 1, 4),
  );
  const commands = drawCommands(random.fork("commands"), load, demands, {
    mayRefuse: !declared && failback?.mode !== "automatic",
  });
  return {
    ...(declared ? { capacityPerSecond } : {}),
    heartbeat,
    ...given("detector", drawDetector(random.fork("detector"), heartbeat, path)),
    ...given("commands", commands),
    ...given("retry", section(random.fork("retry"), drawRetry)),
    ...given("breaker", section(random.fork("breaker"), drawBreaker)),
    ...given("commandPath", section(random.fork("command-path"), drawCommandPath)),
    ...given("failback", failback),
    ...(chance(random.fork("probe"), 0.4) ? { probePath: "/ready" } : {}),
  };
}

/**
 * Settings of an operator with ordinary wishes: defaults if they fit, errors in bodies count, no
 * command is refused.
 */
export function drawModestSettings(random: Random, load: GroupPlan, path: Surroundings): DrawnSettings {
  const drawn = drawHeartbeat(random.fork("heartbeat"), path);
  const quick = intervalMsOf(drawn) <= 500 || drawn.kind === "http";
  const heartbeat: WrittenHeartbeat = quick ? drawn : { kind: "udp", interval: 250 };
  const limits = { mayRefuse: false };
  const commands = drawCommands(random.fork("commands"), load, demandsOf(load, path), limits);
  return {
    heartbeat,
    ...given("detector", drawDetector(random.fork("detector"), heartbeat, path)),
    ...given("commands", commands && { ...commands, errorBody: true }),
    ...(chance(random.fork("probe"), 0.3) ? { probePath: "/ready" } : {}),
  };
}

/**
 * Settings with little room: windows that fill, circuits that open and close, a capacity that is
 * reached, few slots.
 */
export function drawTightSettings(random: Random, load: GroupPlan, path: Surroundings): DrawnSettings {
  const draws = random.fork("tight");
  const ample = Math.ceil(load.commandsPerSecond * between(draws, 1.6, 4) + 4);
  // At times less than the load: commands may wait for it in vain.
  const scarce = draws.fork("scarce");
  const capacityPerSecond = chance(scarce, 0.3) ? Math.ceil(load.commandsPerSecond * between(scarce, 0.7, 1.3)) : ample;
  const patientPath = {
    failingFor: milliseconds(logUniform(draws, 500, 8_000)),
    minFailures: 12,
    refusalsToDeclare: pick(draws.fork("refusals"), [2, 3, 5]),
  };
  const breaker = {
    failureRateThreshold: number(pick(draws, [0.5, between(draws, 0.2, 0.9)])),
    minimumVolume: pick(draws, [1, 3, 5, 10, 20, 40]),
    window: milliseconds(logUniform(draws, 1_000, 10_000)),
    openDuration: milliseconds(logUniform(draws, 100, 3_000)),
  };
  const retry = {
    maxAttempts: wholeBetween(draws, 2, 5),
    base: milliseconds(logUniform(draws, 1, 400)),
    budgetRatio: number(pick(draws, [0.1, 0.5, 1])),
    budgetWindow: milliseconds(logUniform(draws, 1_000, 10_000)),
  };
  const drawn = drawSettings(random, load, path);
  const sustained = { ...drawn.detector, sustain: milliseconds(logUniform(draws, 50, 3_000)) };
  return {
    ...drawn,
    ...(chance(draws, 0.4) ? { detector: sustained } : {}),
    ...(chance(draws, 0.5) ? { capacityPerSecond, ...given("commands", roomy(drawn.commands)) } : {}),
    ...(chance(draws, 0.6) ? { commandPath: patientPath } : {}),
    breaker,
    retry,
  };
}

/**
 * If a capacity is reached, even a healthy group waits, so it needs a queue and enough time for it.
 */
function roomy(commands: Commands | undefined): Commands | undefined {
  if (commands === undefined) return undefined;
  const { maxWaiting = 0, deadline = 15_000 } = commands;
  return { ...commands, maxWaiting: Math.max(500, maxWaiting), maxWait: deadline };
}

function drawHeartbeat(random: Random, path: Surroundings): WrittenHeartbeat {
  const pushed = chance(random, 0.7);
  const byDefault = chance(random, 0.3);
  const intervalMs = milliseconds(logUniform(random, 30, 2_000));
  if (pushed) return byDefault ? { kind: "udp" } : { kind: "udp", interval: intervalMs };
  // A probe may have to connect first, and the next one does not begin before this one is answered
  // or given up.
  const leastMs = Math.ceil(10 + 6 * path.mostMs);
  const interval = byDefault ? 1_000 : Math.max(intervalMs, leastMs);
  const timeout = milliseconds(between(random, Math.min(leastMs, interval), interval));
  const timed = chance(random, 0.5);
  return { kind: "http", path: "/healthz", ...(byDefault ? {} : { interval }), ...(timed ? { timeout } : {}) };
}

function intervalMsOf(heartbeat: WrittenHeartbeat): number {
  return (heartbeat.interval as number | undefined) ?? (heartbeat.kind === "udp" ? 50 : 200);
}

/** The longest silence of a healthy station, on clocks that run up to 5 % apart from true time. */
function longestSilenceMs(heartbeat: WrittenHeartbeat, path: Surroundings): number {
  const intervalMs = intervalMsOf(heartbeat);
  if (heartbeat.kind === "http") return 1.15 * (intervalMs + 4 * path.mostMs) + 20;
  return 1.15 * ((1 + path.missingBeats) * intervalMs + path.mostMs - path.leastMs) + 20;
}

function drawDetector(random: Random, heartbeat: WrittenHeartbeat, path: Surroundings): Detector | undefined {
  const intervalMs = intervalMsOf(heartbeat);
  const silenceMs = longestSilenceMs(heartbeat, path);
  const model = pick(random.fork("model"), MODELS);
  const byDefault = chance(random, 0.4);
  const threshold = number(pick(random, [8, 8, logUniform(random, 1.5, 20)]));
  const suspectThreshold = number(pick(random, [threshold, between(random, 1.2, threshold)]));
  const clearThreshold = number(between(random, 0.5, Math.min(2, 0.9 * suspectThreshold)));
  const leastDeviationMs = Math.max(1, borneFor(model, silenceMs, intervalMs, suspectThreshold));
  const minDeviation = Math.ceil(leastDeviationMs * logUniform(random, 1, 3));
  const leastCeilingMs = Math.max(2 * intervalMs, silenceMs);
  const ceiling = Math.ceil(logUniform(random, leastCeilingMs, Math.max(10_000, 2 * leastCeilingMs)));
  const sustain = pick(random, [0, 0, milliseconds(logUniform(random, 1, 3_000))]);
  const minDwell = pick(random, [0, 1_000, milliseconds(logUniform(random, 10, 8_000))]);
  const leastGrace = leastGraceMs(heartbeat, path);
  const gracePeriod = Math.ceil(logUniform(random, leastGrace, Math.max(15_000, 2 * leastGrace)));
  if (byDefault && defaultFits(model, heartbeat, path)) return model === "adaptive" ? undefined : { model };
  const window = random.fork("window");
  const windowed = model !== "adaptive" && chance(window, 0.2) ? { windowSize: pick(window, [10, 30, 500]) } : {};
  const levels = { threshold, suspectThreshold, clearThreshold };
  return { model, ...windowed, ...levels, minDeviation, ceiling, sustain, minDwell, gracePeriod };
}

/**
 * The plain models have checks of their own, the normal one most of all; most operators keep the
 * adaptive one.
 */
const MODELS = [
  ...Array<"normal">(6).fill("normal"),
  ...Array<"adaptive">(3).fill("adaptive"),
  "lognormal",
  "exponential",
] as const;
type Model = (typeof MODELS)[number];

/** The least deviation with which a silence of `silenceMs` stays below `level`. */
function borneFor(model: Model, silenceMs: number, intervalMs: number, level: number): number {
  if (model === "adaptive") return (0.8 * silenceMs) / level;
  return (silenceMs - intervalMs) / leastReach(level);
}

function defaultFits(model: Model, heartbeat: WrittenHeartbeat, path: Surroundings): boolean {
  const silenceMs = longestSilenceMs(heartbeat, path);
  const group = { name: "by default", listen: "", stations: [], heartbeat, detector: { model } };
  const { minDeviationMs, suspectThreshold, ceilingMs, gracePeriodMs } = documented(group).detector;
  return (
    minDeviationMs >= borneFor(model, silenceMs, intervalMsOf(heartbeat), suspectThreshold) &&
    ceilingMs >= silenceMs &&
    gracePeriodMs >= leastGraceMs(heartbeat, path)
  );
}

/**
 * Time until a station that starts with the gateway is heard: its first heartbeats are challenged.
 */
function leastGraceMs(heartbeat: WrittenHeartbeat, path: Surroundings): number {
  return 500 + 2 * longestSilenceMs(heartbeat, path) + 8 * path.mostMs;
}

interface CommandLimits {
  /**
   * Whether a healthy gateway may run out of room at times. Not if it has planned changes, or a
   * declared capacity to wait for.
   */
  readonly mayRefuse: boolean;
}

function drawCommands(
  random: Random,
  load: GroupPlan,
  { attemptMs, peak }: Demands,
  { mayRefuse }: CommandLimits,
): Commands | undefined {
  const byDefault = chance(random, 0.3);
  const narrow = Math.ceil(Math.max(1, (4 * load.commandsPerSecond * attemptMs) / 1_000));
  const maxConcurrent = pick(random, [narrow, 256, milliseconds(narrow * logUniform(random, 1, 50))]);
  // A command waits for a slot for at most half the timeout, so the attempts before it, and its
  // own, must be shorter than that.
  const leastTimeoutMs = 2.5 * attemptMs * (1 + Math.ceil(peak / maxConcurrent)) + 50;
  const timeout = milliseconds(logUniform(random, leastTimeoutMs, Math.max(2 * leastTimeoutMs, 3_000)));
  const leastDeadlineMs = Math.max(1_500, 1.2 * timeout);
  const deadline = milliseconds(
    pick(random, [
      Math.max(15_000, leastDeadlineMs),
      logUniform(random, leastDeadlineMs, Math.max(20_000, 2 * leastDeadlineMs)),
    ]),
  );
  const [narrowRoom, shortWait] = [chance(random, 0.4) && mayRefuse, chance(random, 0.2) && mayRefuse];
  const leastRoom = Math.max(0, peak + 2 - maxConcurrent);
  const ample = milliseconds(logUniform(random, 100, 5_000));
  const maxWaiting = Math.max(leastRoom, pick(random, narrowRoom ? [0, 1, 5, 20] : [10_000, 500, ample]));
  const patientMs = logUniform(random, 3_000, 20_000);
  const maxWait = Math.round(pick(random, shortWait ? [0, 10, 200] : [deadline, patientMs]));
  const ambiguousKeyed = chance(random, 0.3) ? "report" : "resend";
  const errorBody = chance(random, 0.9);
  const defaultFits = 1_000 >= 2.5 * attemptMs * (1 + Math.ceil(peak / 256)) + 50;
  if (byDefault && defaultFits) return undefined;
  return { timeout, deadline, maxWait, maxWaiting, maxConcurrent, ambiguousKeyed, errorBody };
}

function drawRetry(random: Random): NonNullable<WrittenSections["retry"]> {
  return {
    maxAttempts: pick(random, [1, 2, 3, 3, wholeBetween(random, 1, 10)]),
    base: milliseconds(logUniform(random, 1, 1_000)),
    budgetRatio: pick(random, [0, 0.1, 1, number(between(random, 0, 1))]),
    budgetWindow: milliseconds(logUniform(random, 200, 60_000)),
  };
}

function drawBreaker(random: Random): NonNullable<WrittenSections["breaker"]> {
  return {
    failureRateThreshold: number(pick(random, [0.5, 1, between(random, 0.1, 1)])),
    minimumVolume: pick(random, [1, 5, 20, milliseconds(logUniform(random, 1, 200))]),
    window: milliseconds(logUniform(random, 300, 20_000)),
    openDuration: milliseconds(logUniform(random, 50, 8_000)),
  };
}

function drawCommandPath(random: Random): NonNullable<WrittenSections["commandPath"]> {
  return {
    failingFor: pick(random, [0, 1_000, milliseconds(logUniform(random, 50, 5_000))]),
    minFailures: wholeBetween(random, 1, 12),
    refusalsToDeclare: wholeBetween(random, 1, 5),
    unansweredAfter: pick(random, [0, 250, milliseconds(logUniform(random, 10, 2_000))]),
  };
}

/** Left out in four of ten seeds: then the product's defaults apply. */
function section<Section>(random: Random, draw: (random: Random) => Section): Section | undefined {
  const byDefault = chance(random, 0.4);
  const drawn = draw(random);
  return byDefault ? undefined : drawn;
}

/** `{ [name]: value }`, or nothing if the value was left out. */
function given<Name extends keyof WrittenSections>(name: Name, value: WrittenSections[Name]): WrittenSections {
  return value === undefined ? {} : { [name]: value };
}

/** Whole, and at least 1. */
function milliseconds(value: number): number {
  return Math.max(1, Math.round(value));
}

function number(value: number): number {
  return Number(value.toPrecision(3));
}
