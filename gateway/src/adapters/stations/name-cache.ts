/**
 * Cache of host names' addresses. Stations keep their addresses while a name server is down, so
 * connections to them must not depend on it. For `TTL_MS` an address is used without a lookup.
 * After that it is still used at once, and looked up again in the background. A failed lookup only
 * raises a count and writes a log line. Only a name that was never found waits for its lookup and
 * fails with it.
 *
 *   unknown ──found──► known ──lookup fails──► known, out of date ──found──► known
 *      └──fails: the connection fails
 *
 * The cache serves `connect`. It does not test addresses: a wrong one is replaced only by the next
 * successful lookup.
 */
import type { LookupAddress } from "node:dns";
import type { LookupFunction } from "node:net";
import type { Resolve } from "./name-lookup.ts";

/**
 * `failed`: lookups of a name fail, and its known addresses are used. `recovered`: lookups succeed
 * again.
 */
export interface NameChange {
  readonly host: string;
  readonly type: "failed" | "recovered";
  readonly addresses: readonly string[];
  /** Error code of the operating system. */
  readonly code?: string;
}

export interface NameCacheOptions {
  /** Milliseconds on a monotonic axis. */
  readonly nowMs: () => number;
  /** Called once when lookups of a known name begin to fail, and once when they succeed again. */
  readonly onChange: (change: NameChange) => void;
  /** Looks a name up; ends within its own time limit (`name-lookup.ts`). */
  readonly resolve: Resolve;
}

/**
 * How long an address is used without another lookup, in ms: shorter than the TTL of most records,
 * longer than a burst of connections.
 */
const TTL_MS = 30_000;
/**
 * Time between a failed lookup and the next one, in ms: more queries do not help a name server that
 * is down.
 */
const RETRY_MS = 5_000;
/** As many names as a large configuration has; further names are looked up each time. */
const MAX_NAMES = 10_000;

interface Entry {
  addresses: LookupAddress[];
  /** From this instant the name is looked up again. */
  refreshAtMs: number;
  isFailing: boolean;
}

type Waiter = (error: NodeJS.ErrnoException | null, found: LookupAddress[]) => void;

export class NameCache {
  /**
   * Lookups by result, and connections that used an address although its last lookup had failed.
   */
  readonly counts: { answered: number; failed: number; outdated: number } = { answered: 0, failed: 0, outdated: 0 };
  readonly #nowMs: () => number;
  readonly #onChange: (change: NameChange) => void;
  readonly #resolve: Resolve;
  readonly #entries: Map<string, Entry> = new Map();
  /** Lookups in progress, at most one for each name, with the connections that wait for them. */
  readonly #underWay: Map<string, Waiter[]> = new Map();

  constructor({ nowMs, onChange, resolve }: NameCacheOptions) {
    this.#nowMs = nowMs;
    this.#onChange = onChange;
    this.#resolve = resolve;
  }

  /** For `net.connect` and everything built on it. */
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
    // Deferred, because the caller must get its socket first.
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
