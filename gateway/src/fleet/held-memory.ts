/**
 * What this process holds in memory for others, in bytes, under one bound: request bodies kept for
 * replay, replies that are read whole, streams, backlogs of events. A count of commands bounds no
 * memory, because one command may be a thousand times another. What does not fit is refused before
 * it is read; what is there already (a station's answer to a command that was executed) is counted,
 * and the next ones are refused. It counts what it is told of, and measures nothing.
 */
import { FairShare, type ShareRefusal } from "./fair-share.ts";

/**
 * What is held: bodies of requests, replies of stations, events for their readers, recorded
 * heartbeats, answers of the control listener.
 */
export type HeldKind = "requests" | "replies" | "events" | "recordings" | "control";

/**
 * Why something is not held: it is more than one caller may ever hold, too little is free, or this
 * caller has its share.
 */
export type RoomRefusal = "too-large" | ShareRefusal;

/** How much is held, and how much of it for one caller. */
export interface RoomFigures {
  readonly caller: string;
  readonly callerBytes: number;
  readonly heldBytes: number;
  readonly maxBytes: number;
}

/** How much each kind holds, refusals by why, since the start. */
export interface HeldMemoryStatus {
  readonly heldBytes: number;
  readonly maxBytes: number;
  readonly held: Readonly<Record<HeldKind, number>>;
  readonly refused: Readonly<Record<RoomRefusal, number>>;
  /** The caller that holds most; undefined while nobody holds anything. */
  readonly largest: { readonly caller: string; readonly heldBytes: number } | undefined;
}

export interface HeldMemoryOptions {
  /** Most bytes held at once. Default: no bound. */
  readonly maxBytes?: number;
  /** The part of it that one caller may hold while nobody else holds anything. Default 0.75. */
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

  /** Room for what is held for `caller`, empty at first. */
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
 * What is held for one command, one reader, or one answer. Released once; what it is told later is
 * not counted any more.
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

  /** For whoever is told that there is no room. */
  get figures(): RoomFigures {
    const { held: heldBytes, max: maxBytes } = this.#share;
    return { caller: this.caller, callerBytes: this.#share.heldBy(this.caller), heldBytes, maxBytes };
  }

  /** Nothing more would be given. */
  get isFull(): boolean {
    return !this.#isReleased && this.#share.refusalOf(this.caller, 1) !== undefined;
  }

  /** Takes `bytes` more, all of them; or none, and says why. */
  take(kind: HeldKind, bytes: number): RoomRefusal | undefined {
    if (this.#isReleased) return undefined;
    const { max, callerRatio } = this.#share;
    // Alone it would be refused, too: there is no use in trying again.
    const isTooLarge = this.#bytes + bytes > max * callerRatio;
    const refusal = isTooLarge ? "too-large" : this.#share.take(this.caller, bytes);
    if (refusal === undefined) this.#add(kind, bytes);
    else this.#memory.noteRefused(refusal);
    return refusal;
  }

  /** Counts what is there already, and cannot be refused. */
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
