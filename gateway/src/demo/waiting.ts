/**
 * Waiting with an end: every phase of the demo has a bound, and one that is not over by then fails
 * with what it was waiting for and what it saw last, instead of hanging. It looks often instead of
 * being told, because what it waits for is spread over five processes; no figure depends on how
 * often, since events carry instants of their own.
 */
import type { Clock } from "ground-station-failover";

const LOOK_EVERY_MS = 10;

/** A phase did not come to its end in time. */
export class PhaseFailure extends Error {}

/** Somebody asked the demo to stop. */
export class Interrupted extends Error {}

export interface Wait {
  /** Resolves with what `look` finds; `seen` says in a few words how far things are. */
  until<T>(
    what: string,
    limitMs: number,
    look: () => T | undefined | Promise<T | undefined>,
    seen?: () => string,
  ): Promise<T>;
  /** Lets `ms` pass. */
  pass(ms: number): Promise<void>;
}

/** `refuse` throws where waiting on has no sense: a process has died, or the demo is to stop. */
export function waitingOn(clock: Clock, refuse: () => void, signal: AbortSignal): Wait {
  const sleep = async (ms: number): Promise<void> => {
    await clock.sleepUntil(clock.nowMs() + ms, signal).catch(() => {
      throw new Interrupted("stopped");
    });
    refuse();
  };
  return {
    async until(what, limitMs, look, seen) {
      const limitAtMs = clock.nowMs() + limitMs;
      for (;;) {
        const found = await look();
        if (found !== undefined) return found;
        if (clock.nowMs() >= limitAtMs) {
          const last = seen === undefined ? "" : ` (${seen()})`;
          throw new PhaseFailure(`gave up after ${limitMs / 1_000} s of waiting for ${what}${last}`);
        }
        await sleep(LOOK_EVERY_MS);
      }
    },
    async pass(ms) {
      const endMs = clock.nowMs() + ms;
      while (clock.nowMs() < endMs) await sleep(Math.min(100, endMs - clock.nowMs()));
    },
  };
}
