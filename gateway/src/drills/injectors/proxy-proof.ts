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
  /** Number of the last event. */
  readonly event: number | null;
}

export async function proxyMark(base: string, proxy: string, signal?: AbortSignal): Promise<ProxyMark> {
  const [bytes, events] = await Promise.all([bytesOf(base, proxy, signal), eventsSince(base, 0, signal)]);
  return { bytes, event: events === null ? null : numberOf(events.at(-1)) };
}

/** Events of toxics that act on a connection before it has data; they do not name the toxic. */
const EVENT_OF_TYPE: ReadonlyMap<string, string> = new Map([
  ["refuse", "connection-reset"],
  ["stall_accept", "connection-stalled"],
]);

/** Toxics by name, with their types. */
export type ToxicTypeOf = ReadonlyMap<string, string>;

/** Proof that one of `toxics` has had data or a connection to act on since `before`. */
export async function proofOf(
  base: string,
  proxy: string,
  before: ProxyMark,
  toxics: ToxicTypeOf,
): Promise<string | undefined> {
  const unnamed = new Set([...toxics.values()].map((type) => EVENT_OF_TYPE.get(type)));
  const events = before.event === null ? null : await eventsSince(base, before.event);
  const applied = (events ?? []).filter(
    (event) =>
      memberOf(event, "connection") !== undefined &&
      memberOf(event, "proxy") === proxy &&
      (toxics.has(String(memberOf(event, "toxic"))) || unnamed.has(String(memberOf(event, "type")))),
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

/** The proxy's events behind number `after`; null if it has no log. */
async function eventsSince(base: string, after: number, signal?: AbortSignal): Promise<readonly Json[] | null> {
  const answer = await exchange("GET", `${base}/events?after=${after}`, undefined, signal).catch(() => undefined);
  if (answer?.status !== 200) return null;
  return answer.text
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as Json);
}

function numberOf(event: Json | undefined): number {
  return Number(memberOf(event, "number") ?? 0);
}
