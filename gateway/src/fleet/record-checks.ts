/** Mistakes in the use of the store, found where they are made and not in its thread. */
import type { RecordChange, ScanOptions } from "./record-store.ts";

/** Longer keys are no keys; SQLite would take them. */
const MAX_KEY_LENGTH = 4_096;
const MAX_SCAN = 10_000;
/** What a change takes beside its bytes. */
const CHANGE_BYTES = 256;

export function checkChanges(changes: readonly RecordChange[]): void {
  for (const change of changes) {
    const key = change.type === "remove-below" ? change.below : change.key;
    if (change.table === "") throw new RangeError("a table has a name");
    if (key.length > MAX_KEY_LENGTH)
      throw new RangeError(`a key has ${key.length} code units; at most ${MAX_KEY_LENGTH} are allowed`);
  }
}

export function checkScan({ limit }: ScanOptions): void {
  if (!(Number.isInteger(limit) && limit >= 1 && limit <= MAX_SCAN))
    throw new RangeError(`limit is ${limit}; a whole number from 1 to ${MAX_SCAN} is allowed`);
}

/** The memory that `changes` hold until they are durable. */
export function heldBytes(changes: readonly RecordChange[]): number {
  let bytes = 0;
  for (const change of changes) {
    const key = change.type === "remove-below" ? change.below : change.key;
    bytes += CHANGE_BYTES + 2 * key.length + (change.type === "put" ? change.value.byteLength : 0);
  }
  return bytes;
}
