/**
 * Bytes that this process holds in memory for others, under one bound: request bodies kept for
 * replay, replies that are read whole, streams, backlogs of events. A limit on the number of
 * commands would not bound memory, because one command may be a thousand times as large as another.
 * An amount that does not fit is refused before it is read. An amount that is already in memory (a
 * station's answer to an executed command) is counted, and later amounts are refused instead. This
 * module counts the amounts reported to it; it measures nothing.
 */
import { FairShare, type ShareRefusal } from "./fair-share.ts";

/**
 * What the bytes are: request bodies, station replies, events for their readers, recorded
 * heartbeats, answers of the control listener.
 */
export type HeldKind = "requests" | "replies" | "events" | "recordings" | "control";

/**
 * Why an amount is refused: it is more than one caller may ever hold, too little is free, or this
 * caller already has its share.
 */
export type RoomRefusal = "too-large" | ShareRefusal;

/** How much is held in total, and how much of it for one caller. */
export interface RoomFigures {
  readonly caller: string;
  readonly callerBytes: number;
  readonly heldBytes: number;
  readonly maxBytes: number;
}

/** Bytes held by kind, and refusals by reason, since the start. */
export interface HeldMemoryStatus {
  readonly heldBytes: number;
  readonly maxBytes: number;
  readonly held: Readonly<Record<HeldKind, number>>;
  readonly refused: Readonly<Record<RoomRefusal, number>>;
  /** The caller that holds most; undefined while no caller holds anything. */
  readonly largest: { readonly caller: string; readonly heldBytes: number } | undefined;
}

export interface HeldMemoryOptions {
  /** Most bytes held at once. Default: no bound. */
  readonly maxBytes?: number;
  /**
   * The part of `maxBytes` that one caller may hold while no other caller holds anything. Default
   * 0.75.
   */
  readonly callerRatio?: number;
}

export class HeldMemory {
  readonly #share: FairShare;
  readonly #held: Record<HeldKind, number> = { requests: 0, replies: 0, events: 0, recordings: 0, control: 0 };
  readonly #refused: Record<RoomRefusal, number> = { "too-large": 0, total: 0, caller: 0 };

  constructor({ maxBytes = Number.POSITIVE_INFINITY, callerRatio = 0.75 }: HeldMemoryOptions = {}) {
    this.#share = new FairShare({ max: maxBytes, callerRatio });
  }

  get status(): HeldMemoryStatus {
    const { held, max, largest } = this.#share;
    return {
      heldBytes: held,
      maxBytes: max,
      held: { ...this.#held },
      refused: { ...this.#refused },
      largest: largest && { caller: largest[0], heldBytes: largest[1] },
    };
  }

  /** Other bounds from now on. What is held above them stays until it is given back. */
  use({ maxBytes, callerRatio }: { readonly maxBytes: number; readonly callerRatio: number }): void {
    this.#share.use({ max: maxBytes, callerRatio });
  }

  /** An account for `caller`, empty at first. */
  roomFor(caller: string): MemoryRoom {
    return new MemoryRoom(this, this.#share, caller);
  }

  /** @internal */
  note(kind: HeldKind, bytes: number): void {
    this.#held[kind] += bytes;
  }

  /** @internal */
  noteRefused(refusal: RoomRefusal): void {
    this.#refused[refusal]++;
  }
}

/**
 * Account of one command, one reader, or one answer. It is released once; amounts reported later
 * are no longer counted.
 */
export class MemoryRoom {
  readonly caller: string;
  readonly #memory: HeldMemory;
  readonly #share: FairShare;
  readonly #held: Map<HeldKind, number> = new Map();
  #bytes = 0;
  #isReleased = false;

  constructor(memory: HeldMemory, share: FairShare, caller: string) {
    this.#memory = memory;
    this.#share = share;
    this.caller = caller;
  }

  /** For the error message when there is no room. */
  get figures(): RoomFigures {
    const { held: heldBytes, max: maxBytes } = this.#share;
    return { caller: this.caller, callerBytes: this.#share.heldBy(this.caller), heldBytes, maxBytes };
  }

  /** True if no further byte would be given. */
  get isFull(): boolean {
    return !this.#isReleased && this.#share.refusalOf(this.caller, 1) !== undefined;
  }

  /** Takes all of `bytes`, or none and returns why. */
  take(kind: HeldKind, bytes: number): RoomRefusal | undefined {
    if (this.#isReleased) return undefined;
    const { max, callerRatio } = this.#share;
    // More than this caller may hold even alone: it is no use trying again.
    const isTooLarge = this.#bytes + bytes > max * callerRatio;
    const refusal = isTooLarge ? "too-large" : this.#share.take(this.caller, bytes);
    if (refusal === undefined) this.#add(kind, bytes);
    else this.#memory.noteRefused(refusal);
    return refusal;
  }

  /** Counts bytes that are already in memory and cannot be refused. */
  takeAnyway(kind: HeldKind, bytes: number): void {
    if (this.#isReleased) return;
    this.#share.takeAnyway(this.caller, bytes);
    this.#add(kind, bytes);
  }

  giveBack(kind: HeldKind, bytes: number): void {
    if (this.#isReleased) return;
    this.#share.giveBack(this.caller, bytes);
    this.#add(kind, -bytes);
  }

  /** Gives everything back, once. */
  release(): void {
    if (this.#isReleased) return;
    for (const [kind, bytes] of this.#held) this.giveBack(kind, bytes);
    this.#isReleased = true;
  }

  #add(kind: HeldKind, bytes: number): void {
    this.#bytes += bytes;
    this.#held.set(kind, (this.#held.get(kind) ?? 0) + bytes);
    this.#memory.note(kind, bytes);
  }
}
