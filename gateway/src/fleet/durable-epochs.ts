/**
 * Epochs that outlive the process. A promotion must not wait for a disk, and an epoch must be
 * durable before it is used; so each group's next epoch is stored before it is needed. The record
 * of a group says up to which epoch it may have issued; a restarted gateway continues above it.
 *
 *   stored up to 3:  2 is used, 3 is in reserve ──promotion──► 3 is used at once, 4 is stored behind it
 *
 * Only what comes faster than the disk waits: a second promotion within one sync, or a station that
 * knows a much newer epoch. Then nothing is sent until the epoch is durable, for half a second at
 * most. If the store has no room or has failed, epochs go on without it, and are learned from the
 * stations after a restart (ADR 0007). Two copies are kept, because a damaged record would be set
 * aside. One epoch in reserve and not many: a person reads them, and each crash skips the reserve.
 */
import type { Clock, Lease } from "ground-station-failover";
import { type RecordChange, type RecordStore, RecordStoreError } from "./record-store.ts";

/** Two copies of each record: its key is the group's name. */
const TABLES = ["epochs", "epochs-copy"] as const;
/** Epochs that are stored before they are needed. */
const RESERVE = 1;
/** Longest wait for the disk. A group without service is worse than an epoch that is learned. */
const MAX_WAIT_MS = 500;
const RETRY_MS = 1_000;

/** Called when `epoch` is used although it is not stored. */
export type UnstoredListener = (epoch: number, reason: string) => void;

export class DurableEpochs {
  readonly #records: RecordStore;
  readonly #clock: Clock;
  readonly #groups: Map<string, GroupEpoch> = new Map();

  constructor(records: RecordStore, clock: Clock) {
    this.#records = records;
    this.#clock = clock;
  }

  /**
   * Reads the epochs of `groups` and reserves those with which they begin. Resolves when these are
   * durable, or cannot be.
   */
  async open(groups: readonly string[]): Promise<void> {
    const added = groups.filter((name) => !this.#groups.has(name));
    const first: [string, number][] = [];
    for (const name of added) first.push([name, (await this.#issuedBefore(name)) + 1]);
    const changes = first.flatMap(([name, epoch]) => storing(name, epoch + RESERVE));
    const isStored = await this.#records.commit(changes).then(
      () => true,
      (error: unknown) => {
        if (error instanceof RecordStoreError) return false;
        throw error;
      },
    );
    for (const [name, epoch] of first)
      this.#groups.set(
        name,
        new GroupEpoch({
          name,
          first: epoch,
          storedUpTo: isStored ? epoch + RESERVE : 0,
          records: this.#records,
          clock: this.#clock,
        }),
      );
  }

  of(group: string): GroupEpoch | undefined {
    return this.#groups.get(group);
  }

  /** Gives back what is in reserve: after an orderly stop no epoch is skipped. */
  async close(): Promise<void> {
    const changes = [...this.#groups.values()].flatMap((group) => group.close());
    await this.#records.commit(changes).catch(() => undefined);
  }

  async #issuedBefore(group: string): Promise<number> {
    let issued = 0;
    for (const table of TABLES) {
      const value = await this.#records.get(table, group);
      issued = Math.max(issued, value === undefined ? 0 : epochIn(value));
    }
    return issued;
  }
}

interface GroupEpochParts {
  readonly name: string;
  readonly first: number;
  readonly storedUpTo: number;
  readonly records: RecordStore;
  readonly clock: Clock;
}

/** The epochs of one group. */
export class GroupEpoch {
  /** The epoch with which the group begins. */
  readonly first: number;
  readonly #parts: GroupEpochParts;
  #issued: number;
  #storedUpTo: number;
  #isStoring = false;
  /** Until then an epoch that is not stored is not used. */
  #waitUntilMs: number;
  #isClosed = false;
  /** Why the latest epoch was not stored. */
  #reason = "";
  #onUnstored: UnstoredListener | undefined;

  constructor(parts: GroupEpochParts) {
    this.#parts = parts;
    this.first = parts.first;
    this.#issued = parts.first;
    this.#storedUpTo = parts.storedUpTo;
    this.#waitUntilMs = Number.POSITIVE_INFINITY;
    if (parts.storedUpTo === 0) this.#goOnWithout("the store did not take the first one");
  }

  /** Nothing is sent under the epoch that `current` returns before it is stored. */
  lease(current: () => number): Lease {
    return {
      validUntilMs: () =>
        current() <= this.#storedUpTo || this.#parts.clock.nowMs() >= this.#waitUntilMs
          ? Number.POSITIVE_INFINITY
          : Number.NEGATIVE_INFINITY,
    };
  }

  /**
   * The group has issued `epoch`. `onUnstored` is called if it has to be used without being stored.
   */
  note(epoch: number, onUnstored?: UnstoredListener): void {
    this.#onUnstored = onUnstored;
    this.#issued = Math.max(this.#issued, epoch);
    if (this.#issued > this.#storedUpTo && this.#waitUntilMs === Number.NEGATIVE_INFINITY) this.#tell(this.#reason);
    this.#store();
  }

  /** What an orderly stop stores. */
  close(): readonly RecordChange[] {
    this.#isClosed = true;
    this.#storedUpTo = this.#issued;
    return storing(this.#parts.name, this.#issued);
  }

  #store(): void {
    const { records, clock, name } = this.#parts;
    const upTo = this.#issued + RESERVE;
    if (this.#isClosed || upTo <= this.#storedUpTo) return;
    if (this.#issued > this.#storedUpTo && this.#waitUntilMs === Number.POSITIVE_INFINITY) this.#wait();
    if (this.#isStoring) return;
    this.#isStoring = true;
    records.commit(storing(name, upTo)).then(
      () => {
        this.#isStoring = false;
        this.#storedUpTo = upTo;
        this.#waitUntilMs = Number.POSITIVE_INFINITY;
        this.#store();
      },
      (error: unknown) => {
        this.#isStoring = false;
        this.#goOnWithout((error as Error).message);
        const isOver = error instanceof RecordStoreError && (error.code === "failed" || error.code === "closed");
        if (!isOver) clock.at(clock.nowMs() + RETRY_MS, () => this.#store());
      },
    );
  }

  #wait(): void {
    const { clock } = this.#parts;
    this.#waitUntilMs = clock.nowMs() + MAX_WAIT_MS;
    clock.at(this.#waitUntilMs, () => {
      if (this.#issued > this.#storedUpTo) this.#tell(`the disk did not answer within ${MAX_WAIT_MS} ms`);
    });
  }

  #goOnWithout(reason: string): void {
    this.#reason = reason;
    this.#waitUntilMs = Number.NEGATIVE_INFINITY;
    if (this.#issued > this.#storedUpTo) this.#tell(reason);
  }

  #tell(reason: string): void {
    this.#onUnstored?.(this.#issued, reason);
    this.#onUnstored = undefined;
  }
}

function storing(group: string, upTo: number): readonly RecordChange[] {
  const value = new TextEncoder().encode(JSON.stringify({ upTo }));
  return TABLES.map((table) => ({ type: "put", table, key: group, value }));
}

function epochIn(value: Uint8Array): number {
  const { upTo } = JSON.parse(new TextDecoder().decode(value)) as { upTo: number };
  return upTo;
}
