/**
 * What is known about a run from outside: every command and its outcome, every attempt at a
 * station, every execution at a spacecraft, and the observers of these events. It is kept beside
 * the code under test, which never reads it. So the checks can compare what a gateway reports with
 * what really happened.
 */
import type { Gateway, GatewayEvent } from "../../gateway/src/compose.ts";
import type { StationBeat } from "../../gateway/src/fleet/heartbeat-sessions.ts";
import type { OperatorAction, RoutePlan } from "./plan.ts";
import type { WireReply } from "./wire.ts";

/**
 * `keyed`: carries an idempotency key. `once`: carries none, and must never take effect twice.
 * `read`: has no effect.
 */
export type CommandKind = "keyed" | "once" | "read";

/**
 * What its source knows at the end. `acknowledged`: answered with success. `not-executed`: refused
 * by the gateway with the promise that it has not run and never will. `unknown`: anything else,
 * also a station's own error.
 */
export type Told = "acknowledged" | "not-executed" | "unknown";

/** A command as its source intended it. All instants are true time. */
export interface Command {
  readonly id: string;
  readonly group: string;
  readonly kind: CommandKind;
  /** The HTTP method. */
  readonly method: string;
  readonly sentAtMs: number;
  /** How long its source stated that it waits; undefined if it did not state it. */
  readonly patienceMs: number | undefined;
  /** Undefined: the route of all other commands. */
  readonly route: RoutePlan | undefined;
  /** Its work, in ms of an idle station; attempts may differ from it by chance (`work.ts`). */
  readonly workMs: number;
  /** How often its source has sent it. */
  sendings: number;
  /** How often it took effect at the spacecraft. */
  executions: number;
  told: Told | undefined;
  toldAtMs: number | undefined;
  /** Status and code of the last answer; for violation messages. */
  answer: string;
}

/** One sending of a command by its source. All instants are true time. */
export interface Sending {
  readonly command: Command;
  readonly atMs: number;
  /** How long its source waits from now on, including the time of its body. */
  readonly waitsMs: number;
  /** How long its body takes; 0 for a command without a slow body. */
  readonly uploadMs: number;
  endedAtMs: number | undefined;
  /**
   * `served`: executed and acknowledged. `own-error`: the answer that every station gives to this
   * command. `refused`: the gateway promises that it has not run. `failed`: anything else. `left`:
   * its source has waited in vain.
   */
  end: "served" | "own-error" | "refused" | "failed" | "left" | undefined;
}

/** A command at the gateway, one visit for each sending that arrived. */
export interface Visit {
  readonly command: Command;
  readonly incarnation: number;
  readonly arrivedAtMs: number;
  /** When the gateway must have answered, on the gateway's own clock. */
  readonly deadlineLocalMs: number;
  /** The same in true time, if no fault changes the clock. */
  readonly deadlineMs: number;
  answeredAtMs: number | undefined;
}

/** One attempt of the gateway at a station. */
export interface Attempt {
  readonly command: Command;
  readonly group: string;
  readonly station: string;
  readonly epoch: number;
  readonly key: string | undefined;
  readonly incarnation: number;
  readonly atMs: number;
  readonly localMs: number;
  /**
   * When its age begins to count, on the gateway's clock: when its body was sent; `Infinity` while
   * the body is being sent.
   */
  judgedFromLocalMs: number;
  readonly timeLeftMs: number;
  /** Aborted from the instant at which its caller no longer waits, which may be before it ends. */
  readonly signal: AbortSignal;
  endedAtMs: number | undefined;
  /**
   * How it ended: a reply, nothing was ever sent, the connection broke, its caller no longer
   * waited, its epoch was over.
   */
  outcome: "reply" | "never-sent" | "lost" | "aborted" | "stale" | undefined;
  status: number | undefined;
  /** The reply reports success, and its body an error. */
  lies: boolean;
  /** It failed because the gateway's own machine lacked a resource. */
  ours: boolean;
}

/** A command at a station. Its instants are on the station's own clock. */
export interface Relay {
  readonly command: Command;
  readonly group: string;
  readonly station: string;
  /** Of the station's process. */
  readonly incarnation: number;
  readonly epoch: number | undefined;
  readonly arrivedLocalMs: number;
  /** As it arrived. */
  readonly timeLeftMs: number | undefined;
  /**
   * When the station sent it on to the spacecraft, and with how much time left; undefined before
   * that.
   */
  sentLocalMs: number | undefined;
  sentTimeLeftMs: number | undefined;
}

/** A command took effect. */
export interface Execution {
  readonly command: Command;
  readonly group: string;
  readonly station: string;
  readonly epoch: number | undefined;
  readonly atMs: number;
}

/** A gateway process, from its start until it crashes. */
export interface GatewayProcess {
  readonly incarnation: number;
  readonly gateway: Gateway;
  readonly startedAtMs: number;
  /** Its monotonic clock. */
  nowMs(): number;
}

/** How often observers check the world (`tick`). */
export const LOOK_EVERY_MS = 250;

/** The events that an observer may handle. Each happens at the world's instant. */
export interface FleetObserver {
  commandSent?(command: Command): void;
  commandTold?(command: Command): void;
  /** A source sends a command, for the first time or again. */
  sendingBegan?(sending: Sending): void;
  sendingEnded?(sending: Sending): void;
  gatewayStarted?(process: GatewayProcess): void;
  gatewayCrashed?(process: GatewayProcess): void;
  commandArrived?(visit: Visit): void;
  /**
   * `code`: set if the gateway itself answers. `retryAfterMs`: when it asks its caller to come
   * back, if it says so. `outcomeUnknown`: whether it says that the command may have been executed.
   */
  commandAnswered?(visit: Visit, code?: string, retryAfterMs?: number, outcomeUnknown?: boolean): void;
  /** The gateway gives the answer of a station, or one that it has kept. */
  replyGiven?(visit: Visit, reply: WireReply): void;
  /**
   * A source got `reply` for a command that it had sent and was answered before; `isSame` is false
   * if it sent another request under the key.
   */
  askedAgain?(command: Command, isSame: boolean, reply: WireReply): void;
  attemptBegan?(attempt: Attempt): void;
  attemptEnded?(attempt: Attempt): void;
  /**
   * The uplink to a station itself has refused to send, because the body was gone; at `localMs` of
   * the gateway's clock.
   */
  turnedAway?(group: string, station: string, localMs: number): void;
  /** A station has admitted a command. */
  relayAdmitted?(relay: Relay): void;
  /** The station sends the command on to the spacecraft. */
  relaySent?(relay: Relay): void;
  /** The spacecraft has refused it, because it had seen a newer epoch. */
  relayRefused?(relay: Relay, epochSeen: number): void;
  executed?(execution: Execution): void;
  /** The gateway admitted a heartbeat; `beat` if it was pushed. */
  beatCounted?(group: string, station: string, beat?: StationBeat): void;
  /** The gateway pulls a heartbeat from a station, and nothing else requests the same page. */
  pulled?(group: string, station: string): void;
  /** The pull has ended; `isRefused`: the connection was refused. */
  pullEnded?(group: string, station: string, isRefused: boolean): void;
  /** The gateway answers `beat` with a challenge. */
  challenged?(group: string, station: string, beat: StationBeat): void;
  /**
   * A station accepts a challenge to `beat` of its session; the newest heartbeat that it has sent
   * is `sentSequence`.
   */
  challengeTaken?(group: string, station: string, beat: StationBeat, sentSequence: number): void;
  /** A probe of a station has ended. */
  probed?(group: string, station: string, well: boolean): void;
  /** An operator has asked the gateway for this. */
  operated?(action: OperatorAction): void;
  gatewayEvent?(event: GatewayEvent, incarnation: number): void;
  /** `LOOK_EVERY_MS` have passed: for state that has to be polled. */
  tick?(): void;
  /** The run has ended without a violation. */
  ended?(): void;
}

type Told1<Name extends keyof FleetObserver> = Parameters<NonNullable<FleetObserver[Name]>>;

/** Passes each event to all observers, in the order in which they were added. */
export class Observers {
  readonly #told: Map<keyof FleetObserver, ((...given: never[]) => void)[]> = new Map();

  add(observer: FleetObserver): void {
    for (const [name, told] of Object.entries(observer)) {
      const all = this.#told.get(name as keyof FleetObserver) ?? [];
      this.#told.set(name as keyof FleetObserver, [...all, (told as () => void).bind(observer)]);
    }
  }

  tell<Name extends keyof FleetObserver>(name: Name, ...given: Told1<Name>): void {
    const all = this.#told.get(name);
    if (all === undefined) return;
    for (const told of all) (told as (...all: Told1<Name>) => void)(...given);
  }
}
