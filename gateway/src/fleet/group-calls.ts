/**
 * Translates between a group and the library: the options of a call, the context of an attempt, and
 * the query for a key's outcome. Each translation is one function, so that a new field is passed on
 * in a single place.
 */
import {
  type CallOptions,
  deadlineAt,
  type FailoverContext,
  type FailoverOptions,
  type StationClientOptions,
} from "ground-station-failover";
import { type CommandTerms, replyClassifier } from "./command.ts";
import type { GroupSettings, StationSettings } from "./settings.ts";
import { isSame } from "./settings-change.ts";
import type { OpenStream, SendContext, Uplink } from "./uplink.ts";

/** A station as the failover sees it: its name and the way to reach it. */
export interface LinkedStation {
  readonly name: string;
  readonly settings: StationSettings;
  readonly uplink: Uplink;
}

type HeartbeatTimes =
  | { readonly kind: "udp"; readonly intervalMs: number }
  | { readonly kind: "http"; readonly intervalMs: number; readonly timeoutMs: number };

/**
 * Longest time after a stall of this process until a live station's next heartbeat arrives, in ms.
 */
export function signOfLifeMs(heartbeat: HeartbeatTimes): number {
  return heartbeat.kind === "http" ? Math.max(heartbeat.intervalMs, heartbeat.timeoutMs) : heartbeat.intervalMs;
}

/** How each station is called. */
export function clientOptionsOf({ commands, breaker, retry }: GroupSettings): StationClientOptions {
  return {
    timeoutMs: commands.timeoutMs,
    bulkhead: {
      maxConcurrent: commands.maxConcurrent,
      // Commands wait in the failover's queue, not in the bulkhead.
      acquireTimeoutMs: commands.timeoutMs / 2,
      maxQueue: commands.maxWaiting,
    },
    breaker,
    retry: {
      maxAttempts: retry.maxAttempts,
      baseMs: retry.baseMs,
      budget: { ratio: retry.budgetRatio, windowMs: retry.budgetWindowMs },
    },
    classify: replyClassifier(commands.errorBody),
  };
}

/**
 * How the failover asks a station about the outcome of a key. Empty if stations cannot be asked.
 */
export function keyStatusOptions(
  asked: GroupSettings["commands"]["keyStatus"],
): Pick<FailoverOptions<LinkedStation>, "keyStatus" | "keyStatusTimeoutMs"> {
  if (asked === undefined) return {};
  return {
    keyStatus: ({ uplink }, key, signal) => uplink.askOutcome?.(key, signal) ?? "unknown",
    keyStatusTimeoutMs: asked.timeoutMs,
  };
}

/**
 * The options that the failover gets for a call. `source` is used by a failover that weighs how
 * diverse its evidence is.
 */
export function callOptionsOf(
  { idempotencyKey, idempotent, timeLeftMs, source }: CommandTerms,
  signal: AbortSignal,
  nowMs: number,
): CallOptions {
  return {
    signal,
    idempotent,
    ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
    ...(timeLeftMs === undefined ? {} : { deadline: deadlineAt(nowMs + timeLeftMs) }),
    ...(source === undefined ? {} : { source }),
  };
}

/**
 * The context that an uplink gets for its attempt. A keyed command may be sent again if
 * `resendsKeyed`; its reply is kept if `isKept`.
 */
export function sendContextOf(
  context: FailoverContext<LinkedStation>,
  { idempotent, idempotencyKey }: CommandTerms,
  { resendsKeyed, isKept }: { readonly resendsKeyed: boolean; readonly isKept: boolean },
  onStream: (station: string, stream: OpenStream) => void,
): SendContext {
  return {
    isRepeatable: idempotent || (idempotencyKey !== undefined && resendsKeyed),
    isKept,
    epoch: context.epoch,
    idempotencyKey: context.idempotencyKey,
    timeLeftMs: context.timeLeftMs(),
    beginWithinMs: context.beginWithinMs(),
    signal: context.signal,
    noteUploading: (isUploading) => context.noteUploading(isUploading),
    noteStreaming: (stream) => onStream(context.station.name, stream),
  };
}

/**
 * True if an uplink that was made for `before` and `station` serves under `after` and `next` too.
 * What the group itself judges (deadlines, retries, thresholds) is none of the uplink's business.
 */
export function sharesUplink(
  before: GroupSettings,
  after: GroupSettings,
  station: StationSettings,
  next: StationSettings,
): boolean {
  return isSame(madeFrom(before, station), madeFrom(after, next));
}

/**
 * Everything but what an uplink is known not to use, so that a new setting of one makes a new
 * uplink.
 */
function madeFrom({ commands, limits, ...group }: GroupSettings, station: StationSettings): object {
  const { listen, trustedProxies, stations, heartbeat, detector, supervisor, ...rest } = group;
  const { retry, breaker, commandPath, failback, probePath, ...unknown } = rest;
  const { deadlineMs, maxWaitMs, maxWaiting, maxConcurrent, maxWorking, ambiguousKeyed, errorBody, ...used } = commands;
  const { capacityPerSecond, burst, healthPage, ...own } = station;
  return { unknown, used, replyBytes: limits.replyBytes, own };
}

/** In place of an uplink where settings are only checked. */
export const NO_UPLINK: Uplink = {
  name: "none",
  send: () => Promise.reject(new Error("this uplink is for a check of settings only")),
  probe: () => Promise.reject(new Error("this uplink is for a check of settings only")),
};
