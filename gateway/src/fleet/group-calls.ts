/**
 * What a group and the library tell each other about a call: the options of the call, the context
 * of an attempt, how a station is asked about a key. Each is made in one function, so that what one
 * side comes to offer is passed on in one place.
 */
import { type CallOptions, deadlineAt, type FailoverContext, type FailoverOptions } from "ground-station-failover";
import type { CommandTerms } from "./command.ts";
import type { GroupSettings, StationSettings } from "./settings.ts";
import type { ByteStream, SendContext, Uplink } from "./uplink.ts";

/** A station as the failover sees it: a name and the way to it. */
export interface LinkedStation {
  readonly name: string;
  readonly settings: StationSettings;
  readonly uplink: Uplink;
}

/**
 * How long it may take, once this process has stood still, until a station that is alive is heard
 * again.
 */
export function signOfLifeMs(heartbeat: GroupSettings["heartbeat"]): number {
  return heartbeat.kind === "http" ? Math.max(heartbeat.intervalMs, heartbeat.timeoutMs) : heartbeat.intervalMs;
}

/** How the failover asks a station what became of a key; nothing where stations cannot be asked. */
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
 * What the failover is told of a call. `source` is read by a failover that weighs how diverse its
 * evidence is.
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
 * What an uplink is told of the attempt that it makes; a keyed command may be sent again where
 * `resendsKeyed`.
 */
export function sendContextOf(
  context: FailoverContext<LinkedStation>,
  { idempotent, idempotencyKey }: CommandTerms,
  resendsKeyed: boolean,
  onStream: (station: string, stream: ByteStream) => void,
): SendContext {
  return {
    isRepeatable: idempotent || (idempotencyKey !== undefined && resendsKeyed),
    epoch: context.epoch,
    idempotencyKey: context.idempotencyKey,
    timeLeftMs: context.timeLeftMs(),
    beginWithinMs: context.beginWithinMs(),
    signal: context.signal,
    noteUploading: (isUploading) => context.noteUploading(isUploading),
    noteStreaming: (stream) => onStream(context.station.name, stream),
  };
}
