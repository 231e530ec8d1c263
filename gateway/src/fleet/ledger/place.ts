/**
 * Where an answer is kept: the beginning of the key of its record in the store. First comes the
 * instant at which the answer expires, so that the records are ordered by it and one command
 * removes all that have expired; last comes the size of the record, so that the index in memory
 * need not hold it. All numbers are to base 36, padded where order matters. Behind the place, the
 * key of the record says whose answer it is, so that the records can be indexed without being
 * decoded.
 */

/** Digits of an instant in ms since 1970: enough until the year 5188. */
const INSTANT_DIGITS = 9;
const SEQUENCE_DIGITS = 8;

/** The place of an answer of `bytes`; `sequence` tells apart those that expire together. */
export function placeOf(expiresMs: number, sequence: number, bytes: number): string {
  const order = sequence.toString(36).padStart(SEQUENCE_DIGITS, "0");
  return `${bound(expiresMs)}.${order}.${bytes.toString(36)}`;
}

/** All places that have expired at `wallMs` are below this. */
export function bound(wallMs: number): string {
  return Math.max(0, Math.floor(wallMs)).toString(36).padStart(INSTANT_DIGITS, "0");
}

/** When the answer at `place` expires, in ms since 1970. */
export function expiryOf(place: string): number {
  return Number.parseInt(place.slice(0, INSTANT_DIGITS), 36);
}

/** The sequence number of `place`. */
export function sequenceOf(place: string): number {
  const from = INSTANT_DIGITS + 1;
  return Number.parseInt(place.slice(from, from + SEQUENCE_DIGITS), 36);
}

/** The size of the record at `place`. */
export function bytesAt(place: string): number {
  return Number.parseInt(place.slice(INSTANT_DIGITS + SEQUENCE_DIGITS + 2), 36);
}

/** An answer of a group: its place, and the digest of the key that it answers. */
export interface PlacedKey {
  readonly place: string;
  readonly key: string;
}

const RECORD_KEY = /^([0-9a-z]{9}\.[0-9a-z]{8}\.[0-9a-z]{1,8})\.([^.]+)\.(.+)$/s;

/** The key of the record with an answer of `group`. */
export function recordKeyOf(group: string, { place, key }: PlacedKey): string {
  return `${place}.${key}.${group}`;
}

/** What the key of a record says; undefined if it is none of an answer. */
export function readRecordKey(text: string): (PlacedKey & { readonly group: string }) | undefined {
  const [, place, key, group] = RECORD_KEY.exec(text) ?? [];
  return place === undefined || key === undefined || group === undefined ? undefined : { place, key, group };
}
