/**
 * Probing one station on a virtual clock: when it is asked, what counts as a heartbeat, and what is
 * said of the last probe.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { VirtualClock } from "ground-station-failover/sim";
import { type LastProbe, StationProber } from "./station-prober.ts";
import { UnexpectedStatusError } from "./uplink.ts";

/**
 * How a page answers the probe with this number: after so long, with a status or an error;
 * undefined for never.
 */
type Answer = { readonly afterMs: number; readonly status?: number; readonly error?: Error } | undefined;

class Setting {
  readonly clock: VirtualClock = new VirtualClock();
  readonly asked: number[] = [];
  readonly heartbeats: number[] = [];
  readonly changes: LastProbe[] = [];
  readonly stop: AbortController = new AbortController();
  readonly prober: StationProber;
  shortages = 0;
  outstanding = 0;
  maxOutstanding = 0;

  constructor(answer: (probe: number) => Answer, intervalMs = 200, timeoutMs = 1_000) {
    this.prober = new StationProber({
      clock: this.clock,
      intervalMs,
      timeoutMs,
      ask: (signal) => this.#ask(answer(this.asked.length), signal),
      onHeartbeat: () => this.heartbeats.push(this.clock.nowMs()),
      onChange: (probe) => this.changes.push(probe),
      onOwnShortage: () => this.shortages++,
    });
    this.prober.run(this.stop.signal);
  }

  #ask(answer: Answer, signal: AbortSignal): Promise<number> {
    this.asked.push(this.clock.nowMs());
    this.maxOutstanding = Math.max(this.maxOutstanding, ++this.outstanding);
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    if (answer !== undefined) {
      const { afterMs, status = 200, error } = answer;
      this.clock.at(this.clock.nowMs() + afterMs, () => (error === undefined ? resolve(status) : reject(error)));
    }
    return promise.finally(() => this.outstanding--);
  }
}

const failed = (code: string): Error => new Error("no connection", { cause: Object.assign(new Error(code), { code }) });

describe("when a station is probed", () => {
  test("a quick page is asked once an interval, and every answer is a heartbeat", async () => {
    const at = new Setting(() => ({ afterMs: 3 }));
    await at.clock.advanceTo(900);
    assert.deepEqual(at.asked, [0, 200, 400, 600, 800]);
    assert.deepEqual(at.heartbeats, [3, 203, 403, 603, 803]);
    assert.equal(at.maxOutstanding, 1);
  });

  test("a station that refuses connections is asked every 25 ms, and as before once it does not", async () => {
    const at = new Setting((probe) =>
      probe > 0 && probe < 5 ? { afterMs: 1, error: failed("ECONNREFUSED") } : { afterMs: 1 },
    );
    await at.clock.advanceTo(1_000);
    assert.deepEqual(at.asked, [0, 200, 400, 425, 450, 475, 500, 700, 900]);
    const often = new Setting(() => ({ afterMs: 1, error: failed("ECONNREFUSED") }), 20);
    await often.clock.advanceTo(100);
    assert.deepEqual(often.asked, [0, 20, 40, 60, 80, 100]);
  });

  test("a page of 300 ms at an interval of 200 ms gives a heartbeat every interval", async () => {
    const at = new Setting(() => ({ afterMs: 300 }));
    await at.clock.advanceTo(1_250);
    assert.deepEqual(at.heartbeats, [300, 500, 700, 900, 1_100]);
    assert.equal(at.maxOutstanding, 2);
  });

  test("a page that never answers has two probes out at most", async () => {
    const at = new Setting(() => undefined);
    await at.clock.advanceTo(5_000);
    assert.equal(at.maxOutstanding, 2);
    assert.deepEqual(at.asked.slice(0, 4), [0, 200, 1_000, 1_200]);
    assert.deepEqual(at.heartbeats, []);
  });

  test("a probe that this machine could not send says so, and one that the station refused does not", async () => {
    const codes = ["EADDRNOTAVAIL", "ECONNREFUSED", "EMFILE", "EAI_AGAIN"];
    const at = new Setting((probe) => ({ afterMs: 1, error: failed(codes[probe] as string) }));
    await at.clock.advanceTo(700);
    assert.deepEqual([at.shortages, at.heartbeats], [3, []]);
  });

  test("a name that was never known is no shortage of ours; one that was known is, for ten seconds", async () => {
    const never = new Setting(() => ({ afterMs: 1, error: failed("ENOTFOUND") }));
    await never.clock.advanceTo(700);
    assert.equal(never.shortages, 0);
    const known = new Setting((probe) => (probe === 0 ? { afterMs: 1 } : { afterMs: 1, error: failed("ENOTFOUND") }));
    await known.clock.advanceTo(9_990);
    assert.equal(known.shortages, 49);
    await known.clock.advanceTo(12_000);
    assert.equal(known.shortages, 49);
  });

  test("the end of probing aborts what is out and asks no more", async () => {
    const at = new Setting(() => undefined);
    await at.clock.advanceTo(100);
    at.stop.abort();
    await at.clock.advanceTo(5_000);
    assert.deepEqual([at.asked, at.outstanding, at.changes], [[0], 0, []]);
  });
});

test("[D7] a timer that fires late, because this process stood still, leaves as much time for the answer to be read", async () => {
  const clock = new VirtualClock();
  let stoodStillMs = 0;
  const heartbeats: number[] = [];
  let answer: ((status: number) => void) | undefined;
  const prober = new StationProber({
    // Timers fire on time by the virtual clock, and 2 s late by the one that is read.
    clock: {
      nowMs: () => clock.nowMs() + stoodStillMs,
      at: clock.at.bind(clock),
      sleepUntil: clock.sleepUntil.bind(clock),
    },
    intervalMs: 10_000,
    timeoutMs: 1_000,
    ask: (signal) =>
      new Promise((resolve, reject) => {
        answer = resolve;
        signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      }),
    onHeartbeat: () => heartbeats.push(clock.nowMs()),
    onChange: () => undefined,
    onOwnShortage: () => undefined,
  });
  const stop = new AbortController();
  const running = prober.run(stop.signal);
  await clock.advanceTo(900);
  stoodStillMs = 2_000;
  await clock.advanceTo(1_100);
  answer?.(200);
  await clock.advanceTo(1_200);
  assert.equal(heartbeats.length, 1);
  stop.abort();
  await clock.advanceTo(20_000);
  await running;
});

describe("what is said of the last probe", () => {
  const refused = Object.assign(new Error("connect ECONNREFUSED 127.0.0.1:1"), { code: "ECONNREFUSED" });

  test("a good answer with its status and its time, a bad one with its reason", async () => {
    const errors: [Error, string][] = [
      [new UnexpectedStatusError("a", "/", 400), "answered 400"],
      [Object.assign(new Error("x"), { code: "EAI_AGAIN" }), "the name server does not answer"],
      [new Error("no words".repeat(100)), "no words".repeat(15)],
      [new Error("broken", { cause: refused }), "connection refused"],
    ];
    const at = new Setting((probe) =>
      probe === 0 ? { afterMs: 3 } : { afterMs: 1, error: errors[probe - 1]?.[0] as Error },
    );
    const last = (): LastProbe | undefined => at.prober.last;
    assert.equal(last(), undefined);
    await at.clock.advanceTo(100);
    assert.deepEqual(last(), { isWell: true, text: "HTTP 200 in 3 ms", atMs: 3 });
    for (const [place, [, text]] of errors.entries()) {
      await at.clock.advanceTo(300 + 200 * place);
      assert.equal(last()?.text, text);
    }
  });

  test("a probe that is out for longer than an interval already counts as unanswered", async () => {
    const at = new Setting((probe) => (probe < 2 ? { afterMs: 1 } : undefined));
    await at.clock.advanceTo(590);
    assert.equal(at.prober.last?.text, "HTTP 200 in 1 ms");
    await at.clock.advanceTo(750);
    assert.deepEqual(at.prober.last, { isWell: false, text: "no answer in 350 ms", atMs: 750 });
    await at.clock.advanceTo(1_450);
    assert.equal(at.prober.last?.text, "no answer in 850 ms", "the probe after the one that was given up");
    await at.clock.advanceTo(1_550);
    assert.deepEqual(at.changes, [{ isWell: false, text: "no answer in 1000 ms", atMs: 1_400 }]);
  });

  test("only changes are told, and a first probe that is ill", async () => {
    const script: Answer[] = [
      { afterMs: 1, error: refused },
      { afterMs: 1, error: refused },
      { afterMs: 1 },
      { afterMs: 1 },
      { afterMs: 1, error: new UnexpectedStatusError("a", "/", 503) },
    ];
    const at = new Setting((probe) => script[Math.min(probe, script.length - 1)]);
    await at.clock.advanceTo(2_000);
    assert.deepEqual(at.changes, [
      { isWell: false, text: "connection refused", atMs: 1 },
      { isWell: true, text: "HTTP 200 in 1 ms", atMs: 226 },
      { isWell: false, text: "answered 503", atMs: 451 },
    ]);
  });

  test("the late end of an older probe does not outweigh a newer one, but its answer is a heartbeat", async () => {
    const at = new Setting((probe) => (probe === 0 ? { afterMs: 350 } : { afterMs: 1, error: refused }));
    await at.clock.advanceTo(390);
    assert.deepEqual(at.heartbeats, [350]);
    assert.equal(at.prober.last?.text, "connection refused");
    assert.equal(at.changes.length, 1);
  });
});
