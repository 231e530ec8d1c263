/**
 * A group's settings as its operator understands them: the values written in the plan's
 * configuration, and for all others the defaults that docs/guide/configuration.md promises. The
 * defaults are copied here on purpose and not read from the parser: if a default changes by
 * mistake, a check fails. The manual's tables follow the source, and `documented.test.ts` compares
 * them with the copies here.
 */
import type { Fleet } from "../fleet/fleet.ts";
import type { Command } from "../fleet/observer.ts";
import type { WrittenGroup } from "../fleet/plan.ts";

/**
 * docs/guide/failover.md: while the usual answer time is not known, an attempt is worth a second
 * one after this time, or after half of the time that callers are known to wait, but not before the
 * minimum.
 */
export const WORTH_A_SECOND_MS = 1_000;
export const LEAST_WORTH_A_SECOND_MS = 100;
/** `commands.deadline`. */
export const DEFAULT_DEADLINE_MS = 30_000;

/** Durations in ms. */
export interface DocumentedGroup {
  readonly name: string;
  /** In order of priority. `capacityPerSecond` is Infinity if it is not declared. */
  readonly stations: readonly { readonly name: string; readonly capacityPerSecond: number }[];
  readonly heartbeat: { readonly kind: "udp" | "http"; readonly intervalMs: number; readonly timeoutMs: number };
  readonly detector: {
    readonly model: "adaptive" | "normal" | "lognormal" | "exponential";
    readonly windowSize: number;
    readonly threshold: number;
    readonly suspectThreshold: number;
    readonly clearThreshold: number;
    readonly minDeviationMs: number;
    readonly ceilingMs: number;
    readonly sustainMs: number;
    readonly minDwellMs: number;
    readonly gracePeriodMs: number;
  };
  readonly commands: {
    readonly timeoutMs: number;
    readonly deadlineMs: number;
    readonly maxWaitMs: number;
    readonly maxWaiting: number;
    readonly maxConcurrent: number;
    readonly ambiguousKeyed: "resend" | "report";
    readonly errorBody: boolean;
  };
  readonly retry: { readonly maxAttempts: number; readonly budgetRatio: number; readonly budgetWindowMs: number };
  readonly breaker: {
    readonly failureRateThreshold: number;
    readonly minimumVolume: number;
    readonly windowMs: number;
    readonly openDurationMs: number;
  };
  readonly commandPath: {
    readonly failingForMs: number;
    readonly minFailures: number;
    readonly refusalsToDeclare: number;
    readonly unansweredAfterMs: number;
  };
  readonly failback: { readonly mode: "manual" | "automatic"; readonly holdDownMs: number };
  /** Whether replaced stations are probed. */
  readonly probes: boolean;
}

const known: WeakMap<Fleet, Map<string, DocumentedGroup>> = new WeakMap();

/** The groups of `fleet`'s plan, by name. */
export function documentedGroups(fleet: Fleet): ReadonlyMap<string, DocumentedGroup> {
  const read = known.get(fleet);
  if (read !== undefined) return read;
  const groups = new Map(fleet.plan.configuration.groups.map((group) => [group.name, documented(group)]));
  known.set(fleet, groups);
  return groups;
}

/** The settings that the manual promises for `written`. */
export function documented(written: WrittenGroup): DocumentedGroup {
  const heartbeat = section(written, "heartbeat");
  const kind = heartbeat["kind"] === "http" ? "http" : "udp";
  const intervalMs = duration(heartbeat["interval"], kind === "http" ? 200 : 50);
  const timeoutMs = duration(heartbeat["timeout"], kind === "http" ? Math.max(intervalMs, 1_000) : intervalMs);
  const detector = section(written, "detector");
  const ceilingMs = duration(detector["ceiling"], Math.max(1_000, (kind === "http" ? 5 : 20) * intervalMs));
  const graceMs = kind === "http" ? Math.min(5_000, Math.max(2_000, 2 * ceilingMs)) : 5_000;
  const model = detector["model"];
  const adaptive = model !== "normal" && model !== "lognormal" && model !== "exponential";
  const threshold = number(detector["threshold"], adaptive ? 12 : 8);
  const commands = section(written, "commands");
  const deadlineMs = duration(commands["deadline"], DEFAULT_DEADLINE_MS);
  const retry = section(written, "retry");
  const breaker = section(written, "breaker");
  const commandPath = section(written, "commandPath");
  const failback = section(written, "failback");
  return {
    name: written.name,
    stations: written.stations.map(({ name, capacityPerSecond = Number.POSITIVE_INFINITY }) => ({
      name,
      capacityPerSecond,
    })),
    heartbeat: { kind, intervalMs, timeoutMs },
    detector: {
      model: adaptive ? "adaptive" : model,
      windowSize: number(detector["windowSize"], 200),
      threshold,
      suspectThreshold: number(detector["suspectThreshold"], Math.min(adaptive ? 8 : 5, threshold)),
      clearThreshold: number(detector["clearThreshold"], 2),
      minDeviationMs: duration(
        detector["minDeviation"],
        adaptive ? Math.max(20, (intervalMs + 150) / 10) : Math.max(50, intervalMs / 4),
      ),
      ceilingMs,
      sustainMs: duration(detector["sustain"], 0),
      minDwellMs: duration(detector["minDwell"], 1_000),
      gracePeriodMs: duration(detector["gracePeriod"], graceMs),
    },
    commands: {
      timeoutMs: duration(commands["timeout"], deadlineMs),
      deadlineMs,
      maxWaitMs: duration(commands["maxWait"], Math.min(15_000, deadlineMs)),
      maxWaiting: number(commands["maxWaiting"], 10_000),
      maxConcurrent: number(commands["maxConcurrent"], 256),
      ambiguousKeyed: commands["ambiguousKeyed"] === "report" ? "report" : "resend",
      errorBody: commands["errorBody"] !== false,
    },
    retry: {
      maxAttempts: number(retry["maxAttempts"], 3),
      budgetRatio: number(retry["budgetRatio"], 0.1),
      budgetWindowMs: duration(retry["budgetWindow"], 10_000),
    },
    breaker: {
      failureRateThreshold: number(breaker["failureRateThreshold"], 0.5),
      minimumVolume: number(breaker["minimumVolume"], 20),
      windowMs: duration(breaker["window"], 10_000),
      openDurationMs: duration(breaker["openDuration"], 5_000),
    },
    commandPath: {
      failingForMs: duration(commandPath["failingFor"], 1_000),
      minFailures: number(commandPath["minFailures"], 5),
      refusalsToDeclare: number(commandPath["refusalsToDeclare"], 2),
      unansweredAfterMs: duration(commandPath["unansweredAfter"], 250),
    },
    failback: {
      mode: failback["mode"] === "automatic" ? "automatic" : "manual",
      holdDownMs: duration(failback["holdDown"], 30_000),
    },
    probes: written["probePath"] !== undefined,
  };
}

function section(group: WrittenGroup, name: string): Readonly<Record<string, unknown>> {
  return (group[name] ?? {}) as Readonly<Record<string, unknown>>;
}

const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/**
 * A bare number counts milliseconds; otherwise a number with a unit: `50ms`, `1.5s`, `2m`, `1h`.
 */
function duration(given: unknown, byDefaultMs: number): number {
  if (given === undefined) return byDefaultMs;
  if (typeof given === "number") return given;
  const [, amount, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(String(given)) ?? [];
  if (amount === undefined || unit === undefined) throw new Error(`"${String(given)}" is no duration`);
  return Number(amount) * (UNITS_MS[unit] as number);
}

function number(given: unknown, byDefault: number): number {
  return typeof given === "number" ? given : byDefault;
}

/** The caller of the command, and the kind of request (`gateway/src/fleet/command.ts`). */
export function sourceOf({ id, method, route }: Command): string {
  return `${id.split(".", 2).join(".")} ${method} ${route?.name ?? ""}`;
}
