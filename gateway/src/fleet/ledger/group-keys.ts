/**
 * The idempotency keys that a group knows: those in use (a request with the key is on its way) and
 * those answered, with the place of the answer in the store. A pure machine: it is told the
 * calendar time and returns what to do with a request. Keys are digests; nothing here can be turned
 * back into a key or into a caller's credentials.
 *
 * Answered keys are bounded in number and in bytes of their answers; where a new one does not fit,
 * the oldest are forgotten. One entry takes about 110 bytes of memory, a million of them 110 MB.
 * Source of the rules: the IETF draft Idempotency-Key (draft-ietf-httpapi-idempotency-key-header).
 */
import { bytesAt, expiryOf, type PlacedKey } from "./place.ts";

/** What a request is, apart from its key; see `request-identity.ts`. */
export interface RequestIdentity {
  /** Digest of the key, and of the caller that it belongs to. */
  readonly key: string;
  /** Digest of everything that makes it this request and no other. */
  readonly fingerprint: string;
}

/** A request with the key is on its way, and what it asks for. */
export interface KeyUse {
  readonly fingerprint: string;
}

/** What a request with a key finds. */
export type Arrival<Use extends KeyUse> =
  /** Nothing is known of the key. */
  | { readonly type: "new" }
  /** The same request is on its way. */
  | { readonly type: "in-use"; readonly use: Use }
  /** The key was answered; its answer is at `place`, and says for which request. */
  | { readonly type: "answered"; readonly place: string }
  /** The key is on its way with another request. */
  | { readonly type: "other-request" };

/** How much is kept, and for how long. */
export interface KeyBounds {
  readonly retentionMs: number;
  readonly maxKeys: number;
  /** Most bytes of all answers in the store. */
  readonly maxBytes: number;
}

/** What a key takes in the store besides its answer: its own records, and the store's overhead. */
export const KEY_BYTES = 160;

/** Most keys that are forgotten together with one new answer, to keep commits small. */
const MAX_FORGOTTEN = 256;

export class GroupKeys<Use extends KeyUse> {
  #bounds: KeyBounds;
  readonly #inUse: Map<string, Use> = new Map();
  /** Places by key, those that were answered first come first. */
  readonly #answered: Map<string, string> = new Map();
  #bytes = 0;
  #forgottenEarly = 0;

  constructor(bounds: KeyBounds) {
    this.#bounds = bounds;
  }

  /** Other bounds from now on; keys above them are forgotten as new ones come. */
  useBounds(bounds: KeyBounds): void {
    this.#bounds = bounds;
  }

  /** Keys that were answered, expired ones included until they are noticed. */
  get count(): number {
    return this.#answered.size;
  }

  get inUse(): number {
    return this.#inUse.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Keys forgotten before their time, because there was no room for newer ones. */
  get forgottenEarly(): number {
    return this.#forgottenEarly;
  }

  /** What the request finds at `wallMs`. */
  arrive({ key, fingerprint }: RequestIdentity, wallMs: number): Arrival<Use> {
    const use = this.#inUse.get(key);
    if (use !== undefined) return use.fingerprint === fingerprint ? { type: "in-use", use } : { type: "other-request" };
    const place = this.#answered.get(key);
    if (place === undefined || expiryOf(place) <= wallMs) return { type: "new" };
    return { type: "answered", place };
  }

  /** The request that found the key new is on its way. */
  begin(key: string, use: Use): void {
    this.#inUse.set(key, use);
  }

  /** The use of the key is over. */
  end(key: string): void {
    this.#inUse.delete(key);
  }

  /**
   * Makes room for an answer of `bytes`: the answers whose records have to be removed, or undefined
   * if it can never fit. Expired ones go first.
   */
  makeRoom(bytes: number, wallMs: number): readonly PlacedKey[] | undefined {
    const { maxKeys, maxBytes } = this.#bounds;
    if (maxKeys < 1 || bytes + KEY_BYTES > maxBytes) return undefined;
    const forgotten: PlacedKey[] = [];
    for (const [key, place] of this.#answered) {
      const isExpired = expiryOf(place) <= wallMs;
      const fits = this.#answered.size < maxKeys && this.#bytes + bytes + KEY_BYTES <= maxBytes;
      if ((fits && !isExpired) || forgotten.length >= MAX_FORGOTTEN) break;
      this.forget(key, place);
      forgotten.push({ key, place });
      if (!isExpired) this.#forgottenEarly++;
    }
    return forgotten;
  }

  /** When an answer given at `wallMs` expires. */
  expiresMs(wallMs: number): number {
    return wallMs + this.#bounds.retentionMs;
  }

  /** The answer to the key is durable at `place`. */
  noteAnswered(key: string, place: string): void {
    const before = this.#answered.get(key);
    if (before !== undefined) this.forget(key, before);
    this.#answered.set(key, place);
    this.#bytes += bytesAt(place) + KEY_BYTES;
  }

  /** Forgets the key if its answer is still the one at `place`. */
  forget(key: string, place: string): void {
    if (this.#answered.get(key) !== place) return;
    this.#answered.delete(key);
    this.#bytes -= bytesAt(place) + KEY_BYTES;
  }

  /** Whether the key's answer is the one at `place`. */
  has(key: string, place: string): boolean {
    return this.#answered.get(key) === place;
  }
}
