/**
 * What the parts of a world see of it, and of the machine that they belong to. A network, a disk or
 * a process needs no more than this. So each of them can be read and tested alone, and none of them
 * depends on how the world combines them.
 */
import type { Random } from "../../core/random.ts";
import type { Trace } from "./trace.ts";

/**
 * `kill`: the process ends and the machine lives on, so its peers are notified. `power`: the
 * machine loses power, and its peers get no notification.
 */
export type CrashKind = "kill" | "power";

/**
 * Checks an invariant: undefined if it holds, and a sentence if it does not. The result is not
 * awaited: a promise is refused.
 */
export type Check = () => string | undefined;

/** A machine, and the process that runs on it. */
export interface Host {
  readonly name: string;
  readonly up: boolean;
  /**
   * Whether its machine has power: from the first start on, also with a killed process, until a
   * power loss.
   */
  readonly powered: boolean;
  /** 1 for the first process on this machine, one more with each restart. */
  readonly incarnation: number;
  /**
   * An event for `incarnation` has arrived: runs it now, or in its turn; drops it if that process
   * has ended.
   */
  dispatch(incarnation: number, event: () => void): void;
}

/** The world. */
export interface Kernel {
  /** True time. */
  readonly nowMs: number;
  readonly random: Random;
  readonly trace: Trace;
  /** Runs `run` at `atMs` of true time, outside every process; now if that has passed. */
  at<Subject>(atMs: number, run: (subject: Subject) => void, subject?: Subject): Disposable;
  /** The machine of that name; throws if there is none. */
  nodeOf(name: string): Host;
  /** Never throws. Notes a violation if a process other than that of `host` is running. */
  assertInside(host: Host): void;
  /** A fault begins at a node, a disk or the network. */
  strike(): void;
}
