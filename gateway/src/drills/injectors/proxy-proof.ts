/**
 * Whether a fault at a proxy was felt. Our proxy keeps an event log that names the toxic and the
 * connection; any Toxiproxy server with metrics counts bytes; and a connection of our own shows
 * whether the proxy still accepts. The first of these that proves something is told.
 */
import { connect } from "node:net";
import { systemClock } from "ground-station-failover";
import type { Json } from "../experiment/experiment.ts";
import { exchange, memberOf, reasonOf } from "./exchange.ts";
import { hostAndPort } from "./fields.ts";

const CONNECT_WITHIN_MS = 1_000;

/** What the proxy had counted before the fault; null where it does not count. */
export interface ProxyMark {
  readonly bytes: number | null;
  readonly events: number | null;
}

export async function proxyMark(base: string, proxy: string, signal?: AbortSignal): Promise<ProxyMark> {
  const [bytes, events] = await Promise.all([bytesOf(base, proxy, signal), eventsOf(base, proxy, signal)]);
  return { bytes, events: events === null ? null : lastNumber(events) };
}

/** Proof that one of `toxics` has had data or a connection to act on since `before`. */
export async function proofOf(
  base: string,
  proxy: string,
  before: ProxyMark,
  toxics: ReadonlySet<string>,
): Promise<string | undefined> {
  const events = await eventsOf(base, proxy);
  const applied = (events ?? []).filter(
    (event) =>
      Number(memberOf(event, "seq") ?? 0) > (before.events ?? -1) && toxics.has(String(memberOf(event, "toxic"))),
  );
  if (applied.length > 0) {
    const connections = new Set(applied.map((event) => memberOf(event, "connection")));
    return `the proxy's log: ${applied.length} events of this fault on ${connections.size} connections`;
  }
  const bytes = await bytesOf(base, proxy);
  if (bytes === null || before.bytes === null || bytes <= before.bytes) return undefined;
  return `the proxy received ${bytes - before.bytes} bytes while the toxic was there`;
}

/** How a new connection to `listen` is refused; undefined if it is accepted. */
export function refusalOf(listen: string): Promise<string | undefined> {
  const at = hostAndPort(listen);
  if (at === undefined) return Promise.resolve(undefined);
  return new Promise((resolve) => {
    const socket = connect(at);
    const late = systemClock.at(systemClock.nowMs() + CONNECT_WITHIN_MS, () => finish(undefined));
    const finish = (proof: string | undefined): void => {
      late[Symbol.dispose]();
      socket.destroy();
      resolve(proof);
    };
    socket.once("connect", () => finish(undefined));
    socket.once("error", (error) => finish(`a connection to ${listen} fails: ${reasonOf(error)}`));
  });
}

/** Bytes that the proxy has received so far, in both directions; null if it does not say. */
async function bytesOf(base: string, proxy: string, signal?: AbortSignal): Promise<number | null> {
  const answer = await exchange("GET", `${base}/metrics`, undefined, signal).catch(() => undefined);
  if (answer?.status !== 200) return null;
  const label = `proxy="${proxy.replace(/[\\"]/g, "\\$&")}"`;
  return answer.text
    .split("\n")
    .filter((line) => line.startsWith("toxiproxy_proxy_received_bytes_total{") && line.includes(label))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf("}") + 1)), 0);
}

/** The proxy's event log; null if it has none. */
async function eventsOf(base: string, proxy: string, signal?: AbortSignal): Promise<readonly Json[] | null> {
  const address = `${base}/proxies/${encodeURIComponent(proxy)}/events`;
  const answer = await exchange("GET", address, undefined, signal).catch(() => undefined);
  if (answer?.status !== 200) return null;
  const events = Array.isArray(answer.json) ? answer.json : memberOf(answer.json, "events");
  return Array.isArray(events) ? events : null;
}

function lastNumber(events: readonly Json[]): number {
  return events.reduce<number>((last, event) => Math.max(last, Number(memberOf(event, "seq") ?? 0)), 0);
}
