/**
 * Bytes that no honest client sends, each as a plan of what is written to a fresh connection: an
 * endless header, a length of two gigabytes, deeply nested JSON, a key twice, `__proto__`, half a
 * request, two lengths that contradict each other (request smuggling: RFC 9112, sections 6.1 and
 * 11.2), a command under an old epoch. Everything is bounded, and chance comes from the seed.
 */
import type { Random } from "ground-station-failover";
import { EPOCH_HEADER } from "../../fleet/uplink.ts";

export interface HostileRequest {
  /** Written one after the other, as fast as they are taken. */
  readonly pieces: Iterable<Buffer>;
  /** Whether the own side is ended after that, without waiting for an answer. */
  readonly endsAtOnce: boolean;
}

export interface AttackTarget {
  readonly host: string;
  readonly path: string;
  /** Bounds an attack that has no end of its own. */
  readonly maxBytes: number;
}

type Attack = (target: AttackTarget, random: Random) => HostileRequest;

const NESTING = 100_000;
const TWO_GIGABYTES = 2_147_483_648;
const PIECE_BYTES = 16_384;

/** The attacks by name; `hostile` offers them in this order. */
export const ATTACKS = [
  "endless-header",
  "many-headers",
  "huge-length",
  "deep-json",
  "duplicate-keys",
  "proto",
  "half-request",
  "two-lengths",
  "length-and-chunks",
  "bad-chunks",
  "folded-header",
  "noise",
  "old-epoch",
] as const;
export type AttackName = (typeof ATTACKS)[number];

const PLANS: Readonly<Record<AttackName, Attack>> = {
  "endless-header": (target) => ({
    pieces: endless(`${startOf("GET", target)}x-filler: `, "a", target),
    endsAtOnce: false,
  }),
  "many-headers": (target) => ({ pieces: endless(startOf("GET", target), "x-h: 1\r\n", target), endsAtOnce: false }),
  "huge-length": (target) =>
    whole(`${startOf("POST", target)}content-type: application/json\r\ncontent-length: ${TWO_GIGABYTES}\r\n\r\n{"a":`),
  "deep-json": (target) => json(target, "[".repeat(Math.min(NESTING, target.maxBytes))),
  "duplicate-keys": (target) => json(target, '{"command":"a","command":"b","a":1,"a":2}'),
  proto: (target) =>
    json(target, '{"__proto__":{"isAdmin":true},"constructor":{"prototype":{"isAdmin":true}},"command":"a"}'),
  "half-request": (target) => ({
    pieces: [Buffer.from(`${startOf("POST", target)}content-length: 100\r\n\r\n{"half`)],
    endsAtOnce: true,
  }),
  "two-lengths": (target) =>
    whole(`${startOf("POST", target)}content-length: 5\r\ncontent-length: 60\r\n\r\nhello${hidden(target)}`),
  "length-and-chunks": (target) =>
    whole(
      `${startOf("POST", target)}content-length: 6\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n${hidden(target)}`,
    ),
  "bad-chunks": (target) =>
    whole(`${startOf("POST", target)}transfer-encoding: chunked\r\n\r\n5;\n\nhello\r\n-1\r\n${hidden(target)}`),
  "folded-header": (target) =>
    whole(`${startOf("POST", target)}transfer-encoding :\r\n chunked\r\ncontent-length: 3\r\n\r\nabc`),
  noise: (_target, random) => ({
    pieces: [Buffer.from(Array.from({ length: 512 }, () => Math.floor(random.next() * 256)))],
    endsAtOnce: true,
  }),
  "old-epoch": (target) => json(target, '{"command":"old"}', `${EPOCH_HEADER}: 0\r\n`),
};

export function hostileRequest(name: AttackName, target: AttackTarget, random: Random): HostileRequest {
  return PLANS[name](target, random);
}

function startOf(method: string, { host, path }: AttackTarget): string {
  return `${method} ${path} HTTP/1.1\r\nhost: ${host}\r\n`;
}

function whole(written: string): HostileRequest {
  return { pieces: [Buffer.from(written)], endsAtOnce: false };
}

/** A request that a careless parser takes for the next one on the connection. */
function hidden(target: AttackTarget): string {
  return `${startOf("GET", { ...target, path: "/smuggled" })}\r\n`;
}

function json(target: AttackTarget, body: string, headers = ""): HostileRequest {
  const head = `content-type: application/json\r\n${headers}content-length: ${Buffer.byteLength(body)}\r\n\r\n`;
  return whole(`${startOf("POST", target)}${head}${body}`);
}

function* endless(start: string, filler: string, { maxBytes }: AttackTarget): Generator<Buffer> {
  yield Buffer.from(start);
  const piece = Buffer.alloc(PIECE_BYTES - (PIECE_BYTES % filler.length), filler);
  for (let sent = start.length; sent < maxBytes; sent += piece.length) yield piece;
}
