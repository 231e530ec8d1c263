/**
 * One lookup of a host name, such that a name server that hangs takes nobody else's. The system's
 * resolver (getaddrinfo) knows best what a name means here, but it blocks a thread for as long as
 * it likes, up to half a minute, and libuv gives lookups two threads in all: two names whose server
 * hangs would keep every other name waiting. So:
 *
 * - Names in the hosts file are answered from it, as the system would, without a thread.
 * - No more than two lookups run at once; the rest wait here. Of names whose last lookup hung, one:
 *   the other thread is for those that answer.
 * - A name that gets no thread, or no answer for a quarter of a second, is asked of the name
 *   servers directly as well (c-ares, without a thread). Only an address counts there: what that
 *   way does not find, such as a short name with a search domain, the system may.
 * - After five seconds whoever asked is told that no name server answers. The thread may be gone
 *   for longer, and its answer is of use only to those who ask again meanwhile.
 *
 * c-ares alone would not do: it knows no hosts file, no search domains and none of the system's
 * other sources of names.
 */
import { type LookupAddress, lookup, Resolver } from "node:dns";
import { readFileSync, statSync } from "node:fs";
import { isIP } from "node:net";
import type { Clock } from "ground-station-failover";

/** Looks `host` up once, all its addresses. */
export type Resolve = (
  host: string,
  done: (error: NodeJS.ErrnoException | null, found: LookupAddress[]) => void,
) => void;

export interface NameLookupOptions {
  readonly clock: Clock;
  /** Blocks a thread. Default: getaddrinfo. */
  readonly system?: Resolve;
  /** Blocks none, ends by itself. Default: the name servers of the system, by c-ares. */
  readonly direct?: Resolve;
  /** What a local file says; none where it says nothing. Default: the hosts file. */
  readonly local?: (host: string) => LookupAddress[];
}

/** libuv has four threads by default, and gives half of them to lookups at most. */
const MAX_RUNNING = 2;
/**
 * An answer that takes longer is not one of a resolver that is well; the name servers are asked
 * directly, too.
 */
const OVERDUE_MS = 250;
/**
 * Nobody waits for longer. Connections give up sooner; what is asked in the background need not
 * wait for ever.
 */
const GIVE_UP_MS = 5_000;

/** Somebody who waits for a name; settled once, whoever answers first. */
interface Asker {
  readonly settle: (error: NodeJS.ErrnoException | null, found: LookupAddress[]) => void;
}

export class NameLookup {
  readonly #clock: Clock;
  readonly #system: Resolve;
  readonly #direct: Resolve;
  readonly #local: (host: string) => LookupAddress[];
  /** By name: who waits for the thread that looks it up. */
  readonly #running: Map<string, Set<Asker>> = new Map();
  /** … for a thread, first come first. */
  readonly #waiting: Map<string, Set<Asker>> = new Map();
  /** Names whose last lookup by the system was overdue. */
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
    // No thread for it: this may last.
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
    // A name that nobody waits for any more needs no thread.
    if (waiting?.size === 0) this.#waiting.delete(host);
  }

  /** Gives the threads that are free to those that wait. */
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
  // They take themselves out of it.
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
  // A short name means something only with the system's search domains.
  if (!host.includes(".")) return done(null, []);
  const resolver = new Resolver({ timeout: 1_000, tries: 2 });
  const all: LookupAddress[] = [];
  let left = 2;
  for (const family of [4, 6] as const) {
    resolver[family === 4 ? "resolve4" : "resolve6"](host, (error: Error | null, found: string[]) => {
      // Addresses of the first family first, whichever answers first.
      const here = error === null ? found.map((address) => ({ address, family })) : [];
      if (family === 4) all.unshift(...here);
      else all.push(...here);
      if (--left === 0) done(null, all);
    });
  }
}

const HOSTS_FILE = "/etc/hosts";
/** A longer file is somebody's blocklist, and is left to the system. */
const MAX_HOSTS_BYTES = 1_024 ** 2;
let hosts: { readonly asOfMs: number; readonly byName: ReadonlyMap<string, LookupAddress[]> } | undefined;

/** What the hosts file says of `host`. It is read again when it has changed. */
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
    // Where there is none, or none that may be read, the system knows.
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
