/**
 * What the doors to other libraries need of a client beyond its public methods: some of its
 * settings, and calls that are sent only once because what they send cannot be sent again.
 */
import type { Clock } from "../time/clock.ts";
import { Call } from "./call.ts";
import { type CallOptions, checkCallOptions, type Operation } from "./call-options.ts";
import type { ResilientClient } from "./client.ts";
import type { ClientParts } from "./client-parts.ts";

/** The settings of a client that a door uses. */
export interface ClientSettings {
  readonly name: string;
  readonly clock: Clock;
  readonly timeoutMs: number;
  /** False if every result is a success. */
  readonly judgesResults: boolean;
}

/** Reads the settings of `client`. */
export function settingsOf<T>(client: ResilientClient<T>): ClientSettings {
  const { name, clock, timeoutMs, classify } = client.parts;
  return { name, clock, timeoutMs, judgesResults: classify?.result !== undefined };
}

/** As `client.call`, but never with a second attempt, also if the first one was not sent. */
export function callOnce<T, R extends T>(
  client: ResilientClient<T>,
  operation: Operation<R>,
  options: CallOptions,
): Promise<R> {
  return new Promise<R>((resolve, reject) => {
    checkCallOptions(client.name, options);
    const parts = { ...client.parts, maxAttempts: 1 } as ClientParts<unknown> as ClientParts<R>;
    const nowMs = parts.clock.nowMs();
    new Call<R>(parts, operation, options, client.deadlineOf(options, nowMs), resolve, reject).start(nowMs);
  });
}
