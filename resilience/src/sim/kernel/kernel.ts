/**
 * What the parts of a world see of it, and of the machine that they belong to. A network, a disk or
 * a process needs no more than this, so each of them can be read and tested alone, and none of them
 * knows how the world puts them together.
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
   * Has its machine power? From the first start on, also with a killed process, until a power loss.
   */
  readonly powered: boolean;
  /** 1 for the first process on this machine, one more with each restart. */
  readonly incarnation: number;
  /**
   * An event for `incarnation` has come: run it now, or in its turn; dropped where that process is
   * no more.
   */
  dispatch(incarnation: number, event: () => void): void;
}

/** The world. */
export interface Kernel {
  /** True time. */
  readonly nowMs: number;
  readonly random: Random;
  readonly trace: Trace;
  /** Runs `run` at `atMs` of true time, outside every process; now where that has passed. */
  at<Subject>(atMs: number, run: (subject: Subject) => void, subject?: Subject): Disposable;
  /** The machine of that name; throws where there is none. */
  nodeOf(name: string): Host;
  /** Throws nothing, and notes a violation where another process than that of `host` is at work. */
  assertInside(host: Host): void;
  /** Something goes wrong with a node, a disk or the network. */
  strike(): void;
}
