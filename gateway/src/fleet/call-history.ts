/**
 * Remembers commands that did not simply go to their station and come back: refused, failed, moved
 * to another station, sent more than once, kept waiting, or left by their caller. `gsf explain`
 * answers from it. It is bounded in number and in bytes; each group has its part, so that one group
 * in trouble does not erase what is known of the others. The oldest are forgotten first. It is not
 * stored: after a restart the access log is what remains.
 */
import type { AttemptRecord } from "./command-trace.ts";

/**
 * A command that is worth explaining. Instants are on the clock's axis; `at` is the time of day.
 */
export interface CallRecord {
  readonly requestId: string;
  readonly group: string;
  /** When it came, in milliseconds since 1970. */
  readonly at: number;
  readonly startedMs: number;
  readonly endedMs: number;
  readonly method: string;
  /** Without its query, bounded. */
  readonly path: string;
  readonly caller: string;
  /** Status that the caller got; undefined if the caller had gone. */
  readonly status: number | undefined;
  /** `2xx` and the like for a station's reply; the code for the gateway's own answer. */
  readonly outcome: string;
  /** The gateway's sentence for the caller; undefined for a station's reply. */
  readonly detail: string | undefined;
  /** What the gateway's log says of the cause, if that is more than the caller was told. */
  readonly cause: string | undefined;
  readonly retryAfterMs: number | undefined;
  readonly isOutcomeUnknown: boolean;
  /** Attempts in all, and the first of them. */
  readonly attempts: number;
  readonly described: readonly AttemptRecord[];
  /** How long its sender said it waits; undefined if it did not say. */
  readonly timeLeftMs: number | undefined;
  /** When the first attempt was sent; undefined if none was. */
  readonly firstSentMs: number | undefined;
}

export interface CallHistoryOptions {
  /** Among how many groups the bounds are divided. */
  readonly groups: number;
  /** Most commands in all. Default 8,192. */
  readonly maxCalls?: number;
  /** Most bytes in all. Default 8 MiB. */
  readonly maxBytes?: number;
}

/** However many groups there are, so many commands of each are remembered, if they are short. */
const LEAST_CALLS = 8;
/** An entry without its texts: the objects and numbers. Measured: 400 to 600 bytes. */
const RECORD_BYTES = 500;

interface GroupCalls {
  readonly calls: CallRecord[];
  bytes: number;
  forgotten: number;
}

export class CallHistory {
  readonly #maxCalls: number;
  readonly #maxBytes: number;
  readonly #groups: Map<string, GroupCalls> = new Map();

  constructor({ groups, maxCalls = 8_192, maxBytes = 8 * 1_024 ** 2 }: CallHistoryOptions) {
    this.#maxCalls = Math.max(LEAST_CALLS, Math.floor(maxCalls / Math.max(1, groups)));
    this.#maxBytes = Math.max(LEAST_CALLS * 2_048, Math.floor(maxBytes / Math.max(1, groups)));
  }

  note(call: CallRecord): void {
    const group = this.#groupOf(call.group);
    group.calls.push(call);
    group.bytes += bytesOf(call);
    if (group.calls.length <= this.#maxCalls && group.bytes <= this.#maxBytes) return;
    // A quarter at once, because taking one off the front moves all others.
    const kept = Math.floor(this.#maxCalls * 0.75);
    let dropped = Math.max(0, group.calls.length - kept);
    for (const one of group.calls.slice(0, dropped)) group.bytes -= bytesOf(one);
    while (group.bytes > this.#maxBytes * 0.75 && dropped < group.calls.length - 1)
      group.bytes -= bytesOf(group.calls[dropped++] as CallRecord);
    group.calls.splice(0, dropped);
    group.forgotten += dropped;
  }

  /** The newest first. Several callers may have used the same id. */
  find(group: string, requestId: string, limit: number): readonly CallRecord[] {
    const calls = this.#groups.get(group)?.calls ?? [];
    const found: CallRecord[] = [];
    for (let at = calls.length - 1; at >= 0 && found.length < limit; at--)
      if (calls[at]?.requestId === requestId) found.push(calls[at] as CallRecord);
    return found;
  }

  /** The newest calls of a group, the newest first. */
  newest(group: string, limit: number): readonly CallRecord[] {
    return (this.#groups.get(group)?.calls ?? []).slice(-limit).toReversed();
  }

  /** How many are remembered of `group`, how many were forgotten, and when the oldest came. */
  figures(group: string): { readonly kept: number; readonly forgotten: number; readonly oldestAt: number | undefined } {
    const { calls, forgotten } = this.#groups.get(group) ?? NONE;
    return { kept: calls.length, forgotten, oldestAt: calls[0]?.at };
  }

  #groupOf(name: string): GroupCalls {
    const known = this.#groups.get(name) ?? { calls: [], bytes: 0, forgotten: 0 };
    this.#groups.set(name, known);
    return known;
  }
}

const NONE: GroupCalls = { calls: [], bytes: 0, forgotten: 0 };

function bytesOf({ requestId, path, caller, detail = "", cause = "", described }: CallRecord): number {
  const texts = requestId.length + path.length + caller.length + 2 * (detail.length + cause.length);
  return RECORD_BYTES + texts + 150 * described.length;
}
