/**
 * Tells a station who the caller is, by the subject of its certificate (mTLS): in one header field
 * that only the gateway may set. The listener has checked the certificate before the first request.
 * A caller's own field of that name, in any spelling that servers read as the same, is taken out;
 * otherwise anyone could be anyone.
 */
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { oneLine } from "../tls/certificates.ts";
import { folded } from "./http-headers.ts";
import { carrierOf } from "./secured-sockets.ts";

/** A longer subject is not told: a station could not tell a cut one from another. */
const MAX_SUBJECT = 2_048;

const KNOWN: WeakMap<object, string | undefined> = new WeakMap();

/**
 * `headers` with the subject of the caller at `socket` in the field `name`, or without the field.
 */
export function withSubject(
  headers: readonly [name: string, value: string][],
  name: string,
  socket: Socket,
): [name: string, value: string][] {
  const own = name.toLowerCase();
  const kept = headers.filter(([given]) => folded(given.toLowerCase()) !== own);
  const subject = subjectOf(socket);
  if (subject !== undefined) kept.push([name, subject]);
  return kept;
}

/** The subject of the peer's certificate, if it was verified; computed once for a connection. */
export function subjectOf(given: Socket): string | undefined {
  const socket = carrierOf(given);
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined;
  if (KNOWN.has(socket)) return KNOWN.get(socket);
  const certificate = socket.getPeerX509Certificate();
  const text = certificate === undefined ? "" : oneLine(certificate.subject);
  const subject = text === "" || text.length > MAX_SUBJECT ? undefined : text;
  KNOWN.set(socket, subject);
  return subject;
}
