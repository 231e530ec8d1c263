/**
 * The answers of all groups in one table of the record store. The key of a record is the answer's
 * place (`place.ts`) and whose it is, so the table is in the order in which answers expire. It is
 * gone through once, at the start, for an index in memory (`group-keys.ts`); after that an answer
 * is read only when it is asked for again. Records of groups that are not configured any more
 * expire like all others.
 *
 * While a commit has been under way for longer than `SLOW_MS`, the store counts as slow. Then and
 * after an error the users of this class give the station's answer without waiting: the service
 * matters more than the memory of a key.
 */
import type { Clock } from "ground-station-failover";
import type { RecordChange, RecordStore, StoredRecord } from "../record-store.ts";
import { bound, type PlacedKey, placeOf, readRecordKey, recordKeyOf, sequenceOf } from "./place.ts";

const TABLE = "idempotency-answers";

/** Longest time for which an answer waits until it is durable. */
export const SLOW_MS = 1_000;
/** Records read at once at the start. */
const PAGE = 250;
/** How often expired records are removed, in ms. */
const SWEEP_MS = 60_000;

export interface AnswerStoreParts {
  readonly records: RecordStore;
  readonly clock: Clock;
}

/** Called at the start for every answer that is kept and has not expired. */
export type KeptKeyListener = (group: string, key: string, place: string) => void;

export class AnswerStore {
  readonly #records: RecordStore;
  readonly #clock: Clock;
  #sequence = 0;
  #sweptMs = Number.NEGATIVE_INFINITY;
  #overdue = 0;
  /** False while nothing was ever kept, so that there is nothing to remove. */
  #mayHold = false;

  constructor({ records, clock }: AnswerStoreParts) {
    this.#records = records;
    this.#clock = clock;
  }

  /** The time of the calendar, which a restart does not change. */
  get wallMs(): number {
    return this.#clock.wallMs?.() ?? this.#clock.nowMs();
  }

  /** True while a commit takes longer than an answer may wait for it. */
  get isSlow(): boolean {
    return this.#overdue > 0;
  }

  /** Reads which keys were answered. Rejects with the store's error. */
  async load(onKey: KeptKeyListener): Promise<void> {
    let after = bound(this.wallMs);
    this.#mayHold = (await this.#records.scan(TABLE, { limit: 1 })).length > 0;
    for (;;) {
      const page = await this.#records.scan(TABLE, { after, limit: PAGE });
      for (const record of page) this.#noteLoaded(record, onKey);
      const last = page.at(-1);
      if (last === undefined || page.length < PAGE) return;
      after = last.key;
    }
  }

  /** The place for an answer of `bytes` that expires at `expiresMs` of the calendar. */
  nextPlace(expiresMs: number, bytes: number): string {
    return placeOf(expiresMs, this.#sequence++, bytes);
  }

  /**
   * Keeps `answer` and removes those that are `forgotten`. Resolves when that is durable; rejects
   * with the store's error.
   */
  keep(group: string, at: PlacedKey, answer: Uint8Array, forgotten: readonly PlacedKey[]): Promise<void> {
    this.#mayHold = true;
    const changes: RecordChange[] = [{ type: "put", table: TABLE, key: recordKeyOf(group, at), value: answer }];
    for (const other of forgotten) changes.push({ type: "remove", table: TABLE, key: recordKeyOf(group, other) });
    const nowMs = this.#clock.nowMs();
    if (nowMs - this.#sweptMs >= SWEEP_MS) {
      this.#sweptMs = nowMs;
      changes.push(this.#expired());
    }
    return this.#records.commit(changes);
  }

  /** The answer at a place; undefined if it is gone. Rejects with the store's error. */
  read(group: string, at: PlacedKey): Promise<Uint8Array | undefined> {
    return this.#records.get(TABLE, recordKeyOf(group, at));
  }

  /** An answer has waited for `kept` for as long as it may. */
  noteOverdue(kept: Promise<unknown>): void {
    this.#overdue++;
    const ended = (): void => void this.#overdue--;
    kept.then(ended, ended);
  }

  /** Removes what has expired, now and then, until `signal` is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#clock.sleepUntil(this.#clock.nowMs() + SWEEP_MS, signal);
      } catch {
        return;
      }
      if (!this.#mayHold || this.#clock.nowMs() - this.#sweptMs < SWEEP_MS) continue;
      this.#sweptMs = this.#clock.nowMs();
      // Not removed now: the next sweep tries again.
      await this.#sweep().catch(() => undefined);
    }
  }

  async #sweep(): Promise<void> {
    const [oldest] = await this.#records.scan(TABLE, { below: bound(this.wallMs), limit: 1 });
    if (oldest !== undefined) await this.#records.commit([this.#expired()]);
  }

  #expired(): RecordChange {
    return { type: "remove-below", table: TABLE, below: bound(this.wallMs) };
  }

  #noteLoaded(record: StoredRecord, onKey: KeptKeyListener): void {
    const read = readRecordKey(record.key);
    if (read === undefined) return;
    const { group, key, place } = read;
    this.#sequence = Math.max(this.#sequence, sequenceOf(place) + 1);
    onKey(group, key, place);
  }
}
