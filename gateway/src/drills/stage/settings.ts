/**
 * The member `stage` of a drill, after it was read (`settings-schema.ts`): which system is started
 * for it, which load it gets, and what its steady state is. Everything has a default, so that
 * `stage: {}` is a pair of stations, a gateway with the least configuration of the guide, and 20
 * keyed commands a second.
 */
import type { JsonObject } from "../experiment/experiment.ts";
import type { DetectionKind } from "./detections.ts";

/** What a service answers to commands. */
export const SERVICE_ANSWERS = ["ok", "error", "error-body", "refuse", "half", "silent", "unreadable"] as const;
type ServiceAnswer = (typeof SERVICE_ANSWERS)[number];

/** What a health page answers; `silent`: nothing. */
export const HEALTH_ANSWERS = ["ok", "error", "silent"] as const;
type HealthAnswer = (typeof HEALTH_ANSWERS)[number];

/** How a station's service behaves; a drill changes it at run time. */
export interface ServiceMode {
  /**
   * `ok`; `error`, with `status`; `error-body`, a 200 whose JSON reports an error; `refuse`, 503
   * with `Retry-After`; `half`, part of an answer and then the end of the connection; `silent`,
   * nothing until the caller leaves; `unreadable`, bytes that are not HTTP. Default `ok`.
   */
  readonly answer: ServiceAnswer;
  /**
   * Share of the commands that `answer` applies to, 0 to 1; the rest is answered well. Default 1.
   */
  readonly share: number;
  /** Status of `error`, 400 to 599. Default 500. */
  readonly status: number;
  /**
   * Whether a command whose answer is not `ok` is executed before that answer, so that its caller
   * cannot know. Default false.
   */
  readonly executes: boolean;
  /** Time before each answer, in ms, 0 to 60,000. Default 0. */
  readonly delayMs: number;
  /** Up to so many ms are added to it, evenly drawn; 0 to 60,000. Default 0. */
  readonly jitterMs: number;
  /** `Retry-After` of `refuse`, in seconds, 0 to 3,600. Default 1. */
  readonly retryAfterSeconds: number;
  /**
   * Whatever becomes of commands: a gray failure is a page that is fine while they are not. Default
   * `ok`.
   */
  readonly health: HealthAnswer;
  /** Commands in work at once, 1 to 10,000; 0: no limit. Default 0. */
  readonly capacity: number;
  /**
   * What happens to a command above `capacity`: it waits in line, or is refused. Default `wait`.
   */
  readonly aboveCapacity: "wait" | "refuse";
}

interface StageStation {
  readonly name: string;
  /** How its service behaves from the start, and again after each change is lifted. */
  readonly service: ServiceMode;
  /** Lines that are added to the station in the gateway's file, such as `capacityPerSecond`. */
  readonly gateway: JsonObject;
  /**
   * Its service is restarted so many ms after it has ended, 0 to 60,000. Default: it stays dead
   * until it is started.
   */
  readonly restartAfterMs?: number | undefined;
}

interface StageGateway {
  /** Lines that are added to the group of the least configuration; sections are merged. */
  readonly group: JsonObject;
  /** Lines that are added at the top level; sections are merged. */
  readonly top: JsonObject;
  /** Environment variables, such as `LD_PRELOAD`. Default: none. */
  readonly environment: Readonly<Record<string, string>>;
  /**
   * True: its wall clock is one of its own, set by the file `${stage_dir}/gateway-clock`
   * (libfaketime). Default false.
   */
  readonly ownClock: boolean;
  /**
   * True: stations have names instead of addresses, which are looked up until the file
   * `${stage_dir}/name-server-away` exists. Default false.
   */
  readonly ownNames: boolean;
  /** Options of Node, such as `--max-old-space-size=64`. Default: none. */
  readonly nodeArguments: readonly string[];
  /**
   * Restarted so many ms after it has ended, as a service supervisor does; 0 to 60,000. Default: it
   * stays dead.
   */
  readonly restartAfterMs?: number | undefined;
}

export const SOURCE_KINDS = ["commands", "reads", "uploads"] as const;
type SourceKind = (typeof SOURCE_KINDS)[number];

/** A source of load, as it is written in a drill. */
export interface WrittenSource {
  /** Appears in the control of the load. Default: its kind. */
  readonly name?: string | undefined;
  /**
   * `commands`: small POSTs; `reads`: GETs; `uploads`: POSTs with a long body. Default `commands`.
   */
  readonly kind: SourceKind;
  /** Sent in a second whatever comes back (an open loop), 0.01 to 5,000. Default 20. */
  readonly perSecond: number;
  /** Each has an `Idempotency-Key` of its own. Default true. */
  readonly keyed: boolean;
  /** The caller hangs up after so many ms without a whole answer, 10 to 600,000. Default 5,000. */
  readonly patienceMs: number;
  /** Whether the gateway is told of it (`x-time-left-ms`). Most callers do not. Default false. */
  readonly saysPatience: boolean;
  /** Callers, 1 to 100, each with an address of its own where the machine has them. Default 4. */
  readonly callers: number;
  /** Bytes of a body, 1 to 100,000,000. Default: 200, uploads 65,536. */
  readonly bytes?: number | undefined;
  /** A body is sent at so many bytes a second, up to 1,000,000,000; 0: at once. Default 0. */
  readonly bytesPerSecond: number;
  /**
   * An answer later than this is not good, in ms, 10 to 600,000. Default: 1,000, and the time that
   * the body takes.
   */
  readonly answerWithinMs?: number | undefined;
  /**
   * Whether the steady state judges it; false for callers that are there to disturb. Default: true,
   * unless `patienceMs` is less than `answerWithinMs`.
   */
  readonly isJudged?: boolean | undefined;
  /** So many commands are sent at once every so many ms, beside the rate. Default: none. */
  readonly burst?: { readonly everyMs: number; readonly commands: number } | undefined;
}

/** A source with everything that depends on its other fields. */
export interface LoadSourceSettings extends WrittenSource {
  readonly name: string;
  readonly bytes: number;
  readonly answerWithinMs: number;
  readonly isJudged: boolean;
}

/** What has to hold in a window, for the steady state to hold. */
export interface SteadySettings {
  /** Length of the window, in ms, 500 to 60,000. Default 3,000. */
  readonly windowMs: number;
  /** Least share of judged commands that is answered well and in time. Default 0.99. */
  readonly goodRatio: number;
  /** Most extra attempts (retries, hedges, other station) for each command. Default 0.1. */
  readonly extraRatio: number;
  /** Extra attempts in a window that are always allowed, as the retry budget has it. Default 10. */
  readonly extraAttempts: number;
  /**
   * Longest time without an answer of the gateway's status, in ms, 100 to 60,000. Default 2,000.
   */
  readonly statusGapMs: number;
}

/** Bounds over the whole run; what is above one is a broken promise. Absent: no bound. */
export interface PromiseSettings {
  /** Acknowledged commands that were not executed. Default 0. */
  readonly ackedLoss: number;
  /** Commands that were executed again. Default 0. */
  readonly doubled: number;
  readonly promotions?: number | undefined;
  /** Longest time between two good answers in which a judged command went wrong, in ms. */
  readonly unavailableMs?: number | undefined;
  /** Errors that reached judged callers: a number, and a share from 0 to 1. */
  readonly errors?: number | undefined;
  readonly errorRatio?: number | undefined;
  /** How often the steady state may be lost again after it held. */
  readonly relapses?: number | undefined;
}

export interface StageSettings {
  /** The group's name. Default `uplink`. */
  readonly group: string;
  /** Two to four, in order of priority. Default: `primary` and `backup`. */
  readonly stations: readonly StageStation[];
  /**
   * `http`: the gateway asks the services' health pages. `udp`: a `gsf station` beside each service
   * relays commands and sends heartbeats. Default `http`.
   */
  readonly heartbeats: "http" | "udp";
  /** Whether every link goes through a fault proxy. Default false. */
  readonly proxies: boolean;
  /**
   * Whether the gateway speaks TLS to its stations: their proxies have certificates that it trusts.
   * Only with `proxies`. Default false.
   */
  readonly tls: boolean;
  /**
   * Who executes commands: `shared`, one executor behind all stations, such as one database or one
   * spacecraft; `own`, each station for itself. Default `shared`.
   */
  readonly executor: "shared" | "own";
  readonly gateway: StageGateway;
  /** At most ten. Default: one source with its defaults. */
  readonly load: readonly WrittenSource[];
  readonly steady: SteadySettings;
  readonly promises: PromiseSettings;
  /** What counts as a detection. Default: every decision against a station or load. */
  readonly detect: readonly DetectionKind[];
  /**
   * How long the start may take until the steady state holds, in ms, 1,000 to 120,000. Default
   * 20,000.
   */
  readonly startWithinMs: number;
}

export function completeSource(written: WrittenSource): LoadSourceSettings {
  const { kind, bytesPerSecond, patienceMs } = written;
  const bytes = written.bytes ?? (kind === "uploads" ? 65_536 : 200);
  const bodyMs = bytesPerSecond > 0 && kind !== "reads" ? (bytes / bytesPerSecond) * 1_000 : 0;
  const answerWithinMs = written.answerWithinMs ?? Math.ceil(1_000 + bodyMs);
  const isJudged = written.isJudged ?? patienceMs >= answerWithinMs;
  return { ...written, name: written.name ?? kind, bytes, answerWithinMs, isJudged };
}
