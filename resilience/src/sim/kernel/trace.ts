/**
 * Records what happened in a run, in two forms: a running hash of everything, which costs a few
 * nanoseconds and says whether two runs were the same to the bit; and the newest records, for a
 * human to read. Text is built only on request (`trace-text.ts`, `sequence-diagram.ts`), because a
 * hundred thousand runs are green and nobody reads those.
 *
 * The hash is two lanes of 32 bits, mixed as in MurmurHash3 (Austin Appleby, public domain) with
 * different constants, in integer operations only: every engine computes the same. It distinguishes
 * runs; it is not cryptographic.
 */
import { checked } from "../../core/options.ts";

/** One recorded event of a world. */
export interface TraceRecord {
  /** The event of the world during which it happened, counted from 1; 0 before the first. */
  readonly step: number;
  /** True time, in milliseconds. */
  readonly atMs: number;
  readonly kind: string;
  /** The node of the event; the sender of a message. */
  readonly node: string;
  /** The receiver, if this is a message. */
  readonly peer?: string;
  readonly detail: string;
}

/** The record of a world: its newest events, and a digest of all of them. */
export class Trace {
  readonly #keep: number;
  /** Once it is full, a ring: `#oldest` is overwritten next. */
  readonly #ring: Slot[] = [];
  #oldest = 0;
  #recorded = 0;
  #steps = 0;
  #atMs = 0;
  #first = 0x2545f491;
  #second = 0x61c88647;
  readonly #names: Map<string, number> = new Map();

  /**
   * `keep`: how many of the newest records are kept, a whole number from 0; Infinity keeps all. The
   * hash always covers all.
   */
  constructor(options: { readonly keep: number }) {
    const keep = checked("Trace", "keep", options.keep, { min: 0, max: Number.POSITIVE_INFINITY });
    this.#keep = keep === Number.POSITIVE_INFINITY ? keep : checked("Trace", "keep", keep, WHOLE);
  }

  /** An event of the world begins at `atMs`. */
  step(atMs: number): void {
    this.#steps++;
    this.#mixTime(atMs);
    this.#mix(STEP, this.#steps);
  }

  /**
   * Something happened at `node`. `kind` is one of a few words; `detail` holds the part that
   * differs each time.
   */
  note(atMs: number, node: string, kind: string, detail: string): void {
    if (atMs !== this.#atMs) this.#mixTime(atMs);
    this.#mix(this.#nameHash(node), this.#nameHash(kind));
    this.#mix(textHash(detail), NOTE);
    this.#record(atMs, kind, node, undefined, detail);
  }

  /**
   * Something happened to a message from `from` to `to`. `sequence-diagram.ts` lists the kinds that
   * diagrams know.
   */
  message(atMs: number, kind: string, from: string, to: string, label: string): void {
    if (atMs !== this.#atMs) this.#mixTime(atMs);
    this.#mix(this.#nameHash(from), this.#nameHash(to));
    this.#mix(textHash(label), this.#nameHash(kind) ^ MESSAGE);
    this.#record(atMs, kind, from, to, label);
  }

  /** The hash of everything so far: 16 hexadecimal digits. Reading it changes nothing. */
  get hash(): string {
    const first = finished(this.#first);
    const second = finished(this.#second ^ first);
    return hex(finished(first ^ second)) + hex(second);
  }

  /** Events so far. */
  get steps(): number {
    return this.#steps;
  }

  /**
   * The newest records, at most `keep`, oldest first. They are copies and do not change while the
   * run goes on.
   */
  get records(): TraceRecord[] {
    const inOrder = [...this.#ring.slice(this.#oldest), ...this.#ring.slice(0, this.#oldest)];
    return inOrder.map(({ peer, ...record }) => (peer === undefined ? record : { ...record, peer }));
  }

  /** How many older records have been dropped. */
  get dropped(): number {
    return this.#recorded - this.#ring.length;
  }

  #record(atMs: number, kind: string, node: string, peer: string | undefined, detail: string): void {
    this.#recorded++;
    if (this.#ring.length < this.#keep) {
      this.#ring.push({ step: this.#steps, atMs, kind, node, peer, detail });
      return;
    }
    const record = this.#ring[this.#oldest];
    if (record === undefined) return;
    if (++this.#oldest === this.#keep) this.#oldest = 0;
    record.step = this.#steps;
    record.atMs = atMs;
    record.kind = kind;
    record.node = node;
    record.peer = peer;
    record.detail = detail;
  }

  /** Each lane takes one word. */
  #mix(first: number, second: number): void {
    let word = Math.imul(first, 0xcc9e2d51);
    word = Math.imul((word << 15) | (word >>> 17), 0x1b873593) ^ this.#first;
    this.#first = (Math.imul((word << 13) | (word >>> 19), 5) + 0xe6546b64) | 0;
    word = Math.imul(second, 0x239b961b);
    word = Math.imul((word << 16) | (word >>> 16), 0xab0e9789) ^ this.#second;
    this.#second = (Math.imul((word << 11) | (word >>> 21), 5) + 0x561ccd1b) | 0;
  }

  #mixTime(atMs: number): void {
    this.#atMs = atMs;
    float[0] = atMs;
    this.#mix(floatBits[LOW] as number, floatBits[HIGH] as number);
  }

  /** The hashes of the words for nodes and kinds are cached, because they repeat. */
  #nameHash(name: string): number {
    let hash = this.#names.get(name);
    if (hash === undefined) {
      hash = textHash(name);
      if (this.#names.size < MOST_NAMES) this.#names.set(name, hash);
    }
    return hash;
  }
}

/** A record in the ring, overwritten in its turn. */
interface Slot {
  step: number;
  atMs: number;
  kind: string;
  node: string;
  peer: string | undefined;
  detail: string;
}

/** FNV-1a over UTF-16 code units. */
function textHash(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return hash;
}

/** MurmurHash3's finaliser: each bit of the input moves half of the bits of the output. */
function finished(lane: number): number {
  let word = Math.imul(lane ^ (lane >>> 16), 0x85ebca6b);
  word = Math.imul(word ^ (word >>> 13), 0xc2b2ae35);
  return word ^ (word >>> 16);
}

function hex(lane: number): string {
  return (lane >>> 0).toString(16).padStart(8, "0");
}

const WHOLE = { min: 0, max: Number.MAX_SAFE_INTEGER, integer: true };
/** Constants that distinguish a step, a note and a message with the same words. */
const STEP = 0x5b1ce0a1;
const NOTE = 0x3c6ef372;
const MESSAGE = 0x1f83d9ab;
/**
 * If there are more different names than this, they are no longer cached: the caller puts variable
 * data into names.
 */
const MOST_NAMES = 10_000;
/**
 * A float and its bits. The order of its halves in memory depends on the machine, and must not
 * affect the hash.
 */
const float = new Float64Array(1);
const floatBits = new Uint32Array(float.buffer);
const LOW = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1 ? 0 : 1;
const HIGH = 1 - LOW;
