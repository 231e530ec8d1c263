/**
 * The same policies as one guarded call of ours, written by hand into one async function: what a
 * good engineer would write who needs exactly this once. It is the yardstick for what a library may
 * cost. The habits that make it fast are the same as ours (one timer for all, no controller and no
 * error on success, the clock read once, rings of counts).
 *
 * What it lacks, and ours has: it frees a slot at the timeout although the work may still run;
 * results from before a trip count after it; half-open lets one probe pass but a hung probe wedges
 * it; a timeout may come 10 ms late and each sweep visits every call in flight; there is no abort
 * signal, no acquire timeout, no classification, no events; sleeping retries are forgotten by the
 * budget; one downstream, one set of options, no tests.
 */
const TIMEOUT_MS = 1_000;
const DEADLINE_MS = 5_000;
const MAX_CONCURRENT = 100;
const MAX_QUEUE = 100;
const MAX_ATTEMPTS = 3;
const SLICES = 10;
const SLICE_MS = 1_000;
const OPEN_MS = 30_000;
const MINIMUM_VOLUME = 20;
const FAILURE_RATE = 0.5;
const BUDGET_RATIO = 0.1;
const SWEEP_MS = 10;

interface Pending {
  endMs: number;
  reject: (error: Error) => void;
  previous: Pending | undefined;
  next: Pending | undefined;
}

export interface ByHand {
  call<T>(operation: (attempt: number, deadline: number) => Promise<T>, idempotent: boolean): Promise<T>;
  /** Opens the circuit, for measuring how fast it fails. */
  trip(): void;
}

export function byHand(): ByHand {
  const calls = new Float64Array(SLICES);
  const failures = new Float64Array(SLICES);
  const retries = new Float64Array(SLICES);
  let callsTotal = 0;
  let failuresTotal = 0;
  let retriesTotal = 0;
  let newestSlice = Math.floor(performance.now() / SLICE_MS);
  let openUntilMs = 0;
  let probing = false;
  const openError = new Error("circuit open");
  let running = 0;
  const queue: Array<() => void> = [];
  let first: Pending | undefined;
  let last: Pending | undefined;
  let sweeper: ReturnType<typeof setInterval> | undefined;

  function turn(nowMs: number): number {
    const slice = Math.floor(nowMs / SLICE_MS);
    for (let step = Math.max(newestSlice + 1, slice - SLICES + 1); step <= slice; step++) {
      const place = step % SLICES;
      callsTotal -= calls[place] as number;
      failuresTotal -= failures[place] as number;
      retriesTotal -= retries[place] as number;
      calls[place] = 0;
      failures[place] = 0;
      retries[place] = 0;
    }
    newestSlice = Math.max(newestSlice, slice);
    return newestSlice % SLICES;
  }

  function sweep(): void {
    if (first === undefined) {
      clearInterval(sweeper);
      sweeper = undefined;
      return;
    }
    const nowMs = performance.now();
    for (let pending: Pending | undefined = first; pending !== undefined; pending = pending.next) {
      if (nowMs >= pending.endMs) pending.reject(new Error("timed out"));
    }
  }

  function unlink(pending: Pending): void {
    if (pending.previous === undefined) first = pending.next;
    else pending.previous.next = pending.next;
    if (pending.next === undefined) last = pending.previous;
    else pending.next.previous = pending.previous;
  }

  /** One promise, settled from two places: the work, or the sweep. */
  function inTime<T>(work: Promise<T>, endMs: number): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const pending: Pending = { endMs, reject: fail, previous: last, next: undefined };
      function fail(error: unknown): void {
        unlink(pending);
        reject(error);
      }
      if (last === undefined) first = pending;
      else last.next = pending;
      last = pending;
      sweeper ??= setInterval(sweep, SWEEP_MS);
      work.then((value) => {
        unlink(pending);
        resolve(value);
      }, fail);
    });
  }

  async function call<T>(
    operation: (attempt: number, deadline: number) => Promise<T>,
    idempotent: boolean,
  ): Promise<T> {
    let nowMs = performance.now();
    const deadline = nowMs + DEADLINE_MS;
    for (let attempt = 1; ; attempt++) {
      if (nowMs >= deadline) throw new Error("deadline passed");
      if (openUntilMs > 0) {
        if (nowMs < openUntilMs || probing) throw openError;
        probing = true;
      }
      if (running < MAX_CONCURRENT) running++;
      else if (queue.length >= MAX_QUEUE) throw new Error("bulkhead full");
      else {
        await new Promise<void>((granted) => queue.push(granted));
        nowMs = performance.now();
      }
      const slice = turn(nowMs);
      calls[slice] = (calls[slice] as number) + 1;
      callsTotal++;
      try {
        const endMs = nowMs + TIMEOUT_MS < deadline ? nowMs + TIMEOUT_MS : deadline;
        const value = await inTime(operation(attempt, deadline), endMs);
        if (openUntilMs > 0) openUntilMs = 0;
        probing = false;
        return value;
      } catch (error) {
        nowMs = performance.now();
        const failed = turn(nowMs);
        failures[failed] = (failures[failed] as number) + 1;
        failuresTotal++;
        const bad = callsTotal >= MINIMUM_VOLUME && failuresTotal / callsTotal >= FAILURE_RATE;
        if (bad || probing) openUntilMs = nowMs + OPEN_MS;
        probing = false;
        if (!idempotent || attempt >= MAX_ATTEMPTS) throw error;
        if (retriesTotal + 1 > BUDGET_RATIO * callsTotal) throw error;
        retries[failed] = (retries[failed] as number) + 1;
        retriesTotal++;
      } finally {
        const granted = queue.shift();
        if (granted === undefined) running--;
        else granted();
      }
      // biome-ignore lint/plugin: a benchmark's yardstick; nothing replays it.
      const delayMs = Math.random() * 100 * 2 ** (attempt - 1);
      await new Promise((resolve) => setTimeout(resolve, delayMs));
      nowMs = performance.now();
    }
  }

  return {
    call,
    trip: () => {
      openUntilMs = Number.POSITIVE_INFINITY;
    },
  };
}
