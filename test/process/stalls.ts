/**
 * Ways to make a real process stand still, or its calendar jump, from outside: modules that a test
 * has Node load before the program (`--import`), so that nothing of this is in what is shipped.
 * Each acts on SIGUSR2 and says so on standard error, and leaves the program as it is otherwise.
 */

/** What makes Node load `source` first. */
function preloaded(source: string): Readonly<Record<string, string>> {
  return { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(source)}` };
}

/**
 * Blocks the event loop for `forMs` at each SIGUSR2, before its next look at timers: sockets are
 * read after those, which is the order in which an observer that trusts itself accuses everybody.
 */
export function busyLoop(forMs: number): Readonly<Record<string, string>> {
  return preloaded(`
    process.on("SIGUSR2", () => setImmediate(() => {
      const endMs = performance.now() + ${forMs};
      while (performance.now() < endMs);
      process.stderr.write("stalled\\n");
    }));`);
}

/**
 * Collects garbage for `forMs` or longer at each SIGUSR2: full collections of a heap with much to
 * mark, as a leak makes them.
 */
export function garbageCollection(forMs: number): Readonly<Record<string, string>> {
  return preloaded(`
    import { setFlagsFromString } from "node:v8";
    import { runInNewContext } from "node:vm";
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc");
    let kept = undefined;
    process.on("SIGUSR2", () => setImmediate(() => {
      const endMs = performance.now() + ${forMs};
      kept ??= Array.from({ length: 500_000 }, (_, place) => ({ place, text: "kept " + place }));
      do collect(); while (performance.now() < endMs);
      process.stderr.write("stalled\\n");
    }));`);
}

/**
 * Steps the calendar (not the monotonic clock) at each SIGUSR2, by one of `hours` after the other.
 */
export function calendarSteps(hours: readonly number[]): Readonly<Record<string, string>> {
  return preloaded(`
    const steps = ${JSON.stringify(hours)};
    const Real = Date;
    let aheadMs = 0;
    globalThis.Date = class Date extends Real {
      constructor(...given) {
        if (given.length === 0) super(Real.now() + aheadMs);
        else super(...given);
      }
      static now() { return Real.now() + aheadMs; }
    };
    process.on("SIGUSR2", () => {
      aheadMs += (steps.shift() ?? 0) * 3_600_000;
      process.stderr.write("stepped\\n");
    });`);
}
