/**
 * A name server that can die, inside the process under test: loaded with `--import`, it answers for
 * `*.station.test` itself, and from the moment at which the file named in `GSF_NAMES_AWAY`
 * exists every look-up fails as it does when no name server answers (EAI_AGAIN, after a wait). It
 * stands in for `dns.lookup`, which Node's sockets use, and for `dns.promises.lookup`; a gateway
 * that asked a name server by itself would go past it.
 */
import dns from "node:dns";
import { existsSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";

const HOST = "127.0.0.1";
/**
 * A real resolver waits for seconds; this is long enough to be in the way and short enough for a
 * check.
 */
const FAILS_AFTER_MS = 200;
const flag = process.env["GSF_NAMES_AWAY"] ?? "";

type Callback = (error: Error | null, address?: unknown, family?: number) => void;

const isOurs = (name: string): boolean => name.endsWith(".station.test");

function failure(name: string): NodeJS.ErrnoException {
  const error: NodeJS.ErrnoException = new Error(`getaddrinfo EAI_AGAIN ${name}`);
  return Object.assign(error, { code: "EAI_AGAIN", syscall: "getaddrinfo", errno: -3001, hostname: name });
}

const realLookup = dns.lookup;
const realPromised = dns.promises.lookup;

function lookup(name: string, options: unknown, callback?: Callback): void {
  const done = (typeof options === "function" ? options : callback) as Callback;
  const wantsAll = typeof options === "object" && options !== null && "all" in options && options.all === true;
  if (existsSync(flag)) {
    setTimeout(() => done(failure(name)), FAILS_AFTER_MS);
  } else if (!isOurs(name)) {
    Reflect.apply(realLookup, dns, typeof options === "function" ? [name, done] : [name, options, done]);
  } else {
    setImmediate(() => (wantsAll ? done(null, [{ address: HOST, family: 4 }]) : done(null, HOST, 4)));
  }
}

async function promised(name: string, options?: unknown): Promise<unknown> {
  if (existsSync(flag)) {
    await new Promise((resolve) => setTimeout(resolve, FAILS_AFTER_MS));
    throw failure(name);
  }
  if (!isOurs(name)) return Reflect.apply(realPromised, dns.promises, [name, options]);
  const wantsAll = typeof options === "object" && options !== null && "all" in options && options.all === true;
  return wantsAll ? [{ address: HOST, family: 4 }] : { address: HOST, family: 4 };
}

Object.assign(dns, { lookup });
Object.assign(dns.promises, { lookup: promised });
syncBuiltinESMExports();
