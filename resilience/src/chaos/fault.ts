/**
 * What each fault does to a call. A fault is a function around `send`, which stands for the rest of
 * the way to the service: first other faults, last the operation. If a request is lost, `send` is
 * never called. If an answer is lost, `send` is called and its result is withheld. This difference
 * decides what may be sent again, so it is exact:
 *
 * | kind          | does the operation run? | what the caller sees                                                     |
 * | ------------- | ----------------------- | ------------------------------------------------------------------------ |
 * | latency       | yes, later              | its result, later                                                        |
 * | drops         | no                      | silence until it gives up, or connection refused                         |
 * | errors        | no                      | `FaultInjectedError`, or the error you make                              |
 * | hangs         | yes, at once            | silence until it gives up: the answer is lost, the work may be done      |
 * | lying-success | no                      | status 200 with an error in the body                                     |
 * | slow-body     | yes, at once            | its result, whose body trickles                                          |
 *
 * A silence or a wait ends with the call's `signal` (it rejects with `CallAbortedError`) or when
 * its fault is taken off. In the latter case a delayed request is sent, a lost answer is delivered,
 * and a lost request is reported with `FaultInjectedError`.
 */
import { FaultInjectedError } from "../core/errors.ts";
import type { Random } from "../core/random.ts";
import type { DurationSource } from "./distribution.ts";
import { slowed } from "./slow-body.ts";

/** Kinds of faults, each set by a method of {@link Chaos}. */
export type FaultKind = "latency" | "drops" | "errors" | "hangs" | "lying-success" | "slow-body";

/** The order in which faults surround a call, outermost first; so an error can be delayed. */
export const FAULT_KINDS: readonly FaultKind[] = ["latency", "drops", "errors", "hangs", "lying-success", "slow-body"];

/** What a fault knows about its call. */
interface Scene {
  /** The key under which the operation was wrapped. */
  readonly key: string | undefined;
  /** For the durations that this fault draws. */
  readonly random: Random;
  /**
   * Waits `durationMs` (`Infinity`: for ever). Resolves early when the fault is taken off, rejects
   * with `CallAbortedError` when the call's signal is aborted; leaves no timer and no listener.
   */
  pause(durationMs: number): Promise<void>;
}

export type Fault = (send: () => unknown, scene: Scene) => Promise<unknown>;

/** Delays the request, then sends it. */
export function latency(delay: DurationSource): Fault {
  return async (send, scene) => {
    await scene.pause(delay(scene.random));
    return send();
  };
}

/** Loses the request: no answer ever comes. */
export const lostRequest: Fault = async (_send, scene) => {
  await scene.pause(Number.POSITIVE_INFINITY);
  throw new FaultInjectedError(`the request${at(scene)} was dropped`);
};

/**
 * Refuses the connection at once, with the platform's own error, which classifiers take as proof
 * that nothing was sent.
 */
export const refusedConnection: Fault = async (_send, scene) => {
  const cause = new FaultInjectedError(`the connection${at(scene)} was refused`);
  const refusal = new Error("connect ECONNREFUSED (injected by chaos)", { cause });
  throw Object.assign(refusal, { code: "ECONNREFUSED", syscall: "connect" });
};

/** Fails the call without sending it. */
export function failure(make: ((key: string | undefined) => unknown) | undefined): Fault {
  return async (_send, scene) => {
    throw make === undefined ? new FaultInjectedError(`the call${at(scene)} was made to fail`) : make(scene.key);
  };
}

/**
 * Lets the work run and loses its answer. After an abort it still waits for the work, so that its
 * slot stays taken.
 */
export const lostAnswer: Fault = async (send, scene) => {
  const work = started(send);
  const settled = work.then(nothing, nothing);
  try {
    await scene.pause(Number.POSITIVE_INFINITY);
  } catch (aborted) {
    await settled;
    throw aborted;
  }
  return work;
};

/** Answers instead of the service, with a success that contains an error. */
export function lyingSuccess(make: (key: string | undefined) => unknown): Fault {
  return async (_send, scene) => make(scene.key);
}

/** Waits before each chunk of the answer's body. */
export function slowBody(delay: DurationSource): Fault {
  return async (send, scene) => slowed(await send(), () => scene.pause(delay(scene.random)));
}

/** Calls `send` now; the promise gives its result, even if it throws. */
async function started(send: () => unknown): Promise<unknown> {
  return send();
}

function nothing(): void {}

function at(scene: Scene): string {
  return scene.key === undefined ? "" : ` to ${scene.key}`;
}
