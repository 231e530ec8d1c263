/**
 * Interim replies of a station, as its bytes come in. A server may send any number of them before
 * its answer, asked for or not, and a client that does not want them skips them (RFC 9110 §15.2).
 * undici skips all but one: `100 Continue` ends the connection, because it never asks for it. So
 * each 100 is made a 102 (*processing*), which says as little. That needs the place of each status
 * line:
 *
 *   line ──1xx──► fields ──empty line──► line
 *     └──any other, or none──► final, until the next request begins
 *
 * It changes one digit and holds nothing back. 101 is no interim reply: another protocol follows
 * it.
 */

const START = Buffer.from("HTTP/1.");
/** Where the status of `HTTP/1.1 100` stands. */
const STATUS_AT = 9;
const [CR, LF, SPACE, ZERO, ONE, TWO] = [0x0d, 0x0a, 0x20, 0x30, 0x31, 0x32];

export class InterimReplies {
  #state: "line" | "fields" | "final" = "final";
  /**
   * Bytes of the status line so far, up to its status; after that, of the line that is being read.
   */
  #length = 0;
  #secondDigit = 0;

  /** A request is about to go out: what comes next is the beginning of a reply. */
  begin(): void {
    this.#state = "line";
    this.#length = 0;
  }

  /** Makes each 100 in `chunk` a 102. */
  take(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length && this.#state !== "final"; at++) {
      if (this.#state === "line") this.#line(chunk, at);
      else this.#field(chunk[at] as number);
    }
  }

  #line(chunk: Uint8Array, at: number): void {
    const byte = chunk[at] as number;
    const place = this.#length;
    // The parser skips empty lines before a status line, too.
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

/** Can `byte` stand at `place` of the status line of an interim reply? */
function fits(byte: number, place: number): boolean {
  if (place < START.length) return byte === START[place];
  if (place === STATUS_AT - 1) return byte === SPACE;
  if (place === STATUS_AT) return byte === ONE;
  return byte >= ZERO && byte <= 0x39;
}
