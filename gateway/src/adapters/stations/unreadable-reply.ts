/**
 * Which errors of undici mean that a station's reply cannot be read, and the reason in words. They
 * differ from a lost connection: the station is there and has answered, and will answer the same
 * again.
 */
import { errors } from "undici";

/** Longest header block of a reply, in bytes. */
export const REPLY_HEADER_BYTES: number = 64 * 1_024;

/**
 * Most fields of a reply. A caller's client may silently drop fields above its own limit (Node's is
 * 2,000).
 */
const REPLY_FIELDS = 512;

/**
 * Why these fields (name and value one after the other) are too large; undefined if they are not.
 * The parser does not count separators.
 */
export function whyTooLarge(raw: readonly { readonly length: number }[]): string | undefined {
  if (raw.length / 2 > REPLY_FIELDS) return `its header has more than ${REPLY_FIELDS} fields`;
  let bytes = 0;
  // Each field also has a colon, a space and a line end.
  for (const { length } of raw) bytes += length + 2;
  return bytes > REPLY_HEADER_BYTES ? TOO_LONG : undefined;
}

/** The parser's message for an end that came too early: the connection was lost. */
const ENDED = /Invalid EOF state/;

const TOO_LONG = `its header is longer than ${REPLY_HEADER_BYTES} bytes`;

const WORDS: ReadonlyMap<string, string> = new Map([
  ["UND_ERR_HEADERS_OVERFLOW", TOO_LONG],
  // undici asserts its assumptions, for example that a status is not below 100 and that 101 comes
  // with an upgrade.
  ["ERR_ASSERTION", "its status is not allowed there"],
  ["bad response", "it comes where none is due"],
  ["bad upgrade", "it changes to another protocol (101), which nobody asked for"],
]);

/**
 * Why the reply that ended with `error` cannot be read; undefined if the connection was lost.
 * `hasHead`: its head could be read.
 */
export function whyUnreadable(error: Error, hasHead: boolean): string | undefined {
  if (error instanceof errors.HTTPParserError)
    return ENDED.test(error.message) ? undefined : parsersWords(error.message);
  // With a head, this error means that the body ended too early; without one, that Content-Length
  // is not a number.
  if (error instanceof errors.ResponseContentLengthMismatchError)
    return hasHead ? undefined : "its Content-Length is none";
  return WORDS.get(error instanceof errors.SocketError ? error.message : codeOf(error));
}

function codeOf(error: Error): string {
  return "code" in error ? String(error.code) : "";
}

/** "Response does not match the HTTP/1.1 protocol (Invalid header value char)" */
function parsersWords(message: string): string {
  const said = /\((.+)\)$/.exec(message)?.[1];
  return said === undefined ? "it is not HTTP/1.1" : `it is not HTTP/1.1 (${said})`;
}
