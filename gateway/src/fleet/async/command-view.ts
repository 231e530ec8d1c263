/**
 * What a caller and an operator are told of an asynchronous command: a copy of what is known now.
 */
import type { CommandPriority } from "./async-terms.ts";
import type { QueuedCommand, ShownState } from "./queued-command.ts";

export interface CommandView {
  readonly id: string;
  readonly state: ShownState;
  readonly method: string;
  /** Path and query, shortened. */
  readonly target: string;
  readonly priority: CommandPriority;
  /** Instants are on the wall clock, in ms since 1970. */
  readonly acceptedAtMs: number;
  readonly expiresAtMs: number;
  /** How often it was given to a station. */
  readonly attempts: number;
  readonly endedAtMs: number | undefined;
  /** Until when its result is kept; undefined while it has not ended. */
  readonly keptUntilMs: number | undefined;
  /** Status of the answer; undefined while there is none. */
  readonly status: number | undefined;
  readonly isBodyOmitted: boolean;
  readonly reason: string | undefined;
  readonly outcomeUnknown: boolean;
  /** May it still be cancelled? */
  readonly isCancellable: boolean;
}

export function viewOf(command: QueuedCommand, keptUntilMs: number): CommandView {
  const { id, method, target, priority, acceptedAtMs, expiresAtMs, ...meta } = command.meta;
  const isEnded = command.isEnded;
  return {
    ...{ id, state: command.shownState, method, target, priority, acceptedAtMs, expiresAtMs },
    attempts: command.attempts,
    endedAtMs: isEnded ? meta.endedAtMs : undefined,
    keptUntilMs: isEnded ? keptUntilMs : undefined,
    status: isEnded ? meta.status : undefined,
    isBodyOmitted: isEnded && meta.isBodyOmitted === true,
    reason: isEnded ? meta.reason : undefined,
    outcomeUnknown: isEnded && meta.outcomeUnknown === true,
    isCancellable: command.isCancellable,
  };
}
