/**
 * Draining microtasks: running every promise reaction, and every reaction to those, until none is left, without giving
 * the event loop a turn. A world moves its time only after that, so that no code ever sees a later instant than the one
 * at which it was woken. "Await ten times" is not exhaustive; this is.
 *
 * Node drains them when a callback of its own returns, through a function that it also leaves on `process`. It is not
 * documented, so it is tried once before it is relied on ({@link canDrain}); where it does not work the world takes one
 * turn of the event loop for each step instead, which is about four times slower and otherwise the same.
 */

/** Taken before any trap is set. */
const nextTurn: typeof setImmediate = setImmediate;
const tick: unknown = (process as { _tickCallback?: unknown })._tickCallback;

/**
 * Runs all microtasks and next ticks that are pending and all that they cause. Only from a task of the event loop.
 * A next tick that throws is an uncaught exception, as it would be in the event loop, and the rest still runs.
 */
export function drainMicrotasks(): void {
  for (;;) {
    try {
      (tick as (this: NodeJS.Process) => void).call(process);
      return;
    } catch (error) {
      if (!(process as NodeJS.EventEmitter).emit("uncaughtException", error, "uncaughtException")) throw error;
    }
  }
}

/** Resolves in a new task of the event loop, after everything that was pending. */
export function eventLoopTurn(): Promise<void> {
  return new Promise((resolve) => nextTurn(resolve));
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

let drains: boolean | undefined;

/** Does {@link drainMicrotasks} do on this engine what it promises? Tried at the first call, remembered afterwards. */
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
