/**
 * What is remembered and written of a request once it has ended: a line of the access log, and an
 * entry in the memory of calls that `gsf explain` answers from. Most requests end with neither:
 * they went to their station at once and were answered.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { ResilienceError } from "ground-station-failover";
import type { CallHistory } from "../../fleet/call-history.ts";
import type { AttemptRecord } from "../../fleet/command-trace.ts";
import type { Group } from "../../fleet/group.ts";
import type { Problem } from "../../fleet/problem.ts";
import { plainAddress } from "../http/caller-address.ts";
import type { TrustedProxies } from "../http/trusted-proxies.ts";
import { type AccessEntry, type AccessLog, type AccessReason, pathOf } from "../telemetry/access-log.ts";
import type { Exchange } from "./exchange.ts";

export interface RequestEndsOptions {
  readonly calls: CallHistory;
  /** Undefined if no access log is kept. */
  readonly access: AccessLog | undefined;
  /** Time of day, in milliseconds since 1970. */
  readonly timeOfDayMs: () => number;
}

/** A command that waited for longer than this before it was sent is worth explaining. */
const WAITED_MS = 100;
const MAX_USER_AGENT = 256;

export class RequestEnds {
  readonly #calls: CallHistory;
  readonly #access: AccessLog | undefined;
  readonly #timeOfDayMs: () => number;

  constructor({ calls, access, timeOfDayMs }: RequestEndsOptions) {
    this.#calls = calls;
    this.#access = access;
    this.#timeOfDayMs = timeOfDayMs;
  }

  /** A request has ended: its answer was sent, or its connection is closed. */
  ended(
    group: Group,
    message: IncomingMessage,
    response: ServerResponse,
    exchange: Exchange,
    proxies: TrustedProxies,
  ): void {
    const { trace, answeredMs } = exchange;
    const isSampled = this.#access?.draw() === true;
    const isSlow = this.#access !== undefined && answeredMs - trace.startedMs >= this.#access.slowAfterMs;
    const isOdd = exchange.problem !== undefined || exchange.status >= 500 || trace.attempts > 1;
    const isBroken = !response.writableFinished || exchange.isCut;
    const hasWaited = trace.waitedMs > WAITED_MS;
    if (!isOdd && !isBroken && !hasWaited && !isSlow && !isSampled) return;
    const end: End = {
      ...{ group, message, exchange },
      endedMs: group.nowMs(),
      atMs: this.#timeOfDayMs(),
      outcome: outcomeOf(exchange, isBroken),
      why: reasonsOf(exchange, { isBroken, isSlow, isSampled, hasWaited }),
    };
    exchange.countTo();
    this.#access?.write(entryOf(end, proxies));
    if (isOdd || isBroken || hasWaited) void this.#remember(end);
  }

  /** Data that could not be read as a request was answered with `problem`. */
  refused(group: Group, requestId: string, problem: Problem, socket: Duplex): void {
    const caller = plainAddress((socket as { readonly remoteAddress?: string }).remoteAddress);
    const atMs = this.#timeOfDayMs();
    const nowMs = group.nowMs();
    this.#access?.write({
      ...{
        atMs,
        group: group.name,
        requestId,
        caller,
        why: ["refused"],
        outcome: problem.code,
        status: problem.status,
      },
      ...{ bytesIn: 0, bytesOut: 0, durationMs: 0, station: "", epoch: 0, attempts: 0 },
      ...{ method: undefined, target: undefined, protocol: undefined, answerMs: undefined, waitedMs: undefined },
      ...{ client: undefined, userAgent: undefined, traceparent: undefined },
    });
    this.#calls.note({
      ...{ requestId, group: group.name, at: atMs, startedMs: nowMs, endedMs: nowMs, method: "", path: "", caller },
      ...{ status: problem.status, outcome: problem.code, detail: problem.detail, cause: undefined },
      ...{ retryAfterMs: problem.retryAfterMs, isOutcomeUnknown: false },
      ...{ attempts: 0, described: [], timeLeftMs: undefined, firstSentMs: undefined },
    });
  }

  async #remember({ group, message, exchange, outcome, atMs, endedMs }: End): Promise<void> {
    const { trace, problem, error, status, callerAddress } = exchange;
    const described: readonly AttemptRecord[] = trace.attempts === 0 ? [] : await trace.described(group.nowMs);
    this.#calls.note({
      requestId: trace.requestId,
      group: group.name,
      at: atMs - (endedMs - trace.startedMs),
      startedMs: trace.startedMs,
      endedMs,
      method: message.method ?? "",
      path: pathOf(message.url ?? ""),
      caller: callerAddress,
      status: status === 0 ? undefined : status,
      outcome,
      detail: problem?.detail,
      cause: causeOf(error),
      retryAfterMs: problem?.retryAfterMs,
      isOutcomeUnknown: problem?.outcomeUnknown === true,
      attempts: trace.attempts,
      described,
      timeLeftMs: trace.timeLeftMs,
      firstSentMs: trace.firstSentMs,
    });
  }
}

interface End {
  readonly group: Group;
  readonly message: IncomingMessage;
  readonly exchange: Exchange;
  readonly outcome: string;
  readonly why: readonly AccessReason[];
  readonly atMs: number;
  readonly endedMs: number;
}

function outcomeOf({ problem, status, isCut }: Exchange, isBroken: boolean): string {
  if (problem !== undefined) return problem.code;
  if (isCut) return "REPLY_CUT";
  return isBroken ? "CALL_ABORTED" : `${Math.floor(status / 100)}xx`;
}

function reasonsOf(
  { problem, status, trace }: Exchange,
  is: Readonly<Record<"isBroken" | "isSlow" | "isSampled" | "hasWaited", boolean>>,
): AccessReason[] {
  const why: AccessReason[] = [];
  if (problem !== undefined && trace.attempts === 0) why.push("refused");
  else if (problem !== undefined || is.isBroken || status >= 500) why.push("failed");
  if (trace.attempts > 1) why.push("moved");
  if (is.hasWaited) why.push("waited");
  if (is.isSlow) why.push("slow");
  if (is.isSampled) why.push("sampled");
  return why;
}

function entryOf({ group, message, exchange, outcome, why, atMs, endedMs }: End, proxies: TrustedProxies): AccessEntry {
  const { trace, status, answeredMs, callerAddress, pace, bytesOut } = exchange;
  const { traceparent, "user-agent": userAgent } = message.headers;
  return {
    ...{ atMs, why, outcome, bytesOut, group: group.name, requestId: trace.requestId },
    ...{ method: message.method, target: message.url, protocol: `HTTP/${message.httpVersion}` },
    status: status === 0 ? undefined : status,
    bytesIn: pace.bytes,
    durationMs: endedMs - trace.startedMs,
    answerMs: answeredMs === 0 ? undefined : answeredMs - trace.startedMs,
    waitedMs: trace.firstSentMs === undefined ? undefined : trace.waitedMs,
    ...{ station: trace.station, epoch: trace.epoch, attempts: trace.attempts },
    caller: callerAddress,
    client: clientOf(message, callerAddress, proxies),
    userAgent: userAgent?.slice(0, MAX_USER_AGENT),
    traceparent: typeof traceparent === "string" && TRACE.test(traceparent) ? traceparent : undefined,
  };
}

/** W3C Trace Context, version 00 and later ones that begin alike. */
const TRACE = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

/**
 * The caller in front of trusted proxies: of the addresses in X-Forwarded-For, from the nearest on,
 * the first that is not a trusted proxy itself. Undefined if the sender is not trusted.
 */
function clientOf(message: IncomingMessage, sender: string, proxies: TrustedProxies): string | undefined {
  if (!proxies.has(sender)) return undefined;
  const given = message.headers["x-forwarded-for"];
  const named = (Array.isArray(given) ? given.join(",") : (given ?? "")).split(",").map((one) => one.trim());
  return named.findLast((one) => one !== "" && !proxies.has(one))?.slice(0, MAX_ADDRESS);
}

const MAX_ADDRESS = 64;
/** Longest cause that is remembered, in characters. */
const MAX_CAUSE = 300;

/** The cause, with the addresses that a caller is not told. */
function causeOf(error: unknown): string | undefined {
  const cause = error instanceof ResilienceError ? error.cause : undefined;
  if (cause === undefined) return undefined;
  return (cause instanceof Error ? cause.message : String(cause)).slice(0, MAX_CAUSE);
}
