/**
 * The ledger of a group on a virtual clock: what a caller gets who sends a command with a key
 * again, at any moment and after any failure of the store. The station is a function of each test;
 * the store is in memory and obeys the contract.
 */
import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { describe, test } from "node:test";
import { CallAbortedError } from "ground-station-failover";
import { VirtualClock } from "ground-station-failover/sim";
import { groupSettings } from "../../../../test/process/proxy-rig.ts";
import { MemoryRecords } from "../../../../test/worlds/memory-records.ts";
import { requestDigest } from "../../adapters/callers/request-digest.ts";
import type { CommandTerms } from "../command.ts";
import { KeyRefusedError } from "../problem.ts";
import type { IdempotencySettings } from "../settings.ts";
import type { ByteStream, CommandReply, CommandRequest } from "../uplink.ts";
import type { GroupLedger } from "./group-ledger.ts";
import { IdempotencyLedger } from "./idempotency-ledger.ts";
import type { LedgerTrouble } from "./ledger-status.ts";

const DAY_MS = 86_400_000;
const SETTINGS: IdempotencySettings = {
  retentionMs: DAY_MS,
  maxAnswerBytes: 100,
  maxKeys: 1_000,
  maxBytes: 1_000_000,
  callerFields: ["authorization"],
};
const text = (words: string): Uint8Array => new TextEncoder().encode(words);

function replyOf(status: number, words: string): CommandReply {
  const body = { kind: "bytes", bytes: text(words) } as const;
  return { status, statusText: "", headers: [["x-served", words]], body, json: undefined, trailers: [] };
}

function wordsOf({ body }: CommandReply): string {
  assert.equal(body.kind, "bytes");
  return body.kind === "bytes" ? new TextDecoder().decode(body.bytes) : "";
}

function isReplayed({ headers }: CommandReply): boolean {
  return headers.some(([name, value]) => name === "gsf-replayed" && value === "true");
}

/** A command that the station has in hand. */
interface Out {
  readonly signal: AbortSignal;
  readonly terms: CommandTerms;
  readonly answer: (reply: CommandReply) => void;
  readonly fail: (error: Error) => void;
}

interface Sent {
  readonly words?: string;
  readonly caller?: string;
  readonly timeLeftMs?: number;
  readonly signal?: AbortSignal;
}

/** A gateway process with a ledger. */
class Process {
  readonly clock: VirtualClock;
  readonly records: MemoryRecords;
  readonly ledger: GroupLedger;
  readonly troubles: LedgerTrouble[] = [];
  readonly out: Out[] = [];
  readonly #all: IdempotencyLedger;
  readonly #settings: Partial<IdempotencySettings>;

  constructor(
    settings: Partial<IdempotencySettings> = {},
    clock = new VirtualClock(1_000),
    records = new MemoryRecords({ clock }),
  ) {
    this.clock = clock;
    this.records = records;
    this.#settings = settings;
    this.#all = new IdempotencyLedger({ records, clock, digest: requestDigest });
    this.ledger = this.#all.forGroup({
      settings: groupSettings([1, 2], { commands: { idempotency: { ...SETTINGS, ...settings } } }),
      clock,
      handle: (_request, terms, signal) =>
        new Promise((answer, fail) => {
          this.out.push({ terms, signal, answer, fail });
          const left = (): void => fail(new CallAbortedError(signal.reason));
          if (signal.aborted) left();
          else signal.addEventListener("abort", left);
        }),
      onTrouble: (trouble) => this.troubles.push(trouble),
    }) as GroupLedger;
  }

  async start(): Promise<this> {
    const loaded = this.#all.follow(["atlantic"]);
    await this.clock.advanceBy(100);
    await loaded;
    return this;
  }

  /** Another process on what is durable now. */
  async killed(settings: Partial<IdempotencySettings> = this.#settings): Promise<Process> {
    return await new Process(settings, this.clock, this.records.reopened()).start();
  }

  /** Sends a command with `key`; its answer is not awaited. */
  send(key: string, { words = "order", caller = "a", timeLeftMs, signal = new AbortController().signal }: Sent = {}) {
    const request: CommandRequest = {
      method: "POST",
      target: "/orders",
      headers: [["Authorization", caller]],
      body: { kind: "bytes", bytes: text(words) },
    };
    const reply = this.ledger.answer(request, { idempotencyKey: key, idempotent: false, timeLeftMs }, signal);
    reply.catch(() => undefined);
    return reply;
  }

  /** A command that the station answers at once, and everything that follows. */
  async served(key: string, words: string, sent: Sent = {}, status = 200): Promise<CommandReply> {
    const reply = this.send(key, sent);
    const before = this.out.length;
    await this.clock.advanceBy(0);
    this.out[Math.max(before, this.out.length) - 1]?.answer(replyOf(status, words));
    await this.clock.advanceBy(20);
    return await reply;
  }
}

function problemOf(code: string, status: number) {
  return (error: unknown): boolean => {
    assert.ok(error instanceof KeyRefusedError, String(error));
    assert.deepEqual([error.problem.code, error.problem.status], [code, status]);
    return true;
  };
}

describe("[G1] a key that was answered", () => {
  test("comes again → the same answer, marked, and no station hears of it", async () => {
    const made = await new Process().start();
    const first = await made.served("k", "one");
    const again = made.send("k");
    await made.clock.advanceBy(20);
    assert.equal(made.out.length, 1);
    const { headers } = await again;
    assert.deepEqual(headers, [
      ["x-served", "one"],
      ["gsf-replayed", "true"],
    ]);
    assert.deepEqual([(await again).status, wordsOf(await again)], [first.status, "one"]);
    assert.equal(isReplayed(first), false);
  });

  test("comes again after the process was killed → the same answer", async () => {
    const made = await new Process().start();
    await made.served("k", "one", {}, 404);
    const next = await made.killed();
    const again = next.send("k");
    await next.clock.advanceBy(20);
    assert.deepEqual([(await again).status, wordsOf(await again), isReplayed(await again)], [404, "one", true]);
    assert.equal(next.out.length, 0);
  });

  test("comes with another body → 422, before and after a restart", async () => {
    const made = await new Process().start();
    await made.served("k", "one");
    for (const process of [made, await made.killed()]) {
      const other = process.send("k", { words: "another order" });
      await process.clock.advanceBy(20);
      await assert.rejects(other, problemOf("KEY_REUSED", 422));
      assert.equal(process.ledger.status.used.reused, 1);
    }
  });

  test("comes from another caller → that caller's command goes to a station", async () => {
    const made = await new Process().start();
    await made.served("k", "one");
    assert.equal(wordsOf(await made.served("k", "two", { caller: "b" })), "two");
  });

  test("comes again after its retention → it goes to a station, and the old answer leaves the store", async () => {
    const made = await new Process({ retentionMs: 5_000 }).start();
    await made.served("k", "one");
    await made.clock.advanceBy(70_000);
    assert.equal(wordsOf(await made.served("k", "two")), "two");
    assert.equal(made.records.count("idempotency-answers"), 1);
  });

  test("comes while a process that just started still reads its keys → the same answer, a little later", async () => {
    const made = await new Process().start();
    await made.served("k", "one");
    const next = new Process({}, made.clock, made.records.reopened());
    const starting = next.start();
    const again = next.send("k");
    await starting;
    assert.equal(wordsOf(await again), "one");
    assert.equal(next.out.length, 0);
  });
});

describe("[G1] [F4] what is not kept: a retry has to be tried", () => {
  test("a refusal of the gateway, or an unknown outcome → the next one goes to a station", async () => {
    const made = await new Process().start();
    const refused = made.send("k");
    await made.clock.advanceBy(0);
    made.out[0]?.fail(new Error("nobody is eligible"));
    await assert.rejects(refused, /nobody is eligible/);
    assert.equal(wordsOf(await made.served("k", "two")), "two");
  });

  for (const status of [500, 503, 429, 408, 409]) {
    test(`a ${status} of the station → delivered, and the next one goes to a station`, async () => {
      const made = await new Process().start();
      assert.equal((await made.served("k", "not now", {}, status)).status, status);
      assert.equal(wordsOf(await made.served("k", "done")), "done");
    });
  }

  test("an answer longer than the bound → delivered, counted, and not kept", async () => {
    const made = await new Process().start();
    await made.served("k", "long ".repeat(100));
    assert.equal(made.ledger.status.notKept["too-large"], 1);
    assert.equal(wordsOf(await made.served("k", "short")), "short");
  });
});

describe("[G1] a key in flight", () => {
  test("comes twice more → one command at the station, and all get its answer", async () => {
    const made = await new Process().start();
    const replies = [made.send("k"), made.send("k"), made.send("k")];
    await made.clock.advanceBy(500);
    assert.equal(made.out.length, 1);
    made.out[0]?.answer(replyOf(201, "one"));
    await made.clock.advanceBy(20);
    const all = await Promise.all(replies);
    assert.deepEqual(all.map(wordsOf), ["one", "one", "one"]);
    assert.deepEqual(all.map(isReplayed), [false, true, true]);
  });

  test("comes with another body → 422 at once", async () => {
    const made = await new Process().start();
    made.send("k");
    await assert.rejects(made.send("k", { words: "another" }), problemOf("KEY_REUSED", 422));
  });

  test("is not answered within the second one's time → 409 for that one, and the first goes on", async () => {
    const made = await new Process().start();
    const first = made.send("k");
    const second = made.send("k", { timeLeftMs: 300 });
    await made.clock.advanceBy(300);
    await assert.rejects(second, problemOf("KEY_IN_FLIGHT", 409));
    made.out[0]?.answer(replyOf(200, "one"));
    await made.clock.advanceBy(20);
    assert.equal(wordsOf(await first), "one");
  });

  test("loses the first caller while another waits → the station goes on, and the other gets the answer", async () => {
    const made = await new Process().start();
    const caller = new AbortController();
    const first = made.send("k", { signal: caller.signal });
    const second = made.send("k");
    await made.clock.advanceBy(100);
    caller.abort(new Error("hung up"));
    await assert.rejects(first, CallAbortedError);
    assert.equal(made.out[0]?.signal.aborted, false);
    made.out[0]?.answer(replyOf(200, "one"));
    await made.clock.advanceBy(20);
    assert.equal(wordsOf(await second), "one");
  });

  test("loses all its callers → the work at the station ends", async () => {
    const made = await new Process().start();
    const [one, two] = [new AbortController(), new AbortController()];
    const replies = [made.send("k", { signal: one.signal }), made.send("k", { signal: two.signal })];
    await made.clock.advanceBy(100);
    one.abort(new Error("hung up"));
    assert.equal(made.out[0]?.signal.aborted, false);
    two.abort(new Error("hung up"));
    assert.equal(made.out[0]?.signal.aborted, true);
    for (const reply of replies) await assert.rejects(reply, CallAbortedError);
    assert.equal(wordsOf(await made.served("k", "two")), "two");
    assert.equal(made.ledger.status.inUse, 0);
  });

  test("ends without an answer → those that wait go to a station one after the other, in their own time", async () => {
    const made = await new Process().start();
    made.send("k");
    const second = made.send("k", { timeLeftMs: 1_000 });
    const third = made.send("k");
    await made.clock.advanceBy(400);
    made.out[0]?.fail(new Error("lost"));
    await made.clock.advanceBy(0);
    assert.equal(made.out.length, 2);
    assert.equal(made.out[1]?.terms.timeLeftMs, 600);
    made.out[1]?.answer(replyOf(200, "two"));
    await made.clock.advanceBy(20);
    assert.deepEqual([wordsOf(await second), wordsOf(await third)], ["two", "two"]);
  });

  test("gets an answer that is not kept → those that wait share it, and the next one goes to a station", async () => {
    const made = await new Process().start();
    const replies = [made.send("k"), made.send("k")];
    await made.clock.advanceBy(10);
    made.out[0]?.answer(replyOf(500, "broken"));
    await made.clock.advanceBy(0);
    assert.deepEqual((await Promise.all(replies)).map(wordsOf), ["broken", "broken"]);
    assert.equal(wordsOf(await made.served("k", "done")), "done");
  });

  test("gets a stream → its caller reads it, and those that wait go to a station", async () => {
    const made = await new Process().start();
    const stream: ByteStream = { async *[Symbol.asyncIterator]() {}, destroy() {}, once() {} };
    const first = made.send("k");
    const second = made.send("k");
    await made.clock.advanceBy(10);
    const body = { kind: "stream", stream, trailers: () => [] } as const;
    made.out[0]?.answer({ ...replyOf(200, ""), body });
    await made.clock.advanceBy(0);
    assert.equal((await first).body.kind, "stream");
    assert.equal(made.out.length, 2);
    made.out[1]?.answer(replyOf(200, "two"));
    await made.clock.advanceBy(20);
    assert.equal(wordsOf(await second), "two");
  });
});

describe("[G1] the store", () => {
  test("has not said that an answer is durable → no caller has it yet", async () => {
    const made = await new Process().start();
    made.records.syncMs = 400;
    const reply = made.send("k");
    let isGiven = false;
    reply.then(() => {
      isGiven = true;
    });
    await made.clock.advanceBy(0);
    made.out[0]?.answer(replyOf(200, "one"));
    await made.clock.advanceBy(399);
    assert.equal(isGiven, false);
    await made.clock.advanceBy(1);
    assert.equal(wordsOf(await reply), "one");
  });

  test("is killed before an answer is durable → the key is new to the next process", async () => {
    const made = await new Process().start();
    made.records.syncMs = 400;
    made.send("k");
    await made.clock.advanceBy(0);
    made.out[0]?.answer(replyOf(200, "one"));
    await made.clock.advanceBy(100);
    assert.equal(wordsOf(await (await made.killed()).served("k", "again")), "again");
  });

  for (const code of ["full", "busy", "failed", "closed"] as const) {
    test(`is ${code} → the answer is given all the same, told in an event, and the key is not remembered`, async () => {
      const made = await new Process().start();
      made.records.commitError = code;
      assert.equal(wordsOf(await made.served("k", "one")), "one");
      assert.equal(made.ledger.status.notKept[code], 1);
      assert.deepEqual(
        made.troubles.map(({ what, reason, answers }) => [what, reason, answers]),
        [["not-kept", code, 1]],
      );
      assert.equal(wordsOf(await made.served("k", "two")), "two");
      assert.equal(made.troubles.length, 1, "at most one event in 10 s");
    });
  }

  test("takes longer than a second → the answer is given after one; others do not wait until it recovers", async () => {
    const made = await new Process().start();
    made.records.syncMs = 5_000;
    const slow = made.send("a");
    await made.clock.advanceBy(0);
    made.out[0]?.answer(replyOf(200, "a"));
    await made.clock.advanceBy(1_000);
    assert.equal(wordsOf(await slow), "a");
    const startedMs = made.clock.nowMs();
    assert.equal(wordsOf(await made.served("b", "b")), "b");
    assert.ok(made.clock.nowMs() - startedMs <= 20);
    // Not durable yet, and answered the same all the same.
    const again = made.send("a");
    await made.clock.advanceBy(0);
    assert.equal(wordsOf(await again), "a");
    made.records.syncMs = 2;
    await made.clock.advanceBy(20_000);
    const later = made.send("b");
    await made.clock.advanceBy(20);
    assert.deepEqual([wordsOf(await later), made.out.length], ["b", 2]);
    assert.equal(made.ledger.status.inUse, 0);
  });

  test("takes longer than a caller has → the answer is given at the caller's deadline", async () => {
    const made = await new Process().start();
    made.records.syncMs = 800;
    const reply = made.send("k", { timeLeftMs: 200 });
    await made.clock.advanceBy(50);
    made.out[0]?.answer(replyOf(200, "one"));
    await made.clock.advanceBy(150);
    assert.equal(wordsOf(await reply), "one");
  });

  test("cannot read an answer that was given → 503, and the command is not executed again", async () => {
    const made = await new Process().start();
    await made.served("k", "one");
    made.records.readError = "failed";
    const again = made.send("k");
    await made.clock.advanceBy(20);
    await assert.rejects(again, problemOf("KEY_UNREADABLE", 503));
    assert.equal(made.out.length, 1);
    made.records.readError = undefined;
    const later = made.send("k");
    await made.clock.advanceBy(20);
    assert.equal(wordsOf(await later), "one");
  });

  test("lost the answer of a key that it knows → 503, and the command is not executed again", async () => {
    const made = await new Process().start();
    await made.served("k", "one");
    const [kept] = await Promise.all([made.records.scan("idempotency-answers", { limit: 1 }), made.clock.advanceBy(5)]);
    made.records.lose("idempotency-answers", kept[0]?.key ?? "");
    const again = made.send("k");
    await made.clock.advanceBy(20);
    await assert.rejects(again, problemOf("KEY_UNREADABLE", 503));
  });

  test("cannot be read at the start → told in an event, commands with keys go to stations", async () => {
    const made = await new Process().start();
    await made.served("k", "one");
    const records = made.records.reopened();
    records.readError = "failed";
    const next = await new Process({}, made.clock, records).start();
    assert.deepEqual(
      next.troubles.map(({ what }) => what),
      ["not-loaded"],
    );
    assert.equal(wordsOf(await next.served("k", "two")), "two");
  });

  test("answers many at once → they share syncs", async () => {
    const made = await new Process().start();
    const replies = Array.from({ length: 200 }, (_, number) => made.send(`k${number}`));
    await made.clock.advanceBy(0);
    for (const { answer } of made.out) answer(replyOf(200, "fine"));
    await made.clock.advanceBy(20);
    await Promise.all(replies);
    assert.ok(made.records.syncs <= 3, `${made.records.syncs} syncs`);
  });
});

test("[G10] more keys than the bound → the oldest leave the index and the store", async () => {
  const made = await new Process({ maxKeys: 3 }).start();
  for (const key of ["a", "b", "c", "d", "e"]) await made.served(key, key);
  const { keys, forgottenEarly } = made.ledger.status;
  assert.deepEqual([keys, forgottenEarly, made.records.count("idempotency-answers")], [3, 2, 3]);
  assert.equal(wordsOf(await made.served("a", "new")), "new");
});

test("[G10] a bound that was lowered → the store shrinks to it with the next answers", async () => {
  const made = await new Process().start();
  for (let number = 0; number < 20; number++) await made.served(`k${number}`, "fine");
  const next = await made.killed({ maxKeys: 5 });
  await next.served("another", "fine");
  assert.deepEqual([next.ledger.status.keys, next.records.count("idempotency-answers")], [5, 5]);
});

test("[C4] after everything is over → no timer is left, and no listener at a long-lived signal", async () => {
  const made = await new Process().start();
  const { signal } = new AbortController();
  for (let number = 0; number < 50; number++) await made.served(`k${number % 10}`, "fine", { signal });
  assert.equal(made.clock.pending, 0);
  assert.equal(getEventListeners(signal, "abort").length, 0);
});
