/**
 * One direction between two machines. It decides the fate of each message by the conditions in
 * force when it is sent, and when it arrives. Every message takes the same number of draws from the
 * direction's own stream, whatever the conditions and whether it needs them. So a fault that is
 * imposed or removed changes no other message's draws. Without that rule, shrinking a failing run
 * to its causes would give noise.
 *
 * A cut is checked when a message leaves and again when it arrives: a message that is under way
 * when the line is cut is lost too. A hold is checked when it leaves. This file does not depend on
 * ports, processes and connections.
 */
import type { Random } from "../../core/random.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { CombinedConditions } from "./link.ts";
import { corrupted, labelOf, type Payload, weightBytes } from "./payload.ts";

/** The source or the destination of a message. */
export interface Address {
  /** Name of the node. */
  readonly node: string;
  /** 1 to 65,535; 0 for a sender that cannot be answered. */
  readonly port: number;
}

/** Counts of what happened to messages since the world began. */
export interface NetworkCounts {
  /** Datagrams and stream messages that processes have sent. */
  sent: number;
  /** Those that reached a process, duplicates included. */
  delivered: number;
  /** Datagrams lost by `lossRate`. */
  lost: number;
  /** Datagrams lost in a cut. */
  cut: number;
  /** Datagrams for which the queue had no room. */
  overflowed: number;
  /** Datagrams changed under way, and those dropped because the change was detected. */
  corrupted: number;
  duplicated: number;
  reordered: number;
  /** Messages to a machine without power, or to a port without a reader. */
  unread: number;
  /** Connections refused, reset and timed out. */
  refused: number;
  reset: number;
  timedOut: number;
}

/** A datagram under way. */
export interface Packet {
  readonly direction: Direction;
  readonly from: Address;
  readonly to: Address;
  readonly payload: Payload;
  readonly label: string;
}

/** A segment that a stream sends again until it arrives. */
export interface Segment {
  /** When its first try reaches the other end. */
  dueMs: number;
  /** Drawn once, in [0, 1). */
  luck: number;
  /** Chance that all tries so far were lost; 1 at first. */
  odds: number;
  /** Its first try was sent into a cut. */
  missed: boolean;
}

/**
 * The distance of two events that keeps their order, even in a world that draws the order of events
 * of one instant.
 */
const NANOSECOND_MS = 1e-6;
/** A held direction keeps this many datagrams; the rest is lost. */
const MOST_HELD = 100_000;

export class Direction {
  readonly from: string;
  readonly to: string;
  readonly random: Random;
  readonly #world: Kernel;
  readonly #counts: NetworkCounts;
  readonly #arrive: (packet: Packet) => void;
  #conditions: CombinedConditions;
  #held: ((atMs: number) => void)[] = [];
  /** When the last byte that was sent will have left. */
  #busyUntilMs = Number.NEGATIVE_INFINITY;
  /** Nothing arrives before this instant: the arrival of the last clogged or held message. */
  #notBeforeMs = Number.NEGATIVE_INFINITY;
  readonly #luck = { loss: 0, delay: 0, corruption: 0, place: 0, reorder: 0, lateness: 0, duplicate: 0, echo: 0 };

  constructor(
    world: Kernel,
    ends: { readonly from: string; readonly to: string },
    random: Random,
    conditions: CombinedConditions,
    counts: NetworkCounts,
    arrive: (packet: Packet) => void,
  ) {
    this.#world = world;
    this.from = ends.from;
    this.to = ends.to;
    this.random = random;
    this.#conditions = conditions;
    this.#counts = counts;
    this.#arrive = arrive;
  }

  /** Whether nothing gets through at this instant. */
  get cut(): boolean {
    return this.#conditions.cut;
  }

  /** Whether messages sent at this instant are held. */
  get held(): boolean {
    return this.#conditions.held;
  }

  /**
   * Sets other conditions from now on. Messages that were held and no longer are arrive now, in
   * order.
   */
  change(conditions: CombinedConditions): void {
    const released = this.#conditions.held && !conditions.held;
    this.#conditions = conditions;
    if (!released) return;
    const held = this.#held;
    this.#held = [];
    for (const launch of held) launch(this.#inOrder(this.#world.nowMs));
  }

  /** Sends a datagram: it arrives once, twice, late, changed or never. */
  sendDatagram(from: Address, to: Address, payload: Payload, label: string): void {
    this.#draw();
    const { loss, corruption, place, reorder, lateness, duplicate, echo } = this.#luck;
    const conditions = this.#conditions;
    if (conditions.cut) return this.#drop(label, "cut", "drop (cut)");
    if (loss < conditions.lossRate) return this.#drop(label, "lost", "drop (lost)");
    let packet: Packet = { direction: this, from, to, payload, label };
    if (corruption < conditions.corruptRate) {
      const changed = corrupted(payload, place);
      if (changed === undefined) return this.#drop(label, "corrupted", "drop (checksum)");
      this.#counts.corrupted++;
      this.#world.trace.message(this.#world.nowMs, "changed", this.from, this.to, label);
      packet = { ...packet, payload: changed, label: labelOf(changed) };
    }
    const sentMs = this.#pastTheQueueMs(weightBytes(payload, label));
    if (sentMs === undefined) return this.#drop(label, "overflowed", "drop (queue full)");
    let arrivesMs = this.#arrivesMs(sentMs);
    if (reorder < conditions.reorderRate && conditions.clogMs === 0) {
      this.#counts.reordered++;
      arrivesMs += lateness * conditions.reorderMs;
    }
    this.#launch(arrivesMs, packet);
    if (duplicate < conditions.duplicateRate) {
      this.#counts.duplicated++;
      this.#world.trace.message(this.#world.nowMs, "duplicate", this.from, this.to, label);
      this.#launch(arrivesMs + echo * conditions.reorderMs, packet);
    }
  }

  /**
   * Sends a stream's segment: sets when it is due at the other end, and its luck. If the queue is
   * full, it waits.
   */
  sendSegment(segment: Segment, bytes: number): void {
    this.#draw();
    segment.luck = this.#luck.loss;
    segment.missed = this.#conditions.cut;
    segment.dueMs = this.#arrivesMs(this.#pastTheQueueMs(bytes, Number.POSITIVE_INFINITY) as number);
  }

  /**
   * Whether this try of `segment` is lost. One number decides about all tries: below p the first is
   * lost, below p² the second too.
   */
  loses(segment: Segment): boolean {
    const { cut, lossRate, corruptRate } = this.#conditions;
    const missed = segment.missed;
    segment.missed = false;
    if (cut || missed) return true;
    segment.odds *= 1 - (1 - lossRate) * (1 - corruptRate);
    return segment.luck < segment.odds;
  }

  /**
   * Sends an answer of which no copy is kept, and runs `arrive` when it has arrived; returns false
   * if it is lost.
   */
  sendAnswer(arrive: () => void): boolean {
    this.#draw();
    const { cut, lossRate, corruptRate } = this.#conditions;
    if (cut || this.#luck.loss < lossRate || this.#luck.corruption < corruptRate) return false;
    if (this.held) this.keep((atMs) => this.#world.at(atMs, arrive));
    else this.#world.at(this.#arrivesMs(this.#world.nowMs), arrive);
    return true;
  }

  /**
   * Keeps something until its release; then calls `launch` with the time of its arrival. Only while
   * held.
   */
  keep(launch: (atMs: number) => void): void {
    this.#held.push(launch);
  }

  /** `label`, sent this way, ends here; `kind` says why. */
  #drop(label: string, count: "lost" | "cut" | "overflowed" | "corrupted", kind: string): void {
    this.#counts[count]++;
    this.#world.trace.message(this.#world.nowMs, kind, this.from, this.to, label);
  }

  #launch(arrivesMs: number, packet: Packet): void {
    if (!this.#conditions.held) this.#world.at(arrivesMs, arriveUncut, packet);
    else if (this.#held.length >= MOST_HELD) this.#drop(packet.label, "overflowed", "drop (too many held)");
    else this.keep((atMs) => this.#world.at(atMs, arriveUncut, packet));
  }

  /** Called when `packet` has reached the end of the line. */
  arrived(packet: Packet): void {
    if (this.#conditions.cut) this.#drop(packet.label, "cut", "drop (cut)");
    else this.#arrive(packet);
  }

  /**
   * When the last of `bytes` has left, behind those before them; undefined if more than `mostBytes`
   * wait.
   */
  #pastTheQueueMs(bytes: number, mostBytes: number = this.#conditions.queueBytes): number | undefined {
    const nowMs = this.#world.nowMs;
    const { bytesPerSecond } = this.#conditions;
    if (bytesPerSecond === Number.POSITIVE_INFINITY) return nowMs;
    const waitingMs = Math.max(0, this.#busyUntilMs - nowMs);
    if ((waitingMs / 1000) * bytesPerSecond + bytes > mostBytes) return undefined;
    this.#busyUntilMs = nowMs + waitingMs + (bytes / bytesPerSecond) * 1000;
    return this.#busyUntilMs;
  }

  #arrivesMs(sentMs: number): number {
    const { delays, clogMs } = this.#conditions;
    let atMs = sentMs + clogMs;
    for (let layer = 0; layer < delays.length; layer++) {
      atMs += (delays[layer] as (typeof delays)[number])(this.#luck.delay, this.#world.nowMs);
    }
    return clogMs > 0 ? this.#inOrder(atMs) : Math.max(atMs, this.#notBeforeMs);
  }

  /** `atMs`, or as soon as the messages before it have arrived. */
  #inOrder(atMs: number): number {
    this.#notBeforeMs = Math.max(atMs, this.#notBeforeMs + NANOSECOND_MS);
    return this.#notBeforeMs;
  }

  /** Eight numbers for each message, needed or not. Overlapping faults of one kind share theirs. */
  #draw(): void {
    const random = this.random;
    const luck = this.#luck;
    luck.loss = random.next();
    luck.delay = random.next();
    luck.corruption = random.next();
    luck.place = random.next();
    luck.reorder = random.next();
    luck.lateness = random.next();
    luck.duplicate = random.next();
    luck.echo = random.next();
  }
}

function arriveUncut(packet: Packet): void {
  packet.direction.arrived(packet);
}
