/**
 * Keys of records as bytes whose order is that of the keys. Strings are ordered by UTF-16 code
 * units, UTF-8 by code points; the two differ where surrogates stand beside U+E000 … U+FFFF. So a
 * surrogate is written as three bytes of its own (CESU-8, Unicode Technical Report 26), which also
 * keeps half of a pair. Keys without surrogates are plain UTF-8, so that a person can read them.
 */
const SURROGATE = /[\ud800-\udfff]/;

export function keyBytes(key: string): Uint8Array {
  if (!SURROGATE.test(key)) return Buffer.from(key, "utf8");
  return Buffer.concat(
    [...units(key)].map((unit) => (SURROGATE.test(unit) ? surrogateBytes(unit) : Buffer.from(unit))),
  );
}

/** The key in `bytes`; undefined if they are none, because they are damaged. */
export function keyIn(bytes: Uint8Array): string | undefined {
  let key = "";
  let from = 0;
  for (let at = 0; at < bytes.length; at++) {
    // Only surrogates begin with 0xED and have a second byte from 0xA0.
    if (bytes[at] !== 0xed || (bytes[at + 1] ?? 0) < 0xa0) continue;
    key += Buffer.from(bytes.subarray(from, at)).toString("utf8");
    key += String.fromCharCode(0xd000 | (((bytes[at + 1] as number) & 0x3f) << 6) | ((bytes[at + 2] ?? 0) & 0x3f));
    from = at + 3;
    at += 2;
  }
  key += Buffer.from(bytes.subarray(from)).toString("utf8");
  return Buffer.compare(keyBytes(key), bytes) === 0 ? key : undefined;
}

/** Code units, not code points: half of a pair is a unit of its own. */
function* units(key: string): Generator<string, void, void> {
  for (let at = 0; at < key.length; at++) yield key.charAt(at);
}

function surrogateBytes(unit: string): Uint8Array {
  const code = unit.charCodeAt(0);
  return Uint8Array.of(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 0x3f), 0x80 | (code & 0x3f));
}
