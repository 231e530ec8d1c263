/**
 * What is known of a run from outside: every command, what became of it, every attempt at a
 * station, every execution at a spacecraft, and whoever wants to be told of them. It is kept beside
 * the code under test and never asked by it, so that what a gateway claims can be held against what
 * really happened.
 */
import type { Gateway, GatewayEvent } from "../../gateway/src/compose.ts";
import type { StationBeat } from "../../gateway/src/fleet/heartbeat-sessions.ts";
import type { OperatorAction, RoutePlan } from "./plan.ts";

/**
 * `keyed`: carries an idempotency key. `once`: does not, and must never take effect twice. `read`:
 * asks only.
 */
export type CommandKind = "keyed" | "once" | "read";

/**
 * What its source knows at the end. `acknowledged`: answered with success. `not-executed`: refused
 * by the gateway with the promise that it has not run and never will. `unknown`: anything else, a
 * station's own error among them.
 */
export type Told = "acknowledged" | "not-executed" | "unknown";

/** A command as its source means it. All instants are true time. */
export interface Command {
  readonly id: string;
  readonly group: string;
  readonly kind: CommandKind;
  /** As HTTP has it. */
  readonly method: string;
  readonly sentAtMs: number;
  /** How long its source said that it waits; undefined where it did not say. */
  readonly patienceMs: number | undefined;
  /** Undefined: the one of all other commands. */
  readonly route: RoutePlan | undefined;
  /**
   * How much work it is, in ms of a station at leisure; attempts may differ from it by chance
   * (`work.ts`).
   */
  readonly workMs: number;
  /** How often its source has sent it. */
  sendings: number;
  /** How often it took effect at the spacecraft. */
  executions: number;
  told: Told | undefined;
  toldAtMs: number | undefined;
  /** Status and code of the last answer; for sentences. */
  answer: string;
}

/** One sending of a command by its source. All instants are true time. */
export interface Sending {
  readonly command: Command;
  readonly atMs: number;
  /** How long its source waits from here on, the time that its body takes included. */
  readonly waitsMs: number;
  /** How long its body takes; 0 where it has none to speak of. */
  readonly uploadMs: number;
  endedAtMs: number | undefined;
  /**
   * `served`: executed and acknowledged. `own-error`: what every station answers to this command.
   * `refused`: the gateway promises that it has not run. `failed`: anything else. `left`: its
   * source has waited in vain.
   */
  end: "served" | "own-error" | "refused" | "failed" | "left" | undefined;
}

/** A command at the door of the gateway, one for each sending that arrived. */
export interface Visit {
  readonly command: Command;
  readonly incarnation: number;
  readonly arrivedAtMs: number;
  /** By when the gateway owes an answer, on the gateway's own clock. */
  readonly deadlineLocalMs: number;
  /** The same in true time, if nothing happens to the clock. */
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
   * On the gateway's clock, from when its age says something: when its body was out; `Infinity`
   * while that goes out.
   */
  judgedFromLocalMs: number;
  readonly timeLeftMs: number;
  /**
   * Aborted from the instant on at which nobody waits for it any more, which may be before it ends.
   */
  readonly signal: AbortSignal;
  endedAtMs: number | undefined;
  /**
   * How it ended: a reply, nothing was ever sent, the connection broke, nobody waited any more, the
   * epoch is over.
   */
  outcome: "reply" | "never-sent" | "lost" | "aborted" | "stale" | undefined;
  status: number | undefined;
  /** The reply claims success and reports an error. */
  lies: boolean;
  /** It came to nothing because the gateway's own machine was short of something. */
  ours: boolean;
}

/** A command in the hands of a station. Its instants are on the station's own clock. */
export interface Relay {
  readonly command: Command;
  readonly group: string;
  readonly station: string;
  /** Of the station's process. */
  readonly incarnation: number;
  readonly epoch: number | undefined;
  readonly arrivedLocalMs: number;
  /** As it came. */
  readonly timeLeftMs: number | undefined;
  /** When it went on to the spacecraft, and with how much time left; undefined before that. */
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

/** How often observers look round (`tick`). */
export const LOOK_EVERY_MS = 250;

/** What an observer may want to be told. Everything happens at the world's instant. */
export interface FleetObserver {
  commandSent?(command: Command): void;
  commandTold?(command: Command): void;
  /** A source sends a command, once more or for the first time. */
  sendingBegan?(sending: Sending): void;
  sendingEnded?(sending: Sending): void;
  gatewayStarted?(process: GatewayProcess): void;
  gatewayCrashed?(process: GatewayProcess): void;
  commandArrived?(visit: Visit): void;
  /**
   * `code` where the gateway itself answers, when it asks its caller to come back, if it says so,
   * and whether it says that the command may have been executed.
   */
  commandAnswered?(visit: Visit, code?: string, retryAfterMs?: number, outcomeUnknown?: boolean): void;
  attemptBegan?(attempt: Attempt): void;
  attemptEnded?(attempt: Attempt): void;
  /**
   * The way to a station itself has refused to send, because the body was gone; at `localMs` of the
   * gateway's clock.
   */
  turnedAway?(group: string, station: string, localMs: number): void;
  /** A station has let a command in. */
  relayAdmitted?(relay: Relay): void;
  /** It carries the command on to the spacecraft. */
  relaySent?(relay: Relay): void;
  /** The spacecraft has refused it, because it had seen a newer epoch. */
  relayRefused?(relay: Relay, epochSeen: number): void;
  executed?(execution: Execution): void;
  /** A heartbeat was admitted by the gateway; `beat` where it was pushed. */
  beatCounted?(group: string, station: string, beat?: StationBeat): void;
  /**
   * The gateway asks a station for a heartbeat that is pulled, where nothing else asks for the same
   * page.
   */
  pulled?(group: string, station: string): void;
  /** What it asked has ended; `isRefused`: nobody took the connection. */
  pullEnded?(group: string, station: string, isRefused: boolean): void;
  /** The gateway answers `beat` with a challenge. */
  challenged?(group: string, station: string, beat: StationBeat): void;
  /**
   * A station takes in a challenge to `beat` of its session, the newest that it has sent being
   * `sentSequence`.
   */
  challengeTaken?(group: string, station: string, beat: StationBeat, sentSequence: number): void;
  /** A probe of a station has ended. */
  probed?(group: string, station: string, well: boolean): void;
  /** Somebody has asked the gateway for this. */
  operated?(action: OperatorAction): void;
  gatewayEvent?(event: GatewayEvent, incarnation: number): void;
  /** `LOOK_EVERY_MS` have passed: for what has to be looked at, not told. */
  tick?(): void;
  /** The run has ended without a violation. */
  ended?(): void;
}

type Told1<Name extends keyof FleetObserver> = Parameters<NonNullable<FleetObserver[Name]>>;

/** Tells all observers of one thing, those first that were added first. */
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
