/**
 * What a configuration file may say: every field with its range and its default, and the reason for
 * that default. The meaning of each field is told to operators in `docs/guide/configuration.md`;
 * contradictions between fields are found in `hazards.ts`.
 */
import type { z } from "zod";
import { MAX_SECRETS } from "../adapters/process/secret-file.ts";
import type {
  CallerBounds,
  GatewaySettings,
  GroupSettings,
  ListenSettings,
  StationSettings,
} from "../fleet/settings.ts";
import { commands } from "./commands.ts";
import { heartbeat, stationHeartbeat, type WrittenHealthPage, type WrittenHeartbeat } from "./heartbeat.ts";
import {
  addressRange,
  decimal,
  duration,
  list,
  listenAddress,
  oneOf,
  oneOrMore,
  plainName,
  requestPath,
  section,
  serviceUrl,
  size,
  text,
  trueOrFalse,
  wholeNumber,
} from "./values.ts";

/**
 * A configuration as written: values read, and defaults filled in that do not depend on other
 * fields.
 */
export interface WrittenConfiguration {
  readonly groups: readonly WrittenGroup[];
  readonly control: {
    readonly listen: ListenSettings;
    readonly allowRemote: boolean;
    readonly tokenFile?: string | undefined;
    readonly tokenEnv?: string | undefined;
  };
  readonly heartbeats?:
    | {
        readonly listen: ListenSettings;
        readonly secretFile?: readonly string[] | undefined;
        readonly secretEnv?: readonly string[] | undefined;
      }
    | undefined;
  readonly callers: CallerBounds;
  readonly drainDelay: GatewaySettings["drainDelayMs"];
  readonly drain: GatewaySettings["drainMs"];
}

export interface WrittenGroup
  extends Omit<GroupSettings, "stations" | "heartbeat" | "detector" | "supervisor" | "probePath"> {
  readonly stations: readonly WrittenStation[];
  readonly heartbeat: WrittenHeartbeat;
  readonly detector: WrittenDetector;
  readonly probePath?: string | undefined;
  /** How long a take-over may take, in ms. */
  readonly objective: number;
}

interface WrittenStation extends Omit<StationSettings, "healthPage"> {
  /** Instead of what the group's section says of the page. */
  readonly heartbeat?: WrittenHealthPage | undefined;
  readonly secretFile?: readonly string[] | undefined;
  readonly secretEnv?: readonly string[] | undefined;
}

/** Detector and supervisor in one section: to an operator they are one thing. */
interface WrittenDetector extends Required<Omit<GroupSettings["supervisor"], "gracePeriodMs">> {
  readonly model: GroupSettings["detector"]["model"];
  readonly windowSize: number | undefined;
  readonly threshold: number;
  readonly logThreshold: number;
  readonly minDeviationMs: number | undefined;
  readonly ceilingMs: number | undefined;
  readonly gracePeriodMs: number | undefined;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const KIBIBYTE = 1_024;
const MEBIBYTE = 1_024 ** 2;
const GIBIBYTE = 1_024 ** 3;

/** One place of a secret, or several while one secret replaces another. */
function secretPlaces(what: string): z.ZodType<readonly string[]> {
  return oneOrMore(what, MAX_SECRETS);
}

const station = section({
  name: plainName(),
  url: serviceUrl(),
  heartbeat: stationHeartbeat.optional(),
  /** Not declared by default: what a station takes is learned when it refuses. */
  capacityPerSecond: decimal(1, 1e9).default(Number.POSITIVE_INFINITY),
  /**
   * Default: a twentieth of a second's commands, and no second holds more than capacityPerSecond.
   */
  burst: wholeNumber(1, 1_000_000).optional(),
  /**
   * Default: `heartbeats.secretFile` or `secretEnv`, with which any station can beat for any other.
   */
  secretFile: secretPlaces("the path of a file").optional(),
  secretEnv: secretPlaces("the name of an environment variable").optional(),
});

/**
 * Levels by default. Those of the adaptive model are rates of mistakes: 12 is one in 10,000 hours
 * of a station, somewhat more than a year, 8 one an hour, 7 ten; a declaration promotes somebody,
 * being suspected stops nothing. Those of the other models are improbabilities: at 8 one silence in
 * 10^8 would be a false alarm.
 */
const ADAPTIVE_LEVELS = { declare: 12, suspect: 8, log: 7 };
const PHI_LEVELS = { declare: 8, suspect: 5, log: 3 };

const detector = section({
  /** The one that needs no tuning, whatever the network is like. */
  model: oneOf("adaptive", "normal", "lognormal", "exponential").default("adaptive"),
  /**
   * Default: 200, ten seconds of beats at 50 ms: a deviation good to 5 %, and soon up with a
   * change. 10,000 gaps take 80 KB a station.
   */
  windowSize: wholeNumber(10, 10_000).optional(),
  threshold: decimal(1, 100).optional(),
  suspectThreshold: decimal(0.1, 100).optional(),
  logThreshold: decimal(0.1, 100).optional(),
  clearThreshold: decimal(0.01, 100).default(2),
  /** Default: see `leastDeviationMs` in config-group.ts. */
  minDeviation: duration(1, HOUR_MS).optional(),
  /** Default: see `ceilingOf` in config-group.ts. */
  ceiling: duration(10, HOUR_MS).optional(),
  /** A declaration already needs a silence that hardly ever happens by chance. */
  sustain: duration(0, HOUR_MS).default(0),
  minDwell: duration(0, HOUR_MS).default(1_000),
  /**
   * Time for a station that is started together with the gateway. Default: see `gracePeriodOf` in
   * config-group.ts.
   */
  gracePeriod: duration(0, HOUR_MS).optional(),
})
  .transform((written): WrittenDetector => {
    const levels = written.model === "adaptive" ? ADAPTIVE_LEVELS : PHI_LEVELS;
    const threshold = written.threshold ?? levels.declare;
    return {
      model: written.model,
      windowSize: written.windowSize,
      threshold,
      suspectThreshold: written.suspectThreshold ?? Math.min(levels.suspect, threshold),
      logThreshold: written.logThreshold ?? Math.min(levels.log, threshold),
      clearThreshold: written.clearThreshold,
      minDeviationMs: written.minDeviation,
      ceilingMs: written.ceiling,
      sustainMs: written.sustain,
      minDwellMs: written.minDwell,
      gracePeriodMs: written.gracePeriod,
    };
  })
  .prefault({});

const retry = section({
  maxAttempts: wholeNumber(1, 100).default(3),
  base: duration(1, HOUR_MS).default(50),
  /** A healthy service has room for a tenth more, an ill one for no more. */
  budgetRatio: decimal(0, 1).default(0.1),
  budgetWindow: duration(100, HOUR_MS).default(10_000),
})
  .transform(({ base, budgetWindow, ...rest }): GroupSettings["retry"] => ({
    baseMs: base,
    budgetWindowMs: budgetWindow,
    ...rest,
  }))
  .prefault({});

const breaker = section({
  failureRateThreshold: decimal(0.01, 1).default(0.5),
  /** Five failures out of five are an accident. */
  minimumVolume: wholeNumber(1, 1_000_000).default(20),
  window: duration(100, HOUR_MS).default(10_000),
  /**
   * Shorter than the library's 30 s: there is another station, and an idle one is proven again by
   * the first probe.
   */
  openDuration: duration(10, HOUR_MS).default(5_000),
})
  .transform(({ window, openDuration, ...rest }): GroupSettings["breaker"] => ({
    windowMs: window,
    openDurationMs: openDuration,
    ...rest,
  }))
  .prefault({});

const commandPath = section({
  failingFor: duration(0, HOUR_MS).default(1_000),
  minFailures: wholeNumber(1, 1_000_000).default(5),
  /** Nobody who listens refuses a connection twice in a row. */
  refusalsToDeclare: wholeNumber(1, 1_000_000).default(2),
  /** Answers that are only late, after a pause of the service or of the network, come within it. */
  unansweredAfter: duration(0, HOUR_MS).default(250),
})
  .transform(({ failingFor, unansweredAfter, ...rest }): GroupSettings["commandPath"] => ({
    failingForMs: failingFor,
    unansweredAfterMs: unansweredAfter,
    ...rest,
  }))
  .prefault({});

const failback = section({
  /** Nobody is woken by a second outage that the first one's repair caused. */
  mode: oneOf("manual", "automatic").default("manual"),
  holdDown: duration(0, DAY_MS).default(30_000),
})
  .transform(({ mode, holdDown }): GroupSettings["failback"] => ({ mode, holdDownMs: holdDown }))
  .prefault({});

const limits = section({
  request: size(0, GIBIBYTE).default(10 * MEBIBYTE),
  replay: size(0, 64 * MEBIBYTE).default(MEBIBYTE),
  reply: size(0, 64 * MEBIBYTE).default(64 * KIBIBYTE),
})
  .transform(({ request, replay, reply }): GroupSettings["limits"] => ({
    requestBytes: request,
    replayBytes: replay,
    replyBytes: reply,
  }))
  .prefault({});

const group = section({
  name: plainName(),
  listen: listenAddress(),
  /** Nobody is believed by default: whoever reaches the listener could be anybody. */
  trustedProxies: list(addressRange(), "addresses or ranges of addresses", 0).optional(),
  stations: list(station, "stations (the primary first, then its backups)", 2),
  /** What the incident's takeover had to keep; see `objectiveHarm` in config-hazards.ts. */
  objective: duration(1_000, HOUR_MS).default(30_000),
  heartbeat,
  detector,
  commands,
  retry,
  breaker,
  commandPath,
  failback,
  probePath: requestPath().optional(),
  limits,
});

const callers = section({
  /** Default: see `own-memory.ts`. The least is some hundred commands without a body. */
  maxMemory: size(4 * MEBIBYTE, 1_024 * GIBIBYTE).optional(),
  /** Default: see `descriptors.ts`. */
  maxConnections: wholeNumber(1, 1_000_000).optional(),
  /**
   * One address may be a balancer with everybody behind it, which must not be throttled; and it may
   * be one caller that asks too much.
   */
  addressRatio: decimal(0.01, 1).default(0.75),
  /** A twentieth of what a slow phone sends, and twice what Apache's mod_reqtimeout asks for. */
  minUploadRate: size(0, MEBIBYTE).default(KIBIBYTE),
  /** Longer than a phone is without a cell. */
  maxUploadPause: duration(100, HOUR_MS).default(30_000),
})
  .transform(
    ({ maxMemory, minUploadRate, maxUploadPause, ...rest }): CallerBounds => ({
      maxMemoryBytes: maxMemory,
      maxConnections: rest.maxConnections,
      addressRatio: rest.addressRatio,
      minUploadBytesPerSecond: minUploadRate,
      maxUploadPauseMs: maxUploadPause,
    }),
  )
  .prefault({});

export const configurationSchema: z.ZodType<WrittenConfiguration> = section({
  groups: list(group, "groups", 1),
  control: section({
    /** Loopback, because whoever reaches it can switch stations. */
    listen: listenAddress().default({ host: "127.0.0.1", port: 7070 }),
    allowRemote: trueOrFalse().default(false),
    tokenFile: text("the path of a file").optional(),
    tokenEnv: text("the name of an environment variable").optional(),
  }).prefault({}),
  heartbeats: section({
    /** Loopback; stations on other machines need an address that they can reach. */
    listen: listenAddress().default({ host: "127.0.0.1", port: 7071 }),
    secretFile: secretPlaces("the path of a file").optional(),
    secretEnv: secretPlaces("the name of an environment variable").optional(),
  }).optional(),
  callers,
  /**
   * Two looks of a balancer that looks every two seconds, and one to spare. With `drain` half of
   * the 30 s that supervisors give.
   */
  drainDelay: duration(0, HOUR_MS).default(5_000),
  /** Longer than most commands take, shorter than the 30 s after which service supervisors kill. */
  drain: duration(0, HOUR_MS).default(10_000),
});
