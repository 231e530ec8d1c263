/**
 * What the store and its thread say to each other: one request at a time, answered in order.
 */
import type { RecordChange, ScanOptions, StoredRecord } from "../../fleet/record-store.ts";
import type { CommitOutcome, FileFigures } from "./sqlite-file.ts";

/** What the thread is started with. */
export interface ThreadData {
  readonly directory: string;
  readonly maxBytes: number;
}

export type Request =
  | { readonly type: "commit"; readonly commits: readonly (readonly RecordChange[])[] }
  | { readonly type: "look-for-room" }
  | { readonly type: "get"; readonly table: string; readonly key: string }
  | { readonly type: "scan"; readonly table: string; readonly options: ScanOptions }
  | { readonly type: "close" };

/** The result of each type of request. `error`: the request threw, and nothing more is known. */
export type Reply = { readonly figures?: FileFigures } & (
  | { readonly type: "outcomes"; readonly outcomes: readonly CommitOutcome[] }
  | { readonly type: "value"; readonly value: Uint8Array | undefined }
  | { readonly type: "records"; readonly records: readonly StoredRecord[] }
  | { readonly type: "closed" }
  | { readonly type: "error"; readonly detail: string }
);
