/**
 * Looks up one host name in such a way that a name server that hangs does not delay other names.
 * The operating system's resolver (getaddrinfo) knows best what a name means on this machine, but
 * it can block a thread for up to half a minute, and libuv gives lookups two threads in all. Two
 * names whose server hangs would block every other name. Therefore:
 *
 * - Names in the hosts file are answered from it, as the operating system would, without a thread.
 * - At most two lookups run at once; the others wait here. At most one of the two is for a name
 *   whose last lookup hung; the other thread is for names that are answered.
 * - A name that gets no thread, or no answer for a quarter of a second, is also sent directly to
 *   the name servers (c-ares, without a thread). This way counts only if it finds an address: a
 *   name that it does not find, such as a short name with a search domain, may still be found by
 *   the operating system.
 * - After five seconds the lookup fails with the error that no name server answers. The thread may
 *   stay blocked for longer; its late answer only helps lookups that are made in the meantime.
 *
 * c-ares alone is not enough: it knows no hosts file, no search domains and none of the operating
 * system's other sources of names.
 */
import { type LookupAddress, lookup, Resolver } from "node:dns";
import { readFileSync, statSync } from "node:fs";
import { isIP } from "node:net";
import type { Clock } from "ground-station-failover";

/** Looks `host` up once and returns all its addresses. */
export type Resolve = (
  host: string,
  done: (error: NodeJS.ErrnoException | null, found: LookupAddress[]) => void,
) => void;

export interface NameLookupOptions {
  readonly clock: Clock;
  /** Blocks a thread. Default: getaddrinfo. */
  readonly system?: Resolve;
  /**
   * Blocks no thread and ends by itself. Default: the name servers of the operating system, by
   * c-ares.
   */
  readonly direct?: Resolve;
  /** Addresses from a local file; empty if it has none. Default: the hosts file. */
  readonly local?: (host: string) => LookupAddress[];
}

/** libuv has four threads by default, and gives at most half of them to lookups. */
const MAX_RUNNING = 2;
/**
 * A healthy resolver answers within this time. After it, the name servers are also asked directly.
 */
const OVERDUE_MS = 250;
/**
 * Longest wait for a lookup. Connections time out sooner; lookups in the background must also end.
 */
const GIVE_UP_MS = 5_000;

/** A request that waits for a name; it is settled once, by the first answer. */
interface Asker {
  readonly settle: (error: NodeJS.ErrnoException | null, found: LookupAddress[]) => void;
}

export class NameLookup {
  readonly #clock: Clock;
  readonly #system: Resolve;
  readonly #direct: Resolve;
  readonly #local: (host: string) => LookupAddress[];
  /** By name: the requests that wait for the thread which looks it up. */
  readonly #running: Map<string, Set<Asker>> = new Map();
  /** By name: the requests that wait for a thread, in order of arrival. */
  readonly #waiting: Map<string, Set<Asker>> = new Map();
  /** Names whose last lookup by the operating system was overdue. */
  readonly #hung: Set<string> = new Set();

  constructor({ clock, system = bySystem, direct = byNameServers, local = byHostsFile }: NameLookupOptions) {
    this.#clock = clock;
    this.#system = system;
    this.#direct = direct;
    this.#local = local;
  }

  readonly resolve: Resolve = (host, done) => {
    const local = this.#local(host);
    if (local.length > 0) return queueMicrotask(() => done(null, local));
    this.#ask(host, done);
    this.#start();
    // There is no thread for it, which may last.
    if (this.#waiting.has(host)) this.#askDirectly(host);
  };

  #ask(host: string, done: Asker["settle"]): void {
    let isSettled = false;
    const asker: Asker = {
      settle: (error, found) => {
        if (isSettled) return;
        isSettled = true;
        timer[Symbol.dispose]();
        this.#forget(host, asker);
        done(error, found);
      },
    };
    const timer = this.#clock.at(this.#clock.nowMs() + GIVE_UP_MS, () => asker.settle(noAnswer(host), []));
    const running = this.#running.get(host);
    if (running !== undefined) running.add(asker);
    else this.#waiting.set(host, (this.#waiting.get(host) ?? new Set()).add(asker));
  }

  #forget(host: string, asker: Asker): void {
    this.#running.get(host)?.delete(asker);
    const waiting = this.#waiting.get(host);
    waiting?.delete(asker);
    // A name without waiting requests needs no thread.
    if (waiting?.size === 0) this.#waiting.delete(host);
  }

  /** Gives free threads to waiting names. */
  #start(): void {
    for (const [host, askers] of this.#waiting) {
      if (this.#running.size >= MAX_RUNNING) return;
      if (this.#hung.has(host) && this.#runsHung()) continue;
      this.#waiting.delete(host);
      this.#running.set(host, askers);
      this.#run(host, askers);
    }
  }

  #runsHung(): boolean {
    for (const host of this.#running.keys()) if (this.#hung.has(host)) return true;
    return false;
  }

  #run(host: string, askers: Set<Asker>): void {
    const overdue = this.#clock.at(this.#clock.nowMs() + OVERDUE_MS, () => {
      this.#hung.add(host);
      this.#askDirectly(host);
    });
    const isOverdueAtMs = this.#clock.nowMs() + OVERDUE_MS;
    this.#system(host, (error, found) => {
      overdue[Symbol.dispose]();
      if (this.#clock.nowMs() < isOverdueAtMs) this.#hung.delete(host);
      this.#running.delete(host);
      tell(askers, error, found);
      this.#start();
    });
  }

  #askDirectly(host: string): void {
    this.#direct(host, (error, found) => {
      if (error !== null || found.length === 0) return;
      for (const askers of [this.#running.get(host), this.#waiting.get(host)]) tell(askers ?? new Set(), null, found);
    });
  }
}

function tell(askers: Set<Asker>, error: NodeJS.ErrnoException | null, found: LookupAddress[]): void {
  // Copied first, because each request removes itself from the set.
  for (const { settle } of [...askers]) settle(error, found);
}

function noAnswer(host: string): NodeJS.ErrnoException {
  const details = { code: "EAI_AGAIN", syscall: "getaddrinfo", hostname: host };
  return Object.assign(new Error(`getaddrinfo EAI_AGAIN ${host}: no answer in ${GIVE_UP_MS} ms`), details);
}

function bySystem(host: string, done: Asker["settle"]): void {
  lookup(host, { all: true }, (error, found) => done(error, found ?? []));
}

function byNameServers(host: string, done: Asker["settle"]): void {
  // A short name has a meaning only with the operating system's search domains.
  if (!host.includes(".")) return done(null, []);
  const resolver = new Resolver({ timeout: 1_000, tries: 2 });
  const all: LookupAddress[] = [];
  let left = 2;
  for (const family of [4, 6] as const) {
    resolver[family === 4 ? "resolve4" : "resolve6"](host, (error: Error | null, found: string[]) => {
      // Addresses of the first family come first, whichever answer arrives first.
      const here = error === null ? found.map((address) => ({ address, family })) : [];
      if (family === 4) all.unshift(...here);
      else all.push(...here);
      if (--left === 0) done(null, all);
    });
  }
}

const HOSTS_FILE = "/etc/hosts";
/** A longer file is most likely a blocklist; it is left to the operating system. */
const MAX_HOSTS_BYTES = 1_024 ** 2;
let hosts: { readonly asOfMs: number; readonly byName: ReadonlyMap<string, LookupAddress[]> } | undefined;

/** Addresses of `host` in the hosts file. The file is read again when it has changed. */
function byHostsFile(host: string): LookupAddress[] {
  try {
    const { mtimeMs, size } = statSync(HOSTS_FILE);
    if (hosts?.asOfMs !== mtimeMs) {
      hosts = {
        asOfMs: mtimeMs,
        byName: size > MAX_HOSTS_BYTES ? new Map() : parseHosts(readFileSync(HOSTS_FILE, "utf8")),
      };
    }
    return hosts.byName.get(host.toLowerCase()) ?? [];
  } catch {
    // If the file is missing or unreadable, the operating system answers.
    return [];
  }
}

/** Addresses by name, in the order of the file. */
export function parseHosts(text: string): ReadonlyMap<string, LookupAddress[]> {
  const byName = new Map<string, LookupAddress[]>();
  for (const line of text.split("\n")) {
    const [address = "", ...names] = line.replace(/#.*/, "").trim().split(/\s+/);
    const family = isIP(address);
    if (family === 0) continue;
    for (const name of names) {
      const known = byName.get(name.toLowerCase()) ?? [];
      if (!known.some((one) => one.address === address)) known.push({ address, family });
      byName.set(name.toLowerCase(), known);
    }
  }
  return byName;
}
