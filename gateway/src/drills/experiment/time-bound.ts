/**
 * Ends work that takes too long in the middle of it: a regular expression can take exponential
 * time, and nothing else can stop it in a program of one thread. Only pure work is given here,
 * because what it was doing is left half done. Source: the option `timeout` of Node's `vm`.
 */
import { createContext, Script } from "node:vm";

/** What {@link inBoundedTime} returns when the time was over. */
export const TIMED_OUT: unique symbol = Symbol("timed out");

const WORK = new Script("work()");
const CONTEXT: { work?: (() => unknown) | undefined } = createContext(Object.create(null));

/** The result of `work`, or {@link TIMED_OUT} if it takes more than `limitMs` ms. */
export function inBoundedTime<Result>(work: () => Result, limitMs: number): Result | typeof TIMED_OUT {
  try {
    CONTEXT.work = work;
    return WORK.runInContext(CONTEXT, { timeout: limitMs }) as Result;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ERR_SCRIPT_EXECUTION_TIMEOUT") return TIMED_OUT;
    throw error;
  } finally {
    CONTEXT.work = undefined;
  }
}
