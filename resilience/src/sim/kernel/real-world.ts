/**
 * Every way in which code in one process reaches the real world (its time, its chance, its timers,
 * threads, files, sockets and processes), and what to use instead in a simulation. This file is
 * only the list; `traps.ts` sets a trap on each entry. Names are found by pattern if Node adds to
 * them (`crypto.randomUUIDv7` came with 24), so that the list ages slowly.
 *
 * Some ways cannot be trapped, and code must avoid them by discipline: `process.env`, `process.pid`
 * and other constants of a process; the locale and the time zone; `Intl.DateTimeFormat().format()`
 * without a date; realms of `node:vm`; `node:sqlite` on a file; signatures with a nonce inside
 * (ECDSA, RSA-PSS); and functions that code took before the run (`const { now } = Date` at its
 * first line).
 */

/** One way to the real world: a function, or a property whose reading reaches it. */
export interface WayOut {
  /** Its name in a report: `Date.now`. */
  readonly what: string;
  /** The object that has `key` as its own property. */
  readonly holder: object;
  readonly key: PropertyKey;
  /** What to use instead. */
  readonly instead: string;
  /** Calls that do not reach the real world: `new Date(0)`. */
  readonly harmless?: (args: readonly unknown[], constructed: boolean) => boolean;
}

const TIME = "env.clock.nowMs()";
const CALENDAR = "env.wallMs(), and new Date(number) where a Date is needed";
const TIMERS = "env.clock.at or env.clock.sleepUntil";
const CHANCE = "env.random, forked by purpose";
const NETWORK = "env.network";
const FILES = "env.disk";
const PROCESSES = "a node of the world";
const THREADS = "the synchronous variant, or a node of the world: what another thread does takes real time";
const MEMORY = "strong references: what the garbage collector has taken differs from run to run";
const LOAD = "a measure that is passed in: this one differs from run to run";

/** Lists the ways. Loads the built-in modules that it names. */
export function waysOut(): WayOut[] {
  // Writing to these streams must keep working, and they bind the functions that they use at their
  // first use.
  void process.stdout;
  void process.stderr;
  return [...timeAndChance(), ...timers(), ...network(), ...filesAndProcesses(), ...threadsAndMemory()];
}

function timeAndChance(): WayOut[] {
  const crypto = builtin("node:crypto");
  const temporal = (globalThis as { Temporal?: { Now?: object } }).Temporal?.Now;
  const harmless = (args: readonly unknown[], constructed: boolean): boolean => constructed && args.length > 0;
  return [
    ...named("", globalThis, ["Date"], CALENDAR).map((way) => ({ ...way, harmless })),
    ...named("Date.prototype", Date.prototype, ["constructor"], CALENDAR),
    ...named("Date", Date, ["now"], CALENDAR),
    ...named("Temporal.Now", temporal, /^(?!timeZoneId)/, CALENDAR),
    ...named("performance", performance, ["now", "mark", "measure", "timeOrigin", "toJSON"], TIME),
    ...named("performance", performance, ["eventLoopUtilization", "timerify"], TIME),
    ...named("perf_hooks", builtin("node:perf_hooks"), /^(eventLoopUtilization|timerify|monitorEventLoopDelay)$/, TIME),
    ...named("Event.prototype", Event.prototype, ["timeStamp"], TIME),
    ...named("process.hrtime", process.hrtime, ["bigint"], TIME),
    ...named("process", process, ["hrtime", "uptime"], TIME),
    ...named("Math", Math, ["random"], CHANCE),
    ...named("crypto", globalThis.crypto, ["getRandomValues", "randomUUID", "randomUUIDv7"], CHANCE),
    ...named("node:crypto", crypto, /^(random|generate|checkPrime|createDiffie|createECDH)/, CHANCE),
    ...named("node:crypto", crypto, ["prng", "rng", "pseudoRandomBytes"], CHANCE),
    ...named("node:crypto", crypto, /^(encapsulate|publicEncrypt)$/, CHANCE),
    ...named("node:crypto", crypto, /^(pbkdf2|scrypt|hkdf|argon2)$/, THREADS),
    ...named("crypto.subtle", globalThis.crypto.subtle, /^(?!constructor)/, THREADS),
  ];
}

function timers(): WayOut[] {
  const promised = builtin("node:timers/promises") as typeof import("node:timers/promises");
  return [
    ...named("", globalThis, ["setTimeout", "setInterval"], TIMERS),
    ...named("", globalThis, ["setImmediate"], TIMERS).map((way) => ({ ...way, harmless: calledByNode })),
    ...named("node:timers", builtin("node:timers"), /^(set|enroll|active|_unrefActive)/, TIMERS),
    ...named("node:timers/promises", promised, /^set/, TIMERS),
    ...named("node:timers/promises scheduler", promised.scheduler, ["wait", "yield"], TIMERS),
    ...named("AbortSignal", AbortSignal, ["timeout"], TIMERS),
  ];
}

function network(): WayOut[] {
  const net = builtin("node:net") as typeof import("node:net");
  const dgram = builtin("node:dgram") as typeof import("node:dgram");
  const http = /^(request|get|createServer|ClientRequest)$/;
  const resolver = /^(lookup|resolve|reverse|Resolver)/;
  return [
    ...named("", globalThis, ["fetch", "WebSocket", "EventSource"], NETWORK),
    ...named("node:net", net, /^(connect|create)/, NETWORK),
    ...named("net.Socket.prototype", net.Socket.prototype, ["connect"], NETWORK),
    ...named("net.Server.prototype", net.Server.prototype, ["listen"], NETWORK),
    ...named("node:tls", builtin("node:tls"), /^(connect|createServer)$/, NETWORK),
    ...named("node:http", builtin("node:http"), http, NETWORK),
    ...named("node:https", builtin("node:https"), http, NETWORK),
    ...named("node:http2", builtin("node:http2"), /^(connect|createServer|createSecureServer)$/, NETWORK),
    ...named("node:dgram", dgram, /^createSocket$/, NETWORK),
    ...named("dgram.Socket.prototype", dgram.Socket.prototype, ["bind", "connect", "send"], NETWORK),
    ...named("node:dns", builtin("node:dns"), resolver, NETWORK),
    ...named("node:dns/promises", builtin("node:dns/promises"), resolver, NETWORK),
  ];
}

function filesAndProcesses(): WayOut[] {
  return [
    ...named("node:fs", builtin("node:fs"), /^[a-z]/, FILES),
    ...named("node:fs/promises", builtin("node:fs/promises"), /^[a-z]/, FILES),
    ...named("", globalThis, ["localStorage", "sessionStorage"], FILES),
    ...named("node:child_process", builtin("node:child_process"), /^(exec|fork|spawn)/, PROCESSES),
    ...named("process", process, ["exit", "reallyExit", "kill", "abort"], PROCESSES),
    ...named("process", process, /^(cpuUsage|threadCpuUsage|resourceUsage|memoryUsage|availableMemory)$/, LOAD),
    ...named("process.memoryUsage", process.memoryUsage, ["rss"], LOAD),
    ...named("node:os", builtin("node:os"), /^(uptime|loadavg|freemem|cpus)$/, LOAD),
  ];
}

function threadsAndMemory(): WayOut[] {
  const threads = builtin("node:worker_threads");
  return [
    ...named("", globalThis, ["MessageChannel", "BroadcastChannel"], TIMERS),
    ...named(
      "node:worker_threads",
      threads,
      /^(Worker$|MessageChannel|BroadcastChannel|receiveMessage|postMessage)/,
      PROCESSES,
    ),
    ...named("Atomics", Atomics, ["wait", "waitAsync"], TIMERS),
    ...named("node:zlib", builtin("node:zlib"), /^(?!crc32|get|set)[a-z]\w*$(?<!Sync)/, THREADS),
    ...named("", globalThis, ["WeakRef", "FinalizationRegistry"], MEMORY),
  ];
}

/**
 * Node itself requests a turn of the event loop, through the public function, after an uncaught
 * error was handled.
 */
function calledByNode(): boolean {
  const [, , , caller] = (new Error("where").stack ?? "").split("\n    at ");
  return caller?.includes("node:internal/") === true;
}

/** A built-in module as `require` returns it: the object that named imports are copied from. */
function builtin(name: string): object {
  return process.getBuiltinModule(name) as object;
}

/**
 * The properties of `from`, or of what it inherits from, with these names: functions, and for a
 * name given in full also getters.
 */
function named(prefix: string, from: object | undefined, names: readonly string[] | RegExp, instead: string): WayOut[] {
  const found: WayOut[] = [];
  for (let holder = from; isHolder(holder); holder = Object.getPrototypeOf(holder)) {
    for (const [key, property] of Object.entries(Object.getOwnPropertyDescriptors(holder))) {
      const wanted = names instanceof RegExp ? names.test(key) : names.includes(key);
      const changeable = property.configurable === true || property.writable === true;
      const leads = typeof property.value === "function" || (property.get !== undefined && !(names instanceof RegExp));
      if (!wanted || !changeable || !leads || found.some((way) => way.key === key)) continue;
      found.push({ what: prefix === "" ? key : `${prefix.replace(/^node:/, "")}.${key}`, holder, key, instead });
    }
  }
  return found;
}

function isHolder(holder: object | undefined | null): holder is object {
  return holder !== undefined && holder !== null && holder !== Object.prototype && holder !== Function.prototype;
}
