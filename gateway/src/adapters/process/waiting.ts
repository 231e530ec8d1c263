/**
 * Waiting with a limit. Every phase of the demo has a time limit. A phase that is not over by then
 * fails with what it was waiting for and what it saw last, instead of hanging. It polls often,
 * because the state is spread over five processes. The polling interval affects no figure, because
 * events carry their own times.
 */
import type { Clock } from "ground-station-failover";

const LOOK_EVERY_MS = 10;

/** A phase was not over within its limit. */
export class PhaseFailure extends Error {}

/** The demo was asked to stop. */
export class Interrupted extends Error {}

export interface Wait {
  /** Resolves with the result of `look`. `seen` describes the current progress in a few words. */
  until<T>(
    what: string,
    limitMs: number,
    look: () => T | undefined | Promise<T | undefined>,
    seen?: () => string,
  ): Promise<T>;
  /** Lets `ms` pass. */
  pass(ms: number): Promise<void>;
}

/** `refuse` throws if waiting on makes no sense: a process has died, or the demo is to stop. */
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
