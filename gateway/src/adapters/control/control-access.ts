/**
 * Who may ask the control listener, and for what. There are named tokens that may operate, and
 * others that may only read. Every token is compared in constant time with all that are valid, as
 * digests, so that the time taken reveals neither content nor length. An address that presents
 * wrong tokens is refused without a comparison once it has used up its failures (a token bucket);
 * other addresses are not affected, and the probes `/healthz` and `/readyz` need no token. Without
 * any token, only this machine has access (see `control-api.ts`).
 */
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { Clock } from "ground-station-failover";

/** What the bearer of a token may do. Whoever may operate may also read. */
export const TOKEN_POWERS = ["read", "operate"] as const;
export type TokenPower = (typeof TOKEN_POWERS)[number];

export interface ControlToken {
  /** For the audit trail; never secret. */
  readonly name: string;
  readonly may: TokenPower;
  /** The secret. Never logged. */
  readonly value: string;
}

export type Access =
  | { readonly type: "granted"; readonly token: string | undefined; readonly may: TokenPower }
  /** No token was presented, or a wrong one. `isTold`: this should be logged now. */
  | { readonly type: "unknown"; readonly wrong: number; readonly isTold: boolean }
  | { readonly type: "too-many"; readonly retryAfterMs: number };

/** Wrong tokens that an address may present at once; then one more in each `REFILL_MS`. */
const MAX_FAILURES = 10;
const REFILL_MS = 3_000;
/**
 * Addresses whose failures are counted. With more, the one whose last failure is oldest is
 * forgotten: an attacker with so many addresses needs no more failures at one of them.
 */
const MAX_ADDRESSES = 4_096;
const TELL_AGAIN_MS = 10_000;

interface Failures {
  /**
   * The instant at which all failures of the address are forgiven (a bucket kept as one number).
   */
  forgivenMs: number;
  wrong: number;
  toldMs: number;
}

interface Known {
  readonly name: string;
  readonly may: TokenPower;
  readonly digest: Buffer;
}

export class ControlAccess {
  readonly #clock: Clock;
  readonly #key: Buffer = randomBytes(32);
  /** The one whose last failure is oldest comes first. */
  readonly #failures: Map<string, Failures> = new Map();
  #tokens: readonly Known[] = [];

  constructor(tokens: readonly ControlToken[], clock: Clock) {
    this.#clock = clock;
    this.useTokens(tokens);
  }

  /** True if access needs a token. */
  get needsToken(): boolean {
    return this.#tokens.length > 0;
  }

  /** From now on only `tokens` are valid. */
  useTokens(tokens: readonly ControlToken[]): void {
    this.#tokens = tokens.map(({ name, may, value }) => ({ name, may, digest: this.#digest(value) }));
  }

  /**
   * What a client at `address` may do that presents `authorization`, the header of that name.
   * `address` is the key of a caller (`caller-address.ts`).
   */
  check(authorization: string | undefined, address: string): Access {
    if (!this.needsToken) return { type: "granted", token: undefined, may: "operate" };
    const nowMs = this.#clock.nowMs();
    const failures = this.#failures.get(address);
    // A client that presents no token guesses nothing.
    const given = bearerIn(authorization);
    if (given === undefined) return { type: "unknown", wrong: 0, isTold: false };
    const debtMs = (failures?.forgivenMs ?? nowMs) - nowMs - (MAX_FAILURES - 1) * REFILL_MS;
    if (debtMs > 0) return { type: "too-many", retryAfterMs: debtMs };
    const known = this.#find(given);
    if (known !== undefined) return { type: "granted", token: known.name, may: known.may };
    return { type: "unknown", ...this.#failed(address, failures, nowMs) };
  }

  /** Compares with every token, also after one was found. */
  #find(given: string): Known | undefined {
    const digest = this.#digest(given);
    let found: Known | undefined;
    for (const token of this.#tokens) if (timingSafeEqual(token.digest, digest)) found = token;
    return found;
  }

  #failed(
    address: string,
    before: Failures | undefined,
    nowMs: number,
  ): { readonly wrong: number; readonly isTold: boolean } {
    const failures = before ?? { forgivenMs: nowMs, wrong: 0, toldMs: Number.NEGATIVE_INFINITY };
    failures.forgivenMs = Math.max(failures.forgivenMs, nowMs) + REFILL_MS;
    failures.wrong++;
    this.#failures.delete(address);
    if (this.#failures.size >= MAX_ADDRESSES) this.#forgetOldest();
    this.#failures.set(address, failures);
    const isTold = nowMs - failures.toldMs >= TELL_AGAIN_MS;
    if (isTold) failures.toldMs = nowMs;
    return { wrong: failures.wrong, isTold };
  }

  #forgetOldest(): void {
    for (const address of this.#failures.keys()) {
      this.#failures.delete(address);
      return;
    }
  }

  #digest(text: string): Buffer {
    return createHmac("sha256", this.#key).update(text).digest();
  }
}

/** The token of an `Authorization: Bearer` header (RFC 6750 §2.1). */
function bearerIn(authorization: string | undefined): string | undefined {
  return /^Bearer +([A-Za-z0-9._~+/-]+=*) *$/i.exec(authorization ?? "")?.[1];
}
