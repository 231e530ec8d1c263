/**
 * One direction of a connection: the segments that were sent and have not arrived. They arrive in
 * order and once, as with TCP; loss and damage appear as delay. A segment that is not received
 * (lost, a cut line, a machine without power) is tried again after 200 ms, then after twice as long
 * each time, and everything behind it waits. After a minute the sender gives up.
 *
 * It is simpler than TCP. Acknowledgements cost nothing and are never lost, so that a cut in the
 * other direction does not affect this one. There is no window, so a sender never has to wait.
 */

import type { Kernel } from "../kernel/kernel.ts";
import type { Direction, Segment } from "./direction.ts";
import { type Payload, weightBytes } from "./payload.ts";

/** `open` requests a connection, `accept` grants it, `end` closes it in order, `reset` at once. */
export type SegmentKind = "open" | "accept" | "message" | "end" | "reset";

export interface StreamSegment extends Segment {
  readonly kind: SegmentKind;
  readonly payload: Payload;
  readonly label: string;
  /** The segment that was sent next, if it has not arrived either. */
  behind: StreamSegment | undefined;
}

/** The end that sends on a stream. */
export interface Sender {
  /** `segment` has reached the other machine; false if that machine does not answer. */
  arrived(segment: StreamSegment): boolean;
  /** Whether its machine has lost power since, so that no further try is possible. */
  readonly unplugged: boolean;
  /** A segment was tried for a minute. */
  gaveUp(): void;
}

/**
 * The first wait before a second try: Linux's lower bound. A connection that is being opened has no
 * round trip yet, and takes a second.
 */
const FIRST_WAIT_MS = 200;
const FIRST_WAIT_TO_OPEN_MS = 1_000;
/**
 * A sender gives up after this long. Linux takes a quarter of an hour; a minute shows the same
 * sooner. An opening connection waits longer (`connection.ts`).
 */
const GIVE_UP_MS = 60_000;

export class Stream {
  readonly #world: Kernel;
  readonly #direction: Direction;
  readonly #sender: Sender;
  /** The segments that have not arrived: a chain, because mostly there is one or none. */
  #first: StreamSegment | undefined;
  #last: StreamSegment | undefined;
  #timer: Disposable | undefined;
  /** The last arrival: nothing sent later is due before. */
  #lastDueMs = Number.NEGATIVE_INFINITY;
  /** How long the first segment has waited for a further try, and waits for the next. */
  #triedForMs = 0;
  #waitMs = 0;
  /** Its sender has ended: a segment under way arrives or does not, and nothing is tried again. */
  #abandoned = false;

  constructor(world: Kernel, direction: Direction, sender: Sender) {
    this.#world = world;
    this.#direction = direction;
    this.#sender = sender;
  }

  /** Sends a segment behind all others. */
  send(kind: SegmentKind, payload: Payload, label: string): void {
    const segment = { kind, payload, label, dueMs: 0, luck: 0, odds: 1, missed: false, behind: undefined };
    this.#direction.sendSegment(segment, weightBytes(payload, label));
    this.#append(segment);
    if (this.#direction.held) this.#keep(segment);
    else this.#dueAt(segment, segment.dueMs);
  }

  /**
   * Its sender has ended: segments that are stuck are lost, and a segment under way has one try.
   * `tell`: a reset follows it.
   */
  abandon(tell: boolean): void {
    this.#abandoned = true;
    if (this.#triedForMs > 0) this.stop();
    if (tell) this.send("reset", "", "reset");
  }

  /** Forgets all segments that have not arrived. */
  stop(): void {
    for (let segment = this.#first; segment !== undefined; segment = segment.behind) {
      if (segment.kind === "message")
        this.#world.trace.message(
          this.#world.nowMs,
          "drop (stream ended)",
          this.#direction.from,
          this.#direction.to,
          segment.label,
        );
    }
    this.#first = this.#last = undefined;
    this.#triedForMs = 0;
    this.#timer?.[Symbol.dispose]();
  }

  /** The first segment may have reached the other end. Called by the world. */
  tryFirst(): void {
    const segment = this.#first;
    if (segment === undefined) return;
    if (this.#triedForMs > 0 && this.#sender.unplugged) return this.#loseFirst(segment);
    if (this.#direction.loses(segment) || !this.#sender.arrived(segment)) return this.#tryAgain(segment);
    // The receiver may have ended this stream meanwhile.
    if (this.#first !== segment) return;
    this.#first = segment.behind;
    // Segments sent into the same cut are sent again at once, behind the first that got through.
    if (this.#triedForMs > 0) for (let one = this.#first; one !== undefined; one = one.behind) one.missed = false;
    this.#triedForMs = 0;
    this.#arm();
  }

  #tryAgain(segment: StreamSegment): void {
    if (this.#abandoned) return this.#loseFirst(segment);
    const opening = segment.kind === "open";
    const firstWaitMs = opening ? FIRST_WAIT_TO_OPEN_MS : FIRST_WAIT_MS;
    const leftMs = opening ? Number.POSITIVE_INFINITY : GIVE_UP_MS - this.#triedForMs;
    if (leftMs <= 0) {
      this.stop();
      return this.#sender.gaveUp();
    }
    this.#waitMs = Math.min(this.#triedForMs === 0 ? firstWaitMs : this.#waitMs * 2, leftMs);
    this.#triedForMs += this.#waitMs;
    this.#armAt(this.#world.nowMs + this.#waitMs);
  }

  /**
   * No sender is left to send it again, so nothing behind it can be read either; only a reset needs
   * no order.
   */
  #loseFirst(segment: StreamSegment): void {
    const last = this.#last;
    this.stop();
    if (last === undefined || last === segment || last.kind !== "reset") return;
    this.#append(last);
    this.#arm();
  }

  #append(segment: StreamSegment): void {
    if (this.#first === undefined || this.#last === undefined) this.#first = segment;
    else this.#last.behind = segment;
    this.#last = segment;
  }

  /** A held segment is due when it is released. */
  #keep(segment: StreamSegment): void {
    const { dueMs } = segment;
    segment.dueMs = Number.POSITIVE_INFINITY;
    this.#direction.keep(() => this.#dueAt(segment, dueMs));
  }

  #dueAt(segment: StreamSegment, atMs: number): void {
    segment.dueMs = this.#lastDueMs = Math.max(atMs, this.#lastDueMs);
    if (this.#first === segment) this.#arm();
  }

  #arm(): void {
    const dueMs = this.#first?.dueMs ?? Number.POSITIVE_INFINITY;
    if (dueMs < Number.POSITIVE_INFINITY) this.#armAt(dueMs);
  }

  #armAt(atMs: number): void {
    this.#timer = this.#world.at(atMs, tryFirst, this);
  }
}

function tryFirst(stream: Stream): void {
  stream.tryFirst();
}
