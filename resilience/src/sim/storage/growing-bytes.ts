/**
 * The bytes of one file, in a buffer with spare room: its room doubles when it is full, so that a
 * journal of 100,000 appends costs time for its bytes and not for 100,000 copies of itself. Bytes
 * between the end and a later write behind it read as zeros, as in a file with a hole.
 */

/** Room of a file at its first write. */
const FIRST_ROOM_BYTES = 64;

export class GrowingBytes {
  #buffer: Uint8Array = new Uint8Array(0);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The bytes themselves, not a copy: valid until the next change. */
  view(): Uint8Array {
    return this.#buffer.subarray(0, this.#size);
  }

  /** Cuts to `size`, or grows to it with zeros. */
  resize(size: number): void {
    this.#reserve(size);
    if (size > this.#size) this.#buffer.fill(0, this.#size, size);
    this.#size = size;
  }

  /** Writes `bytes` from the byte `at` on, over what is there and beyond the end. */
  put(at: number, bytes: Uint8Array): void {
    const end = at + bytes.length;
    if (end > this.#size) this.resize(end);
    this.#buffer.set(bytes, at);
  }

  /** Becomes equal to `other`. */
  become(other: GrowingBytes): void {
    this.#size = 0;
    this.put(0, other.view());
  }

  #reserve(size: number): void {
    if (size <= this.#buffer.length) return;
    const roomy = new Uint8Array(Math.max(size, this.#buffer.length * 2, FIRST_ROOM_BYTES));
    roomy.set(this.view());
    this.#buffer = roomy;
  }
}
