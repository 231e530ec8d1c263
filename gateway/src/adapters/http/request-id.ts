/**
 * The id of a request: `x-request-id`. It is passed on to the station, is in every response, and
 * names the request in the access log and for `gsf explain`. A caller's own id is kept if it is
 * well-formed, so that one id runs through all services of a caller. Otherwise an id is made from a
 * prefix of this process and a counter: unique, cheap, and nobody who has not seen one can guess
 * another. An id is a name, not a secret, and proves nothing about its sender. `traceparent` and
 * `tracestate` (W3C Trace Context) pass through unchanged.
 */
import { randomBytes } from "node:crypto";
import type { RawHeaders } from "./http-headers.ts";

export const REQUEST_ID_HEADER = "x-request-id";
/** Carries a station's own id for the request, where it is another one than the caller's. */
const STATION_REQUEST_ID_HEADER = "gsf-station-request-id";

/**
 * Longest id of a caller that is kept, in characters: a UUID has 36, and some services join two.
 */
const MAX_REQUEST_ID = 128;
const WELL_FORMED = /^[\x21-\x7e]+$/;

export class RequestIds {
  readonly #prefix: string;
  #count = 0;

  /** `prefix`: distinguishes this process from all others. Default: 48 random bits. */
  constructor(prefix: string = randomBytes(6).toString("hex")) {
    this.#prefix = prefix;
  }

  /** A new id. */
  next(): string {
    return `${this.#prefix}-${(++this.#count).toString(36)}`;
  }

  /** The id in `raw`, if there is exactly one and it is well-formed; otherwise a new one. */
  of(raw: RawHeaders): string {
    let given: string | undefined;
    for (let at = 0; at + 1 < raw.length; at += 2) {
      const name = raw[at] as string;
      if (name.length !== REQUEST_ID_HEADER.length || name.toLowerCase() !== REQUEST_ID_HEADER) continue;
      if (given !== undefined) return this.next();
      given = raw[at + 1] as string;
    }
    return given !== undefined && isRequestId(given) ? given : this.next();
  }
}

function isRequestId(text: string): boolean {
  return text.length <= MAX_REQUEST_ID && WELL_FORMED.test(text);
}

/** Makes `id` the only request id in `headers` (pairs), as it goes out to a station. */
export function setRequestId(headers: [name: string, value: string][], id: string): void {
  for (let at = headers.length - 1; at >= 0; at--) {
    const [name, value] = headers[at] as [string, string];
    if (name.length !== REQUEST_ID_HEADER.length || name.toLowerCase() !== REQUEST_ID_HEADER) continue;
    // The caller's own field stays as it was spelt, and where it was.
    if (value === id) return;
    headers.splice(at, 1);
  }
  headers.push([REQUEST_ID_HEADER, id]);
}

/**
 * Makes `id` the only request id in `headers` of a reply, names and values alternating. If the
 * station replied with another one, that is kept under a name of its own.
 */
export function answerWithId(headers: string[], id: string): void {
  for (let at = headers.length - 2; at >= 0; at -= 2) {
    const name = headers[at] as string;
    if (name.length !== REQUEST_ID_HEADER.length || name.toLowerCase() !== REQUEST_ID_HEADER) continue;
    const [, value] = headers.splice(at, 2) as [string, string];
    if (value !== id) headers.push(STATION_REQUEST_ID_HEADER, value);
  }
  headers.push(REQUEST_ID_HEADER, id);
}
