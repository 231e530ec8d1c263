/**
 * Rewrites interim replies in the bytes from a station. A server may send any number of them before
 * its answer, even unasked, and a client that does not want them skips them (RFC 9110 §15.2).
 * undici skips all but one: `100 Continue` makes it end the connection, because it never asks for
 * it. Therefore each 100 is changed to 102 (*processing*), which carries no information either. To
 * do so the position of each status line must be tracked:
 *
 *   line ──1xx──► fields ──empty line──► line
 *     └──any other, or none──► final, until the next request begins
 *
 * It changes one digit and delays nothing. 101 is not an interim reply: another protocol follows
 * it.
 */

const START = Buffer.from("HTTP/1.");
/** Position of the status in `HTTP/1.1 100`. */
const STATUS_AT = 9;
const [CR, LF, SPACE, ZERO, ONE, TWO] = [0x0d, 0x0a, 0x20, 0x30, 0x31, 0x32];

export class InterimReplies {
  #state: "line" | "fields" | "final" = "final";
  /** Bytes of the status line so far, up to its status; after that, bytes of the current line. */
  #length = 0;
  #secondDigit = 0;

  /** A request is about to be sent, so the next bytes are the beginning of a reply. */
  begin(): void {
    this.#state = "line";
    this.#length = 0;
  }

  /** Changes each 100 in `chunk` to 102. */
  take(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length && this.#state !== "final"; at++) {
      if (this.#state === "line") this.#line(chunk, at);
      else this.#field(chunk[at] as number);
    }
  }

  #line(chunk: Uint8Array, at: number): void {
    const byte = chunk[at] as number;
    const place = this.#length;
    // undici's parser also skips empty lines before a status line.
    if (place === 0 && (byte === CR || byte === LF)) return;
    this.#length++;
    if (!fits(byte, place)) this.#state = "final";
    else if (place === STATUS_AT + 1) this.#secondDigit = byte;
    else if (place === STATUS_AT + 2) {
      this.#state = this.#secondDigit === ZERO && byte === ONE ? "final" : "fields";
      if (this.#secondDigit === ZERO && byte === ZERO) chunk[at] = TWO;
    }
  }

  #field(byte: number): void {
    if (byte === LF && this.#length === 0) this.begin();
    else if (byte === LF) this.#length = 0;
    else if (byte !== CR) this.#length++;
  }
}

/** True if `byte` is possible at `place` of an interim reply's status line. */
function fits(byte: number, place: number): boolean {
  if (place < START.length) return byte === START[place];
  if (place === STATUS_AT - 1) return byte === SPACE;
  if (place === STATUS_AT) return byte === ONE;
  return byte >= ZERO && byte <= 0x39;
}
