/**
 * Addresses of host names, remembered: stations keep their addresses while a name server is away,
 * so connections to them must not need it. An address is used for `TTL_MS` as it is; after that it
 * is still used at once, and looked up again meanwhile. A lookup that fails changes nothing but a
 * count and a log line; only a name that was never found waits for its lookup and fails with it.
 *
 *   unknown ──found──► known ──lookup fails──► known, out of date ──found──► known
 *      └──fails: the connection fails
 *
 * It is for `connect`: an address is not tried here, and a wrong one is replaced only by the next
 * lookup that is answered.
 */
import type { LookupAddress } from "node:dns";
import type { LookupFunction } from "node:net";
import type { Resolve } from "./name-lookup.ts";

/**
 * `failed`: lookups of a name fail, and what was known is used; `recovered`: they are answered
 * again.
 */
export interface NameChange {
  readonly host: string;
  readonly type: "failed" | "recovered";
  readonly addresses: readonly string[];
  /** The system's code of the failure. */
  readonly code?: string;
}

export interface NameCacheOptions {
  /** Milliseconds on a monotonic axis. */
  readonly nowMs: () => number;
  /**
   * Told once when lookups of a known name begin to fail, and once when they are answered again.
   */
  readonly onChange: (change: NameChange) => void;
  /** Looks a name up; ends within a bound of its own (`name-lookup.ts`). */
  readonly resolve: Resolve;
}

/**
 * How long an address is used without looking it up again: below what most records say, above what
 * a burst needs.
 */
const TTL_MS = 30_000;
/**
 * After a failed lookup the next one waits this long: a name server that is away is not mended by
 * asking.
 */
const RETRY_MS = 5_000;
/** As many names as a large configuration has; names beyond it are looked up each time. */
const MAX_NAMES = 10_000;

interface Entry {
  addresses: LookupAddress[];
  /** From here on it is looked up again. */
  refreshAtMs: number;
  isFailing: boolean;
}

type Waiter = (error: NodeJS.ErrnoException | null, found: LookupAddress[]) => void;

export class NameCache {
  /**
   * Lookups by their end, and connections that used an address although its last lookup had failed.
   */
  readonly counts: { answered: number; failed: number; outdated: number } = { answered: 0, failed: 0, outdated: 0 };
  readonly #nowMs: () => number;
  readonly #onChange: (change: NameChange) => void;
  readonly #resolve: Resolve;
  readonly #entries: Map<string, Entry> = new Map();
  /** Lookups under way, and who waits for them: one a name. */
  readonly #underWay: Map<string, Waiter[]> = new Map();

  constructor({ nowMs, onChange, resolve }: NameCacheOptions) {
    this.#nowMs = nowMs;
    this.#onChange = onChange;
    this.#resolve = resolve;
  }

  /** For `net.connect` and whatever is built on it. */
  readonly lookup: LookupFunction = (host, options, callback) => {
    const answer: Waiter = (error, found) => {
      const family = options.family === "IPv4" ? 4 : options.family === "IPv6" ? 6 : (options.family ?? 0);
      const fitting = family === 0 ? found : found.filter((one) => one.family === family);
      const [first] = fitting;
      if (error !== null) callback(error, "");
      else if (first === undefined) callback(notFound(host), "");
      else if (options.all === true) callback(null, fitting);
      else callback(null, first.address, first.family);
    };
    const entry = this.#entries.get(host);
    if (entry === undefined) return this.#look(host, answer);
    if (entry.isFailing) this.counts.outdated++;
    // Never before the caller has its socket.
    queueMicrotask(() => answer(null, entry.addresses));
    if (this.#nowMs() >= entry.refreshAtMs) this.#look(host);
  };

  #look(host: string, waiter?: Waiter): void {
    const waiting = this.#underWay.get(host);
    if (waiting !== undefined) {
      if (waiter !== undefined) waiting.push(waiter);
      return;
    }
    const waiters = waiter === undefined ? [] : [waiter];
    this.#underWay.set(host, waiters);
    this.#resolve(host, (error, found) => {
      this.#underWay.delete(host);
      const failure = error ?? (found.length === 0 ? notFound(host) : null);
      if (failure === null) this.#found(host, found);
      else this.#failed(host, failure);
      for (const waiting of waiters) waiting(failure, found);
    });
  }

  #found(host: string, addresses: LookupAddress[]): void {
    this.counts.answered++;
    const before = this.#entries.get(host);
    if (before === undefined && this.#entries.size >= MAX_NAMES) return;
    this.#entries.set(host, { addresses, refreshAtMs: this.#nowMs() + TTL_MS, isFailing: false });
    if (before?.isFailing === true) this.#onChange({ host, type: "recovered", addresses: plain(addresses) });
  }

  #failed(host: string, { code }: NodeJS.ErrnoException): void {
    this.counts.failed++;
    const entry = this.#entries.get(host);
    if (entry === undefined) return;
    entry.refreshAtMs = this.#nowMs() + RETRY_MS;
    if (entry.isFailing) return;
    entry.isFailing = true;
    this.#onChange({
      host,
      type: "failed",
      addresses: plain(entry.addresses),
      ...(code === undefined ? {} : { code }),
    });
  }
}

function plain(addresses: readonly LookupAddress[]): string[] {
  return addresses.map(({ address }) => address);
}

function notFound(host: string): NodeJS.ErrnoException {
  const details = { code: "ENOTFOUND", syscall: "getaddrinfo", hostname: host };
  return Object.assign(new Error(`getaddrinfo ENOTFOUND ${host}`), details);
}
