/**
 * Drains microtasks: runs every promise reaction, and every reaction to those, until none is left,
 * without giving the event loop a turn. A world moves its time only after that, so that no code
 * ever sees a later instant than the one at which it was woken. "Await ten times" is not
 * exhaustive; this is.
 *
 * Node drains them when one of its own callbacks returns, through a function that it also leaves on
 * `process`. This function is not documented, so it is tried once before it is used
 * ({@link canDrain}). If it does not work, the world uses one task of the event loop for each step
 * instead ({@link asTasks}), which is several times slower and otherwise the same. Neither way
 * notices an endless chain of promises: no engine interrupts one.
 */

/** Taken before any trap is set. */
const nextTurn: typeof setImmediate = setImmediate;
const nextMicrotask: typeof queueMicrotask = queueMicrotask;
const tick: unknown = (process as { _tickCallback?: unknown })._tickCallback;

/**
 * Runs all pending microtasks and next ticks and all that they cause. Call it only from a task of
 * the event loop. A next tick that throws is an uncaught exception, as it would be in the event
 * loop, and the rest still runs.
 */
export function drainMicrotasks(): void {
  for (;;) {
    try {
      (tick as (this: NodeJS.Process) => void).call(process);
      return;
    } catch (error) {
      // Thrown again from a microtask. There Node reports the error and also restores its own stack
      // of async contexts, which the throwing tick has left out of order. With that stack out of
      // order the process would end.
      nextMicrotask(() => {
        throw error;
      });
    }
  }
}

/** Runs `task` in a new task of the event loop, from whose top level microtasks can be drained. */
export function asTask<T>(task: () => T): Promise<T> {
  return new Promise((resolve, reject) => {
    nextTurn(() => {
      try {
        resolve(task());
      } catch (error) {
        reject(error);
      }
    });
  });
}

/**
 * Runs `tasks` and then `last`, each in a task of the event loop: the slow way. Before the next one
 * begins, everything that one caused has run, and nothing else: between immediates that were
 * requested together Node runs microtasks and next ticks, and no timer, no socket, and no other
 * world's tasks (except after an error that nothing caught). If one throws, the others are skipped,
 * but not the last.
 */
export function asTasks<T>(tasks: readonly (() => void)[], last: () => T): Promise<T> {
  return new Promise((resolve, reject) => {
    let failure: { readonly error: unknown } | undefined;
    const run = (task: () => void): void => {
      try {
        task();
      } catch (error) {
        failure ??= { error };
      }
    };
    for (const task of tasks) nextTurn(() => failure ?? run(task));
    nextTurn(() => {
      let value: T | undefined;
      run(() => {
        value = last();
      });
      if (failure === undefined) resolve(value as T);
      else reject(failure.error);
    });
  });
}

let drains: boolean | undefined;

/**
 * Whether {@link drainMicrotasks} works on this engine. Tried at the first call, remembered
 * afterwards.
 */
export async function canDrain(): Promise<boolean> {
  drains ??= typeof tick === "function" && (await asTask(drainsFiftyAwaits));
  return drains;
}

function drainsFiftyAwaits(): boolean {
  let ended = 0;
  const chain = async (): Promise<void> => {
    for (let link = 0; link < 50; link++) await undefined;
    process.nextTick(() => {
      ended++;
    });
  };
  chain().then(() => Promise.resolve().then(() => ended++));
  drainMicrotasks();
  return ended === 2;
}
