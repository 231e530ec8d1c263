/**
 * A request's header block, as it goes on to a station, or the reason why it cannot. Node's parser
 * has refused by now what cannot be read one way only; here is refused what could not be passed on
 * truthfully: two hosts, a transfer coding that we would not undo, another protocol. Sources: RFC
 * 9110 §7.8 (Upgrade), RFC 9112 §3.2 (Host) and §6.1 (Transfer-Encoding).
 */
import type { IncomingMessage } from "node:http";
import { RefusedRequest, refusal } from "../../fleet/problem.ts";
import type { DeadlineHeader } from "../../fleet/settings.ts";
import type { CommandRequest } from "../../fleet/uplink.ts";
import { plainAddress } from "./caller-address.ts";
import { ALLOWED_DEADLINES, readDeadline } from "./deadline-header.ts";
import { endToEnd, isHost, rawValues, targetOf, unsendable, withForwarded } from "./http-headers.ts";
import { LOOP_HEADER, type LoopGuard } from "./loop-guard.ts";
import type { TrustedProxies } from "./trusted-proxies.ts";

/** Expect is answered here; Trailer announces what is not passed on. */
const NOT_PASSED_ON: ReadonlySet<string> = new Set(["expect", "trailer"]);

/**
 * Other ways to say the same: an offer of them may be ignored, and clients make it unasked (RFC
 * 9110 §7.8).
 */
const IGNORED_UPGRADE = /^\s*(h2c|http\/|tls\/)/i;

/** What a listener knows of the way by which requests come. */
export interface RequestWay {
  readonly proxies: TrustedProxies;
  readonly loop: LoopGuard;
}

/** A head that can be passed on truthfully. */
export interface SoundHead {
  readonly method: string;
  readonly target: string;
  /**
   * Without what belongs to the connection. Host is that of an absolute target, if it came as one.
   */
  readonly headers: [name: string, value: string][];
}

/**
 * The head of `message` as it goes on, for those that add nothing to it; throws
 * {@link RefusedRequest}.
 */
export function soundHead(message: IncomingMessage): SoundHead {
  refuseShape(message);
  const { method, url } = message as { method: string; url: string };
  const at = targetOf(method, url);
  if (at === undefined) {
    throw refused(400, "BAD_TARGET", "the request target must be a path, an absolute http address, or * for OPTIONS");
  }
  const headers = endToEnd(message.rawHeaders, NOT_PASSED_ON);
  const bad = unsendable(headers);
  if (bad !== undefined) throw refused(400, "BAD_HEADER", `${bad}: there are control characters in it`);
  if (at.authority !== undefined) setHost(headers, at.authority);
  return { method, target: at.target, headers };
}

/** The head of `message` as the group knows it; throws {@link RefusedRequest}. */
export function requestHead(
  message: IncomingMessage,
  { proxies, loop }: RequestWay,
): Omit<CommandRequest, "body" | "timeLeftMs"> {
  const { method, target, headers } = soundHead(message);
  loop.refuseReturned(message.rawHeaders);
  const caller = plainAddress(message.socket.remoteAddress);
  headers.push([LOOP_HEADER, loop.name]);
  const origin = { caller, protocol: "http", isTrusted: proxies.has(caller) } as const;
  return { method, target, headers: withForwarded(headers, origin), caller };
}

/** HTTP/1.0 may come without one. */
function setHost(headers: [string, string][], authority: string): void {
  const host = headers.find(([name]) => name.toLowerCase() === "host");
  if (host === undefined) headers.unshift(["host", authority]);
  else host[1] = authority;
}

/**
 * The instant until which the sender of `message` wants it, in milliseconds since 1970; undefined
 * where it says none. Throws {@link RefusedRequest} where it cannot be read. Anybody may send it,
 * also under a name of ours: it shortens nobody's time but their own.
 */
export function deadlineOf(message: IncomingMessage, { name, format }: DeadlineHeader): number | undefined {
  const values = rawValues(message.rawHeaders, name.toLowerCase());
  const [value] = values;
  if (value === undefined) return undefined;
  if (values.length > 1)
    throw refused(400, "BAD_HEADER", `${name}: there are ${values.length} of it; at most one is allowed`);
  const epochMs = readDeadline(format, value.trim());
  if (epochMs !== undefined) return epochMs;
  const allowed = ALLOWED_DEADLINES[format];
  throw refused(400, "BAD_HEADER", `${name}: "${value.slice(0, 40)}" is not allowed; allowed are ${allowed}`);
}

/**
 * Refuses what no listener takes: another version of HTTP, a Host that is none, an expectation that
 * is not known.
 */
export function refuseHead(message: IncomingMessage): void {
  const raw = message.rawHeaders;
  const hosts = rawValues(raw, "host").length;
  if (hosts > 1 || (hosts === 0 && !isOld(message))) {
    throw refused(400, "BAD_HEADER", `Host: there are ${hosts} of it; exactly one is required`);
  }
  if (message.httpVersion !== "1.1" && message.httpVersion !== "1.0") {
    throw refused(505, "NOT_SUPPORTED", `HTTP/${message.httpVersion} is not supported; allowed are 1.1 and 1.0`);
  }
  const host = rawValues(raw, "host")[0];
  if (host !== undefined && !isHost(host)) {
    throw refused(400, "BAD_HEADER", `Host: "${host.slice(0, 60)}" is no host, or host and port`);
  }
  const expected = rawValues(raw, "expect");
  if (expected.some((value) => value.toLowerCase() !== "100-continue")) {
    throw refused(417, "BAD_HEADER", "Expect: only 100-continue is known");
  }
}

function isOld({ httpVersionMajor, httpVersion }: IncomingMessage): boolean {
  return httpVersionMajor < 1 || httpVersion === "1.0";
}

function refuseShape(message: IncomingMessage): void {
  refuseHead(message);
  const raw = message.rawHeaders;
  // Icecast's way to say PUT, in a protocol of its own that the parser takes for ours.
  if (message.method === "SOURCE") throw refused(501, "NOT_SUPPORTED", "SOURCE is no method of HTTP");
  const codings = rawValues(raw, "transfer-encoding").join();
  if (codings !== "") {
    if (isOld(message)) throw refused(400, "BAD_HEADER", "Transfer-Encoding: HTTP/1.0 does not have it");
    if (codings.trim().toLowerCase() !== "chunked") {
      throw refused(501, "NOT_SUPPORTED", "Transfer-Encoding: only chunked is supported");
    }
  }
  const offered = rawValues(raw, "upgrade").flatMap((value) => value.split(","));
  if (offered.some((protocol) => !IGNORED_UPGRADE.test(protocol))) {
    throw refused(501, "NOT_SUPPORTED", `Upgrade: ${offered.join().slice(0, 60)} is not supported`);
  }
}

function refused(status: number, code: string, detail: string): RefusedRequest {
  return new RefusedRequest(refusal(status, code, detail));
}
