/**
 * A request's header block as it is passed on to a station, or the reason why it cannot be. Node's
 * parser has already refused ambiguous requests. This module refuses requests that cannot be passed
 * on unchanged in meaning: two hosts, a transfer coding that the gateway would not undo, another
 * protocol. Sources: RFC 9110 §7.8 (Upgrade), RFC 9112 §3.2 (Host) and §6.1 (Transfer-Encoding).
 */
import type { IncomingMessage } from "node:http";
import { RefusedRequest, refusal } from "../../fleet/problem.ts";
import type { DeadlineHeader } from "../../fleet/settings.ts";
import type { CommandRequest } from "../../fleet/uplink.ts";
import { plainAddress } from "./caller-address.ts";
import { subjectOf, withSubject } from "./caller-certificate.ts";
import { ALLOWED_DEADLINES, readDeadline } from "./deadline-header.ts";
import { endToEnd, isHost, rawValues, targetOf, unsendable, withForwarded } from "./http-headers.ts";
import { LOOP_HEADER, type LoopGuard } from "./loop-guard.ts";
import { setRequestId } from "./request-id.ts";
import { isStreamed, refuseStream } from "./stream-request.ts";
import type { TrustedProxies } from "./trusted-proxies.ts";

/** Expect is answered here. Trailer announces trailers, which are not passed on. */
const NOT_PASSED_ON: ReadonlySet<string> = new Set(["expect", "trailer"]);

/**
 * Other versions of the same protocol. Such an offer may be ignored, and clients make it unasked
 * (RFC 9110 §7.8).
 */
const IGNORED_UPGRADE = /^\s*(h2c|http\/|tls\/)/i;

/** What a listener knows about the path of its requests. */
export interface RequestWay {
  readonly proxies: TrustedProxies;
  readonly loop: LoopGuard;
  /** How callers speak to the listener. */
  readonly protocol: "http" | "https";
  /**
   * Field in which a station is told the subject of the caller's certificate; undefined: it is not.
   */
  readonly subjectHeader: string | undefined;
}

/** A head that can be passed on without a change of meaning. */
export interface SoundHead {
  readonly method: string;
  readonly target: string;
  /** Without the fields of the connection. If the target was absolute, Host is taken from it. */
  readonly headers: [name: string, value: string][];
}

/**
 * The head of `message` as it is passed on, for listeners that add nothing to it. Throws
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

/**
 * The head of `message` as the group takes it, under the id `requestId`. Throws
 * {@link RefusedRequest}.
 */
export function requestHead(
  message: IncomingMessage,
  { proxies, loop, protocol, subjectHeader }: RequestWay,
  requestId: string,
): Omit<CommandRequest, "body" | "timeLeftMs"> {
  const { method, target, headers } = soundHead(message);
  loop.refuseReturned(message.rawHeaders);
  const caller = plainAddress(message.socket.remoteAddress);
  setRequestId(headers, requestId);
  headers.push([LOOP_HEADER, loop.name]);
  const version = isStreamed(message) ? "2" : "1.1";
  const origin = { caller, protocol, isTrusted: proxies.has(caller), version } as const;
  const told = subjectHeader === undefined ? headers : withSubject(headers, subjectHeader, message.socket);
  const upgrade = message.headers.upgrade === undefined ? undefined : tunnelAsked(message);
  const callerSubject = subjectOf(message.socket);
  const head = { method, target, headers: withForwarded(told, origin), caller, upgrade };
  return callerSubject === undefined ? head : { ...head, callerSubject };
}

/** HTTP/1.0 may come without Host. */
function setHost(headers: [string, string][], authority: string): void {
  const host = headers.find(([name]) => name.toLowerCase() === "host");
  if (host === undefined) headers.unshift(["host", authority]);
  else host[1] = authority;
}

/**
 * The deadline that the sender of `message` gives, in milliseconds since 1970; undefined if it
 * gives none. Throws {@link RefusedRequest} if it cannot be read. Any sender may use it, also under
 * one of the gateway's own names, because it can shorten only the sender's own time.
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
 * Refuses requests that no listener accepts: another version of HTTP, an invalid Host, an unknown
 * expectation.
 */
export function refuseHead(message: IncomingMessage): void {
  refuseStream(message);
  const raw = message.rawHeaders;
  const hosts = rawValues(raw, "host").length;
  if (hosts > 1 || (hosts === 0 && !isOld(message))) {
    throw refused(400, "BAD_HEADER", `Host: there are ${hosts} of it; exactly one is required`);
  }
  if (message.httpVersion !== "1.1" && message.httpVersion !== "1.0" && !isStreamed(message)) {
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

const TUNNELS: WeakMap<object, string> = new WeakMap();

/** The listener carries the connection of `message` on in the protocol that it asks for. */
export function noteTunnel(message: IncomingMessage): void {
  TUNNELS.set(message, rawValues(message.rawHeaders, "upgrade").join());
}

/** Protocols that `message` asks for and that are carried on; undefined: none. */
function tunnelAsked(message: object): string | undefined {
  return TUNNELS.get(message);
}

/**
 * True if `message` asks for another protocol than HTTP, has no body, and may ask (RFC 9110 §7.8).
 */
export function asksForTunnel({ httpVersion, rawHeaders }: IncomingMessage): boolean {
  if (httpVersion !== "1.1" || rawValues(rawHeaders, "transfer-encoding").length > 0) return false;
  if (rawValues(rawHeaders, "content-length").some((length) => Number(length) !== 0)) return false;
  const offered = rawValues(rawHeaders, "upgrade").flatMap((value) => value.split(","));
  return offered.length > 0 && offered.every((protocol) => PROTOCOL.test(protocol) && !IGNORED_UPGRADE.test(protocol));
}

/** A protocol's name, with a version or without (RFC 9110 §7.8). */
const PROTOCOL = /^\s*[!#$%&'*+.^_`|~0-9A-Za-z-]+(\/[!#$%&'*+.^_`|~0-9A-Za-z-]+)?\s*$/;

function isOld({ httpVersionMajor, httpVersion }: IncomingMessage): boolean {
  return httpVersionMajor < 1 || httpVersion === "1.0";
}

function refuseShape(message: IncomingMessage): void {
  refuseHead(message);
  const raw = message.rawHeaders;
  // Icecast's form of PUT, a protocol of its own that the parser accepts as HTTP.
  if (message.method === "SOURCE") throw refused(501, "NOT_SUPPORTED", "SOURCE is no method of HTTP");
  const codings = rawValues(raw, "transfer-encoding").join();
  if (codings !== "") {
    if (isOld(message)) throw refused(400, "BAD_HEADER", "Transfer-Encoding: HTTP/1.0 does not have it");
    if (codings.trim().toLowerCase() !== "chunked") {
      throw refused(501, "NOT_SUPPORTED", "Transfer-Encoding: only chunked is supported");
    }
  }
  const offered = rawValues(raw, "upgrade").flatMap((value) => value.split(","));
  if (offered.length === 0 || tunnelAsked(message) !== undefined) return;
  if (offered.some((protocol) => !IGNORED_UPGRADE.test(protocol))) {
    throw refused(501, "NOT_SUPPORTED", `Upgrade: ${offered.join().slice(0, 60)} is not supported`);
  }
}

function refused(status: number, code: string, detail: string): RefusedRequest {
  return new RefusedRequest(refusal(status, code, detail));
}
