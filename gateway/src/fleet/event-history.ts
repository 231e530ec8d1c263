/**
 * The events of the past, also from before a restart. Events get ids that rise with time, across
 * restarts and also if the clock is set back; an id is the time of day in milliseconds and a count,
 * so that a time can be looked up. Events are stored in batches, at most a second later than they
 * happen: a sync for each would slow down the store when much happens. So a `kill -9` can lose the
 * events of the last second, but never an id. What is stored is bounded in number, bytes and age.
 * A store that is full or broken stops nothing; the newest events are then kept in memory only.
 */
import type { Clock } from "ground-station-failover";
import { type RecordChange, type RecordStore, RecordStoreError } from "./record-store.ts";

/** An event of the past: its id, and the event as JSON text. */
export interface PastEvent {
  readonly id: string;
  readonly text: string;
}

export interface EventHistoryOptions {
  readonly clock: Clock;
  /** Time of day, in milliseconds since 1970. */
  readonly timeOfDayMs: () => number;
  /** Where events outlive the process. Default: nowhere. */
  readonly records?: RecordStore | undefined;
  /** Most events that are stored. Default 20,000: weeks of a quiet fleet. */
  readonly maxEvents?: number;
  /** Most bytes that are stored. Default 16 MiB. */
  readonly maxBytes?: number;
  /** Oldest event that is stored, in ms. Default 30 days. */
  readonly maxAgeMs?: number;
  /** How many of the newest are in memory, too. Default 2,000, in at most `keptBytes`. */
  readonly kept?: number;
  /** Default 4 MiB. */
  readonly keptBytes?: number;
  /** Longest time from an event until it is given to the store, in ms. Default 1,000. */
  readonly flushMs?: number;
}

export interface EventHistoryStatus {
  /** `memory`: there is no store. `failed`: it broke, and events are in memory only. */
  readonly state: "stored" | "memory" | "full" | "failed";
  /** Events that are stored, and their bytes; undefined while they are being counted. */
  readonly events: number | undefined;
  readonly bytes: number | undefined;
  /** Events that were never stored since the start, because the store did not take them. */
  readonly lost: number;
  readonly oldest: string | undefined;
  readonly newest: string | undefined;
}

const TABLE = "events";
const TIME_DIGITS = 9;
const COUNT_DIGITS = 5;
const EVENT_ID = /^[0-9a-z]{9}-\d{5}$/;
/** Most events and bytes of one commit. */
const BATCH_EVENTS = 500;
const BATCH_BYTES = 256 * 1_024;
/** Pause after a commit that the store refused, in ms. */
const RETRY_MS = 5_000;
/** Events are forgotten in runs of this many. */
const RUN_EVENTS = 256;
const PAGE_EVENTS = 500;
/** Most commits at the end; a store that is busy for so long is not waited for. */
const MAX_CLOSING_COMMITS = 20;

/** A run of stored events, for counting. */
interface Run {
  readonly first: string;
  events: number;
  bytes: number;
}

export function isEventId(text: string): boolean {
  return EVENT_ID.test(text);
}

/** Greater than the ids of all events before that time of day, and less than all others. */
export function idBefore(atMs: number): string {
  return Math.max(0, Math.floor(atMs)).toString(36).padStart(TIME_DIGITS, "0");
}

/** When the event happened, in milliseconds since 1970. */
export function timeOfEvent(id: string): number {
  return Number.parseInt(id.slice(0, TIME_DIGITS), 36);
}

export class EventHistory {
  readonly #clock: Clock;
  readonly #timeOfDayMs: () => number;
  readonly #options: Required<Omit<EventHistoryOptions, "clock" | "timeOfDayMs" | "records">>;
  #records: RecordStore | undefined;
  #state: EventHistoryStatus["state"];
  #lastMs = 0;
  #count = -1;
  /** The newest events, in order. */
  readonly #recent: PastEvent[] = [];
  #recentBytes = 0;
  /** All events up to this one are in the store. */
  #storedTo = "";
  #timer: Disposable | undefined;
  #committing: Promise<void> | undefined;
  #lost = 0;
  /** Oldest first; undefined until the stored events have been counted. */
  #runs: Run[] | undefined;
  /** No event after this id was forgotten. */
  #completeFrom = "";

  constructor(options: EventHistoryOptions) {
    const { clock, timeOfDayMs, records } = options;
    this.#clock = clock;
    this.#timeOfDayMs = timeOfDayMs;
    this.#records = records;
    this.#state = records === undefined ? "memory" : "stored";
    this.#options = {
      maxEvents: options.maxEvents ?? 20_000,
      maxBytes: options.maxBytes ?? 16 * 1_024 ** 2,
      maxAgeMs: options.maxAgeMs ?? 30 * 24 * 3_600_000,
      kept: options.kept ?? 2_000,
      keptBytes: options.keptBytes ?? 4 * 1_024 ** 2,
      flushMs: options.flushMs ?? 1_000,
    };
    this.#completeFrom = idBefore(timeOfDayMs());
  }

  get status(): EventHistoryStatus {
    const runs = this.#runs;
    return {
      state: this.#state,
      events: runs?.reduce((sum, { events }) => sum + events, 0),
      bytes: runs?.reduce((sum, { bytes }) => sum + bytes, 0),
      lost: this.#lost,
      oldest: runs?.[0]?.first ?? this.#recent[0]?.id,
      newest: this.newest,
    };
  }

  /** Id of the newest event; undefined if there is none. */
  get newest(): string | undefined {
    return this.#recent.at(-1)?.id ?? (this.#storedTo === "" ? undefined : this.#storedTo);
  }

  /** Reads where the ids go on. Call it before the first event. Never rejects. */
  async open(): Promise<void> {
    try {
      const [newest] = (await this.#records?.scan(TABLE, { limit: 1, reverse: true })) ?? [];
      if (newest === undefined || !isEventId(newest.key)) return;
      this.#storedTo = newest.key;
      this.#lastMs = timeOfEvent(newest.key);
      this.#count = Number(newest.key.slice(TIME_DIGITS + 1));
      const [oldest] = (await this.#records?.scan(TABLE, { limit: 1 })) ?? [];
      if (oldest !== undefined) this.#completeFrom = oldest.key;
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Counts what is stored, so that it can be bounded. Call it once after {@link open}. */
  async countStored(): Promise<void> {
    const runs: Run[] = [];
    let after = "";
    try {
      for (;;) {
        const page =
          (await this.#records?.scan(TABLE, { after, below: `${this.#storedTo}~`, limit: PAGE_EVENTS })) ?? [];
        for (const { key, value } of page) addTo(runs, key, value.length);
        after = page.at(-1)?.key ?? after;
        if (page.length < PAGE_EVENTS) break;
      }
      for (const { id, text } of this.#recent) if (id > after && id <= this.#storedTo) addTo(runs, id, text.length);
      this.#runs = runs;
    } catch (error) {
      this.#fail(error);
    }
  }

  /** The id of the event that happens now. */
  nextId(): string {
    const nowMs = Math.floor(this.#timeOfDayMs());
    if (nowMs > this.#lastMs) {
      this.#lastMs = nowMs;
      this.#count = 0;
    } else if (++this.#count >= 10 ** COUNT_DIGITS) {
      this.#lastMs++;
      this.#count = 0;
    }
    return `${idBefore(this.#lastMs)}-${String(this.#count).padStart(COUNT_DIGITS, "0")}`;
  }

  /** Keeps an event: `id` from {@link nextId}, in order. */
  note(id: string, text: string): void {
    this.#recent.push({ id, text });
    this.#recentBytes += text.length;
    if (this.#recent.length > this.#options.kept || this.#recentBytes > this.#options.keptBytes) this.#trim();
    if (this.#records !== undefined) this.#flushIn(this.#options.flushMs);
  }

  /** The events after `id`, oldest first, at most `limit`. */
  async after(id: string, limit: number): Promise<readonly PastEvent[]> {
    const first = this.#recent[0]?.id;
    if (first !== undefined && id >= first) return this.#recentAfter(id, limit);
    const stored = await this.#scan({ after: id, limit });
    if (stored.length >= limit) return stored;
    return [...stored, ...this.#recentAfter(stored.at(-1)?.id ?? id, limit - stored.length)];
  }

  /** The events before `id` (undefined: all), newest first, at most `limit`. */
  async before(id: string | undefined, limit: number): Promise<readonly PastEvent[]> {
    const below = id ?? "~";
    const recent = this.#recent.filter((event) => event.id < below).toReversed();
    if (recent.length >= limit) return recent.slice(0, limit);
    const stored = await this.#scan({ below: recent.at(-1)?.id ?? below, limit: limit - recent.length, reverse: true });
    return [...recent, ...stored];
  }

  /** True if no event after `id` has been forgotten. */
  isCompleteAfter(id: string): boolean {
    return id >= this.#completeFrom;
  }

  /** Stores what is not stored yet. Resolves when that is done or has failed. */
  async close(): Promise<void> {
    await this.#committing;
    for (let tries = 0; tries < MAX_CLOSING_COMMITS && this.#state === "stored"; tries++) {
      if (this.#pending().length === 0) break;
      this.#flush();
      await this.#committing;
    }
    this.#timer?.[Symbol.dispose]();
    this.#records = undefined;
  }

  #recentAfter(id: string, limit: number): readonly PastEvent[] {
    const place = this.#recent.findIndex((event) => event.id > id);
    return place < 0 ? [] : this.#recent.slice(place, place + limit);
  }

  async #scan(options: { after?: string; below?: string; limit: number; reverse?: boolean }): Promise<PastEvent[]> {
    try {
      const found = (await this.#records?.scan(TABLE, options)) ?? [];
      return found.map(({ key, value }) => ({ id: key, text: decoder.decode(value) }));
    } catch {
      // What is in memory remains.
      return [];
    }
  }

  #flushIn(ms: number): void {
    this.#timer ??= this.#clock.at(this.#clock.nowMs() + ms, () => {
      this.#timer = undefined;
      this.#flush();
    });
  }

  #pending(): readonly PastEvent[] {
    const place = this.#recent.findIndex((event) => event.id > this.#storedTo);
    if (place < 0) return [];
    let end = place;
    for (let bytes = 0; end < this.#recent.length && end - place < BATCH_EVENTS && bytes < BATCH_BYTES; end++)
      bytes += this.#recent[end]?.text.length ?? 0;
    return this.#recent.slice(place, end);
  }

  #flush(): void {
    const records = this.#records;
    const batch = this.#pending();
    if (records === undefined || this.#committing !== undefined || batch.length === 0) return;
    const changes: RecordChange[] = batch.map(({ id, text }) => ({
      ...{ type: "put", table: TABLE, key: id },
      value: encoder.encode(text),
    }));
    const below = this.#dueBelow();
    if (below !== undefined) changes.push({ type: "remove-below", table: TABLE, below });
    this.#committing = records
      .commit(changes)
      .then(
        () => this.#stored(batch, below),
        (error: unknown) => this.#fail(error),
      )
      .finally(() => {
        this.#committing = undefined;
        const isWell = this.#state === "stored";
        if (this.#records !== undefined && this.#pending().length > 0) this.#flushIn(isWell ? 0 : RETRY_MS);
      });
  }

  #stored(batch: readonly PastEvent[], below: string | undefined): void {
    this.#state = "stored";
    this.#storedTo = batch.at(-1)?.id ?? this.#storedTo;
    if (this.#runs !== undefined) for (const { id, text } of batch) addTo(this.#runs, id, text.length);
    if (below === undefined) return;
    this.#runs = this.#runs?.filter(({ first }) => first >= below);
    if (below > this.#completeFrom) this.#completeFrom = below;
  }

  /** The oldest events that may stay begin here; undefined if all may. */
  #dueBelow(): string | undefined {
    const { maxEvents, maxBytes, maxAgeMs } = this.#options;
    const runs = this.#runs ?? [];
    let events = runs.reduce((sum, run) => sum + run.events, 0);
    let bytes = runs.reduce((sum, run) => sum + run.bytes, 0);
    const oldest = idBefore(this.#lastMs - maxAgeMs);
    let below: string | undefined;
    for (const [place, run] of runs.entries()) {
      const next = runs[place + 1];
      if (next === undefined) break;
      if (events <= maxEvents && bytes <= maxBytes && next.first > oldest && this.#state !== "full") break;
      below = next.first;
      events -= run.events;
      bytes -= run.bytes;
      // A full store needs room; a tenth is a beginning.
      if (this.#state === "full" && place >= runs.length / 10) break;
    }
    return below;
  }

  #fail(error: unknown): void {
    const code = error instanceof RecordStoreError ? error.code : "failed";
    if (code === "busy") return;
    this.#state = code === "full" ? "full" : "failed";
    if (this.#state === "failed") this.#records = undefined;
  }

  #trim(): void {
    let dropped = 0;
    const { kept, keptBytes } = this.#options;
    // A quarter at once, because taking one off the front moves all others.
    while (this.#recent.length - dropped > kept * 0.75 || this.#recentBytes > keptBytes) {
      const event = this.#recent[dropped++];
      if (event === undefined) break;
      this.#recentBytes -= event.text.length;
      if (event.id <= this.#storedTo) continue;
      if (this.#records !== undefined || this.#state !== "memory") this.#lost++;
      this.#completeFrom = event.id;
    }
    this.#recent.splice(0, dropped);
  }
}

function addTo(runs: Run[], id: string, bytes: number): void {
  const newest = runs.at(-1);
  if (newest === undefined || newest.events >= RUN_EVENTS) runs.push({ first: id, events: 1, bytes });
  else {
    newest.events++;
    newest.bytes += bytes;
  }
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
