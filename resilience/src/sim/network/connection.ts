/**
 * Connections: two streams, one each way, and what becomes of them when a process, a machine or the
 * line between them fails. Code most often gets this rule wrong: waiting alone never detects a dead
 * peer. If a process is killed, its machine notifies the peer (a reset, if it gets through). A
 * machine without power or a cut line is silent. Only a peer that sends something finds out: after
 * a minute (`ETIMEDOUT`), or when the machine is back and does not know the connection
 * (`ECONNRESET`). Codes and moments are those of Node's `net` on Linux (RFC 9293), except where
 * `stream.ts` says otherwise.
 *
 * There is no half-closing: a side that reads the end of the other side has ended too, as in `net`
 * by default. The machine of a killed process resets at once; Linux would first deliver the data
 * that the process had already written.
 */

import type { Host, Kernel } from "../kernel/kernel.ts";
import type { Address, Direction, NetworkCounts } from "./direction.ts";
import { NetworkError, type NetworkErrorCode } from "./network-error.ts";
import { labelOf, type Payload } from "./payload.ts";
import { Stream, type StreamSegment } from "./stream.ts";

export { NetworkError, type NetworkErrorCode } from "./network-error.ts";

/**
 * One end of a connection, for a process. Messages that arrive before `onMessage` is called are
 * kept for it.
 */
export interface Connection {
  /** The address of the other end. */
  readonly peer: Address;
  /**
   * Whether something may be sent. False after `close`, `reset`, an end from the other side, or an
   * error.
   */
  readonly open: boolean;
  /**
   * Sends `payload` behind everything before it: in order and once, for as long as the connection
   * lives. Dropped if the connection is not open.
   */
  send(payload: Payload): void;
  /** `receive` gets each message. One listener; a second call replaces the first. */
  onMessage(receive: (payload: Payload) => void): void;
  /**
   * `closed` is called once, when nothing more will arrive: without an error if both sides ended in
   * order. It is never called while the other side neither ends nor fails with a signal, so wait
   * for it with a timeout.
   */
  onClose(closed: (error: NetworkError | undefined) => void): void;
  /**
   * Ends it in order, behind everything sent. Messages that the other side sent before it read the
   * end still arrive.
   */
  close(): void;
  /**
   * Ends it now. The other side reads `ECONNRESET`, if that gets through. No listener is called
   * here any more.
   */
  reset(): void;
}

/** A machine as the ends of its connections see it. */
export interface ConnectedMachine {
  readonly name: string;
  readonly node: Host;
  readonly powered: boolean;
  readonly powerLosses: number;
  /** The connections that end here. */
  readonly ends: Set<ConnectionEnd>;
  mayAct(incarnation: number): boolean;
  directionTo(far: string): Direction;
  /** `asker` requests a connection. Returns false if no answer reaches it. */
  knock(asker: ConnectionEnd): boolean;
  /**
   * Tells `asker` that this machine has nothing for it. Returns false if the answer does not get
   * through.
   */
  answerReset(asker: ConnectionEnd): boolean;
}

/**
 * The longest wait for a connection. Linux gives up after six further tries, at about two minutes.
 */
const CONNECT_TIMEOUT_MS = 120_000;

/** The callbacks of the process that requests a connection. */
interface Opening {
  readonly opened: (connection: Connection) => void;
  readonly failed: (error: NetworkError) => void;
  readonly timeout: Disposable;
}

export class ConnectionEnd implements Connection {
  readonly peer: Address;
  readonly #world: Kernel;
  readonly #counts: NetworkCounts;
  readonly #machine: ConnectedMachine;
  readonly #far: ConnectedMachine;
  readonly #incarnation: number;
  readonly #port: number;
  /** How often its machine had lost power when this began. */
  readonly #powerLosses: number;
  readonly #stream: Stream;
  /** opening → open → (closing: this side has ended, the other side not yet) → closed. */
  #state: "opening" | "open" | "closing" | "closed";
  #opening: Opening | undefined;
  #twin: ConnectionEnd | undefined;
  /** Accepted by the machine for a process that never reads it. */
  #silent = false;
  #unread: Payload[] = [];
  #receive: ((payload: Payload) => void) | undefined;
  #closed: ((error: NetworkError | undefined) => void) | undefined;
  /** How it ended, until the process has been notified. */
  #ending: { readonly error: NetworkError | undefined } | undefined;
  readonly #readNext = (): void => {
    if (this.#receive === undefined || this.#unread.length === 0) return;
    this.#receive(this.#unread.shift() as Payload);
  };

  /** Called by machines. `opening`: given if the other side still has to grant it. */
  constructor(world: Kernel, counts: NetworkCounts, near: NearEnd, far: ConnectedMachine, farPort: number) {
    this.#world = world;
    this.#counts = counts;
    this.#machine = near.machine;
    this.#incarnation = near.incarnation;
    this.#port = near.port;
    this.#powerLosses = near.machine.powerLosses;
    this.#far = far;
    this.peer = { node: far.name, port: farPort };
    this.#stream = new Stream(world, near.machine.directionTo(far.name), this);
    this.#state = "open";
    near.machine.ends.add(this);
  }

  get open(): boolean {
    return this.#state === "open";
  }

  send(payload: Payload): void {
    if (!this.#mayAct()) return;
    const label = labelOf(payload);
    this.#counts.sent++;
    this.#trace(this.#state === "open" ? "send" : "drop (not open)", label);
    if (this.#state === "open") this.#stream.send("message", payload, label);
  }

  onMessage(receive: (payload: Payload) => void): void {
    if (!this.#mayAct()) return;
    this.#receive = receive;
    for (let left = this.#unread.length; left > 0; left--) this.#soon(this.#readNext);
  }

  onClose(closed: (error: NetworkError | undefined) => void): void {
    if (!this.#mayAct()) return;
    this.#closed = closed;
    if (this.#ending !== undefined) this.#soon(() => this.#tellEnding());
  }

  close(): void {
    if (!this.#mayAct() || this.#state !== "open") return;
    this.#state = "closing";
    this.#stream.send("end", "", "end");
  }

  reset(): void {
    if (!this.#mayAct() || this.#state === "closed") return;
    this.#unread = [];
    this.#gone();
    this.#stream.abandon(true);
  }

  /** Requests the connection from the other machine. */
  ask(opened: (connection: Connection) => void, failed: (error: NetworkError) => void): void {
    this.#state = "opening";
    const timeout = this.#world.at(this.#world.nowMs + CONNECT_TIMEOUT_MS, () => {
      this.#stream.stop();
      this.#fail("ETIMEDOUT");
    });
    this.#opening = { opened, failed, timeout };
    this.#trace("connect", `:${this.peer.port}`);
    this.#stream.send("open", "", "connect");
  }

  /** Grants the request of `asker`. `silent`: no process will ever read it. */
  grant(asker: ConnectionEnd, silent: boolean): void {
    this.#silent = silent;
    this.#twin = asker;
    asker.#twin = this;
    this.#stream.send("accept", "", "accept");
  }

  /** The machine and port that requested it. */
  get near(): { readonly machine: ConnectedMachine; readonly port: number } {
    return { machine: this.#machine, port: this.#port };
  }

  /** Its process has ended. If the machine lives, it notifies the other side. */
  crashed(machineLives: boolean): void {
    if (this.#state === "closed") return;
    this.#gone();
    this.#stream.abandon(machineLives);
  }

  arrived(segment: StreamSegment): boolean {
    if (!this.#far.powered) return false;
    if (segment.kind === "open") return this.#state === "closed" || this.#far.knock(this);
    if (this.#twin !== undefined && this.#twin.#state !== "closed") {
      this.#twin.#take(segment);
      return true;
    }
    if (segment.kind === "end" || segment.kind === "reset") return true;
    this.#trace("drop (connection gone)", segment.label);
    return this.#far.answerReset(this);
  }

  get unplugged(): boolean {
    return this.#machine.powerLosses !== this.#powerLosses;
  }

  gaveUp(): void {
    this.#fail("ETIMEDOUT");
  }

  /** The other machine answers that there is no such connection, or no listener. */
  refused(): void {
    if (this.#state === "closed") return;
    this.#stream.stop();
    this.#fail(this.#state === "opening" ? "ECONNREFUSED" : "ECONNRESET");
  }

  #take(segment: StreamSegment): void {
    if (segment.kind === "message") this.#takeMessage(segment);
    else if (segment.kind === "accept") this.#opened();
    else if (segment.kind === "reset") this.refused();
    else if (segment.kind === "end" && !this.#silent) this.#ended();
  }

  #takeMessage({ payload, label }: StreamSegment): void {
    const { node } = this.#machine;
    this.#world.trace.message(
      this.#world.nowMs,
      this.#silent ? "drop (silent door)" : "deliver",
      this.peer.node,
      node.name,
      label,
    );
    if (this.#silent) this.#counts.unread++;
    else {
      this.#counts.delivered++;
      this.#unread.push(payload);
      if (this.#receive !== undefined) node.dispatch(this.#incarnation, this.#readNext);
    }
  }

  #opened(): void {
    const opening = this.#opening;
    if (opening === undefined) return;
    this.#state = "open";
    this.#opening = undefined;
    opening.timeout[Symbol.dispose]();
    this.#trace("open", `:${this.peer.port}`);
    this.#machine.node.dispatch(this.#incarnation, () => opening.opened(this));
  }

  /** The other side has ended in order: so does this side, behind everything that it has sent. */
  #ended(): void {
    if (this.#state === "open") this.#stream.send("end", "", "end");
    this.#finish(undefined);
  }

  #fail(code: NetworkErrorCode): void {
    if (this.#state === "closed") return;
    const opening = this.#opening;
    this.#counts[code === "ECONNREFUSED" ? "refused" : code === "ETIMEDOUT" ? "timedOut" : "reset"]++;
    this.#world.trace.message(this.#world.nowMs, KINDS[code], this.peer.node, this.#machine.name, `:${this.peer.port}`);
    const error = new NetworkError(code, opening === undefined ? "read" : "connect", this.peer);
    this.#stream.abandon(false);
    if (opening === undefined) this.#finish(error);
    else {
      this.#gone();
      this.#machine.node.dispatch(this.#incarnation, () => opening.failed(error));
    }
  }

  #finish(error: NetworkError | undefined): void {
    this.#gone();
    this.#ending = { error };
    this.#machine.node.dispatch(this.#incarnation, () => this.#tellEnding());
  }

  #tellEnding(): void {
    const ending = this.#ending;
    if (ending === undefined || this.#closed === undefined) return;
    // Messages that arrived before the end are read before it.
    if (this.#unread.length > 0 && this.#receive !== undefined) return this.#soon(() => this.#tellEnding());
    this.#ending = undefined;
    this.#closed(ending.error);
  }

  #gone(): void {
    this.#state = "closed";
    this.#opening?.timeout[Symbol.dispose]();
    this.#opening = undefined;
    this.#machine.ends.delete(this);
  }

  /** Whether the caller is the process that has this connection, and is alive. */
  #mayAct(): boolean {
    return this.#machine.mayAct(this.#incarnation);
  }

  /** Runs `event` as an event of its own in the process, at this instant. */
  #soon(event: () => void): void {
    this.#world.at(this.#world.nowMs, () => this.#machine.node.dispatch(this.#incarnation, event));
  }

  #trace(kind: string, label: string): void {
    this.#world.trace.message(this.#world.nowMs, kind, this.#machine.name, this.peer.node, label);
  }
}

/** The place of an end. */
export interface NearEnd {
  readonly machine: ConnectedMachine;
  readonly incarnation: number;
  readonly port: number;
}

const KINDS: Readonly<Record<NetworkErrorCode, string>> = {
  ECONNREFUSED: "refused",
  ECONNRESET: "reset",
  ETIMEDOUT: "timeout",
  EADDRINUSE: "in use",
};
