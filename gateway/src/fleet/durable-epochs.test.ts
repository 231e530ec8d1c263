/**
 * Epochs that are stored, beside a store whose disk answers when the test says so: what a promotion
 * waits for, what it does not, and where the next process begins.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "ground-station-failover/sim";
import { DurableEpochs, type GroupEpoch } from "./durable-epochs.ts";
import type { RecordChange, RecordStore, RecordStoreStatus, StoredRecord } from "./record-store.ts";
import { RecordStoreError, type RecordStoreErrorCode } from "./record-store.ts";

/** Keeps what was committed from one process to the next; a commit ends when `sync` is called. */
class SlowDisk implements RecordStore {
  readonly records: Map<string, Uint8Array> = new Map();
  isSlow = false;
  error: RecordStoreErrorCode | undefined;
  #waiting: (() => void)[] = [];

  async commit(changes: readonly RecordChange[]): Promise<void> {
    if (this.isSlow) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    if (this.error !== undefined) throw new RecordStoreError(this.error, "as the test says");
    for (const change of changes)
      if (change.type === "put") this.records.set(`${change.table}/${change.key}`, change.value);
  }

  async sync(): Promise<void> {
    for (const resolve of this.#waiting.splice(0)) resolve();
    await settled();
  }

  async get(table: string, key: string): Promise<Uint8Array | undefined> {
    return this.records.get(`${table}/${key}`);
  }

  async scan(): Promise<readonly StoredRecord[]> {
    return [];
  }

  get status(): RecordStoreStatus {
    throw new Error("nobody asks");
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

/** Lets what is resolved already run. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await undefined;
}

class Rig {
  readonly clock: VirtualClock = new VirtualClock();
  readonly disk: SlowDisk = new SlowDisk();
  readonly unstored: number[] = [];
  epochs: DurableEpochs | undefined;
  current = 0;

  /** A process of the gateway begins; the one before it has just ended. */
  async start(): Promise<GroupEpoch> {
    this.epochs = new DurableEpochs(this.disk, this.clock);
    await this.epochs.open(["atlantic"]);
    const group = this.epochs.of("atlantic") as GroupEpoch;
    this.current = group.first;
    return group;
  }

  issue(group: GroupEpoch, epoch: number): void {
    this.current = epoch;
    group.note(epoch, (unstored) => this.unstored.push(unstored));
  }

  maySend(group: GroupEpoch): boolean {
    return group.lease(() => this.current).validUntilMs() > this.clock.nowMs();
  }
}

test("[F3] [G1] a process ends at once → the next one begins above all that it may have issued", async () => {
  const rig = new Rig();
  assert.equal((await rig.start()).first, 1);
  assert.equal((await rig.start()).first, 3);
  const group = await rig.start();
  assert.equal(group.first, 5);
  rig.issue(group, 6);
  await settled();
  assert.equal((await rig.start()).first, 8);
});

test("[F3] a process ends in order → the next one begins with the next epoch", async () => {
  const rig = new Rig();
  const group = await rig.start();
  rig.issue(group, 2);
  await settled();
  await rig.epochs?.close();
  assert.equal((await rig.start()).first, 3);
  await rig.epochs?.close();
  assert.equal((await rig.start()).first, 4);
});

test("[F3] promotion into the reserve → sends at once; one more before the sync → waits for it", async () => {
  const rig = new Rig();
  const group = await rig.start();
  rig.disk.isSlow = true;
  rig.issue(group, 2);
  assert.equal(rig.maySend(group), true);
  rig.issue(group, 3);
  assert.equal(rig.maySend(group), false);
  await rig.disk.sync();
  assert.equal(rig.maySend(group), true);
  await rig.disk.sync();
  assert.deepEqual(rig.unstored, []);
});

test("[F3] a station has seen a much newer epoch → nothing is sent before it is stored", async () => {
  const rig = new Rig();
  const group = await rig.start();
  rig.disk.isSlow = true;
  rig.current = 501;
  assert.equal(rig.maySend(group), false, "even before it is told of it");
  rig.issue(group, 501);
  await rig.disk.sync();
  assert.equal(rig.maySend(group), true);
  rig.disk.isSlow = false;
  assert.equal((await rig.start()).first, 503);
});

test("[F3] disk does not answer → goes on after half a second, and says so", async () => {
  const rig = new Rig();
  const group = await rig.start();
  rig.disk.isSlow = true;
  rig.issue(group, 2);
  rig.issue(group, 3);
  await rig.clock.advanceBy(499);
  assert.equal(rig.maySend(group), false);
  await rig.clock.advanceBy(1);
  assert.equal(rig.maySend(group), true);
  assert.deepEqual(rig.unstored, [3]);
});

test("[F3] store is full → goes on at once, says so, and stores it when there is room", async () => {
  const rig = new Rig();
  const group = await rig.start();
  rig.disk.error = "full";
  rig.issue(group, 2);
  rig.issue(group, 3);
  await settled();
  assert.equal(rig.maySend(group), true);
  assert.deepEqual(rig.unstored, [3]);
  rig.disk.error = undefined;
  await rig.clock.advanceBy(1_000);
  await settled();
  assert.equal((await rig.start()).first, 5);
});

test("[F3] store takes nothing at the start → serves all the same, and says so", async () => {
  const rig = new Rig();
  rig.disk.error = "failed";
  const group = await rig.start();
  assert.equal(rig.maySend(group), true);
  rig.issue(group, group.first);
  assert.deepEqual(rig.unstored, [1]);
});

test("[G1] one copy of an epoch was damaged → the other counts", async () => {
  for (const table of ["epochs", "epochs-copy"]) {
    const rig = new Rig();
    await rig.start();
    rig.disk.records.delete(`${table}/atlantic`);
    assert.equal((await rig.start()).first, 3);
  }
});
