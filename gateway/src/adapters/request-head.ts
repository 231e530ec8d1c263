/**
 * A request's header block, as it goes on to a station, or the reason why it cannot. Node's parser has refused by now
 * what cannot be read one way only; here is refused what could not be passed on truthfully: two hosts, a transfer coding
 * that we would not undo, another protocol. Sources: RFC 9110 §7.8 (Upgrade), RFC 9112 §3.2 (Host) and §6.1
 * (Transfer-Encoding).
 */
import type { IncomingMessage } from "node:http";
import { RefusedRequest, refusal } from "../fleet/problem.ts";
import type { DeadlineHeader } from "../fleet/settings.ts";
import type { CommandRequest } from "../fleet/uplink.ts";
import { plainAddress } from "./caller-address.ts";
import { ALLOWED_DEADLINES, readDeadline } from "./deadline-header.ts";
import { endToEnd, rawValues, targetOf, unsendable, withForwarded } from "./http-headers.ts";

/** Expect is answered here; Trailer announces what is not passed on. */
const NOT_PASSED_ON: ReadonlySet<string> = new Set(["expect", "trailer"]);

/** Other ways to say the same: an offer of them may be ignored, and clients make it unasked (RFC 9110 §7.8). */
const IGNORED_UPGRADE = /^\s*(h2c|http\/|tls\/)/i;

/** The head of `message`; throws {@link RefusedRequest}. */
export function requestHead(message: IncomingMessage): Omit<CommandRequest, "body" | "timeLeftMs"> {
  refuseShape(message);
  const { method, url } = message as { method: string; url: string };
  const at = targetOf(method, url);
  if (at === undefined) {
    throw refused(400, "BAD_TARGET", "the request target must be a path, an absolute http address, or * for OPTIONS");
  }
  const headers = endToEnd(message.rawHeaders, NOT_PASSED_ON);
  const bad = unsendable(headers);
  if (bad !== undefined) throw refused(400, "BAD_HEADER", `${bad}: there are control characters in it`);
  if (at.authority !== undefined) {
    for (const field of headers) if (field[0].toLowerCase() === "host") field[1] = at.authority;
  }
  const caller = plainAddress(message.socket.remoteAddress);
  return { method, target: at.target, headers: withForwarded(headers, caller, "http"), caller };
}

/**
 * The instant until which the sender of `message` wants it, in milliseconds since 1970; undefined where it says none.
 * Throws {@link RefusedRequest} where it cannot be read. Anybody may send it, also under a name of ours: it shortens
 * nobody's time but their own.
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

function refuseShape(message: IncomingMessage): void {
  const raw = message.rawHeaders;
  const hosts = rawValues(raw, "host").length;
  const old = message.httpVersionMajor < 1 || message.httpVersion === "1.0";
  if (hosts > 1 || (hosts === 0 && !old)) {
    throw refused(400, "BAD_HEADER", `Host: there are ${hosts} of it; exactly one is required`);
  }
  if (message.httpVersion !== "1.1" && message.httpVersion !== "1.0") {
    throw refused(505, "NOT_SUPPORTED", `HTTP/${message.httpVersion} is not supported; allowed are 1.1 and 1.0`);
  }
  // Icecast's way to say PUT, in a protocol of its own that the parser takes for ours.
  if (message.method === "SOURCE") throw refused(501, "NOT_SUPPORTED", "SOURCE is no method of HTTP");
  const host = rawValues(raw, "host")[0];
  if (host !== undefined && !isHost(host)) {
    throw refused(400, "BAD_HEADER", `Host: "${host.slice(0, 60)}" is no host, or host and port`);
  }
  const expected = rawValues(raw, "expect");
  if (expected.some((value) => value.toLowerCase() !== "100-continue")) {
    throw refused(417, "BAD_HEADER", "Expect: only 100-continue is known");
  }
  const codings = rawValues(raw, "transfer-encoding").join();
  if (codings !== "") {
    if (old) throw refused(400, "BAD_HEADER", "Transfer-Encoding: HTTP/1.0 does not have it");
    if (codings.trim().toLowerCase() !== "chunked") {
      throw refused(501, "NOT_SUPPORTED", "Transfer-Encoding: only chunked is supported");
    }
  }
  const offered = rawValues(raw, "upgrade").flatMap((value) => value.split(","));
  if (offered.some((protocol) => !IGNORED_UPGRADE.test(protocol))) {
    throw refused(501, "NOT_SUPPORTED", `Upgrade: ${offered.join().slice(0, 60)} is not supported`);
  }
}

/** A name, an address or nothing, and a port or none (RFC 9110 §7.2, RFC 3986 §3.2.2). */
function isHost(value: string): boolean {
  const parts = /^(?:\[[0-9a-fA-F:.]+\]|(?:[\w.~!$&'()*+,;=-]|%[0-9a-fA-F]{2})*)(?::(\d*))?$/.exec(value);
  return parts !== null && Number(parts[1] ?? 0) <= 65_535;
}

function refused(status: number, code: string, detail: string): RefusedRequest {
  return new RefusedRequest(refusal(status, code, detail));
}
