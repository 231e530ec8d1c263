/**
 * Promise [F10]: whose failure it was is decided by comparison, at once. On an ordinary Tuesday
 * (error pages, a bad route, slow uploads, callers in a hurry, a slow endpoint, a machine of ours
 * that is out of descriptors or names, a bug in the caller's code) nobody is replaced, nobody else
 * is hurt, and every answer comes as fast as the stations gave it. Sources are named as the gateway
 * names them: who calls, method and path.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { CallOptions, FailoverContext } from "ground-station-failover";
import { httpErrorBody } from "ground-station-failover";
import type { Station } from "../worlds/station.ts";
import { TwoStations, type WorldOptions } from "../worlds/two-stations.ts";

interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

/** What a route does at a station: it answers, after so long. */
type Route = (context: FailoverContext<Station>) => Answer | Promise<Answer>;

interface Seen {
  readonly sentAtMs: number;
  tookMs: number;
  answer: Answer | undefined;
  error: (Error & { readonly code?: string }) | undefined;
}

const ROUND_TRIP_MS = 5;
const CLIENT = {
  timeoutMs: 30_000,
  classify: httpErrorBody as never,
  bulkhead: { maxConcurrent: 256, acquireTimeoutMs: 500 },
};

class Tuesday {
  readonly at: TwoStations;
  readonly seen: Seen[] = [];

  private constructor(at: TwoStations) {
    this.at = at;
  }

  static async begin(options: WorldOptions = {}): Promise<Tuesday> {
    return new Tuesday(await TwoStations.begin({ client: CLIENT, ...options }));
  }

  /** Sends one call of `source`; what becomes of it is written down. */
  send(source: string, route: Route, options: CallOptions = { idempotent: true }): Seen {
    const { clock, failover } = this.at;
    const seen: Seen = {
      sentAtMs: clock.nowMs(),
      tookMs: Number.POSITIVE_INFINITY,
      answer: undefined,
      error: undefined,
    };
    this.seen.push(seen);
    failover
      .call(async (context) => route(context), { source, ...options })
      .then(
        (answer) => {
          seen.answer = answer;
          seen.tookMs = clock.nowMs() - seen.sentAtMs;
        },
        (error) => {
          seen.error = error;
          seen.tookMs = clock.nowMs() - seen.sentAtMs;
        },
      );
    return seen;
  }

  /** Sends at a steady pace for so long, and lets the time pass. Returns what it sent. */
  async load(perSecond: number, forMs: number, source: string, route: Route, options?: CallOptions): Promise<Seen[]> {
    const sent: Seen[] = [];
    for (let count = 0; count < (perSecond * forMs) / 1_000; count++) {
      sent.push(this.send(source, route, options));
      await this.at.clock.advanceBy(1_000 / perSecond);
    }
    return sent;
  }

  /** A route that answers `answer` after `tookMs`, at both stations alike. */
  answers(answer: Answer, tookMs = ROUND_TRIP_MS): Route {
    return async ({ signal }) => {
      await this.at.clock.sleepUntil(this.at.clock.nowMs() + tookMs, signal);
      return answer;
    };
  }

  /** Nobody was replaced or shut out, nothing is left, and the world ends. */
  async quiet(): Promise<void> {
    const { at } = this;
    await at.clock.advanceBy(60_000);
    assert.deepEqual(at.told("promoted"), []);
    assert.deepEqual(at.told("no-eligible-station"), []);
    assert.deepEqual(at.told("breaker"), []);
    for (const { name, inFlight, ramp, breaker } of at.failover.status.stations) {
      assert.deepEqual([inFlight, ramp.inFlight, breaker?.state], [0, 0, "closed"], name);
    }
    await at.stop();
  }
}

const OK: Answer = { status: 200, body: { ok: true } };

const ORDINARY: readonly [string, Answer][] = [
  ["500", { status: 500 }],
  ["501", { status: 501 }],
  ["502", { status: 502 }],
  ["503", { status: 503 }],
  ["503 with Retry-After: 60", { status: 503, headers: { "retry-after": "60" } }],
  ["504", { status: 504 }],
  ["408", { status: 408 }],
  ["429", { status: 429 }],
  ["429 with Retry-After: 60", { status: 429, headers: { "retry-after": "60" } }],
  ["404", { status: 404 }],
  ["200 with GraphQL errors", { status: 200, body: { data: null, errors: [{ message: "no such orbit" }] } }],
  ["200 with an error body", { status: 200, body: { error: "uplink busy" } }],
];

for (const [what, answer] of ORDINARY) {
  for (const [kind, options] of [
    ["a GET", { idempotent: true }],
    ["a keyed POST", { idempotencyKey: "k" }],
    ["a POST", {}],
  ] as const) {
    test(`[F10] a quiet day, ${kind} is answered ${what} → that answer, within one round trip of both stations`, async () => {
      const day = await Tuesday.begin();
      const seen = day.send("10.0.0.1 GET /orders", day.answers(answer), options);
      await day.at.clock.advanceBy(20_000);
      assert.equal(seen.answer, answer, String(seen.error));
      assert.ok(seen.tookMs <= 2 * ROUND_TRIP_MS + 1, `after ${seen.tookMs} ms`);
      await day.quiet();
    });
  }
}

for (const [what, answer] of ORDINARY) {
  test(`[F10] one client gets ${what} a thousand times, and nobody else calls → nobody is replaced, each told at once`, async () => {
    const day = await Tuesday.begin();
    const sent = await day.load(100, 10_000, "10.0.0.1 GET /orders", day.answers(answer));
    await day.at.clock.advanceBy(1_000);
    assert.equal(sent.length, 1_000);
    assert.deepEqual([...new Set(sent.map((one) => one.answer))], [answer]);
    const slowest = Math.max(...sent.map(({ tookMs }) => tookMs));
    assert.ok(slowest <= 2 * ROUND_TRIP_MS + 1, `${slowest} ms`);
    assert.deepEqual(day.at.told("overload"), [], "its own failures are no collapse");
    await day.quiet();
  });
}

test("[F10] sixteen of one client, spread over three minutes → nobody is replaced", async () => {
  const day = await Tuesday.begin();
  for (let call = 0; call < 16; call++) {
    day.send("10.0.0.1 GET /orders", day.answers({ status: 500 }));
    await day.at.clock.advanceBy(12_000);
  }
  assert.ok(day.seen.every(({ answer, tookMs }) => answer?.status === 500 && tookMs <= 11));
  await day.quiet();
});

for (const answer of [
  { status: 500 },
  { status: 503, headers: { "retry-after": "60" } },
  { status: 429, headers: { "retry-after": "60" } },
]) {
  for (const clients of [1, 20]) {
    test(`[F10] a bad route (${answer.status}) at 30/s by ${clients} clients beside healthy traffic → no other request is hurt`, async () => {
      const day = await Tuesday.begin();
      const healthy: Seen[] = [];
      const bad: Seen[] = [];
      const tookMs = 80;
      await day.load(100, 1_000, "10.0.1.1 GET /fine", day.answers(OK, tookMs));
      for (let tick = 0; tick < 1_000; tick++) {
        if (tick % 3 === 0) bad.push(day.send(`10.0.0.${tick % clients} GET /broken`, day.answers(answer, tookMs)));
        healthy.push(day.send(`10.0.1.${tick % 7} GET /fine`, day.answers(OK, tookMs)));
        if (tick % 9 === 0) healthy.push(day.send(`10.0.1.${tick % 7} POST /fine`, day.answers(OK, tookMs), {}));
        await day.at.clock.advanceBy(10);
      }
      await day.at.clock.advanceBy(1_000);
      assert.ok(healthy.every((one) => one.answer === OK));
      const slowest = Math.max(...healthy.map((one) => one.tookMs));
      assert.ok(slowest <= tookMs + 1, `a healthy one took ${slowest} ms`);
      assert.deepEqual([...new Set(bad.map((one) => one.answer))], [answer]);
      const longest = Math.max(...bad.map((one) => one.tookMs));
      assert.ok(longest <= 2 * tookMs + 1, `a bad one took ${longest} ms`);
      await day.quiet();
    });
  }
}

test("[F10] the very first request is refused for load, by a bad route → healthy traffic is slowed for a moment at most", async () => {
  const day = await Tuesday.begin();
  const tookMs = 80;
  const busy: Answer = { status: 503, headers: { "retry-after": "60" } };
  const healthy: Seen[] = [];
  for (let tick = 0; tick < 1_000; tick++) {
    if (tick % 3 === 0) day.send("10.0.0.1 GET /broken", day.answers(busy, tookMs));
    healthy.push(day.send(`10.0.1.${tick % 7} GET /fine`, day.answers(OK, tookMs)));
    await day.at.clock.advanceBy(10);
  }
  await day.at.clock.advanceBy(1_000);
  assert.ok(healthy.every((one) => one.answer === OK));
  assert.ok(
    healthy.every((one) => one.tookMs <= 1_000),
    `${Math.max(...healthy.map((one) => one.tookMs))} ms`,
  );
  const later = healthy.slice(500).filter((one) => one.tookMs > tookMs + 1);
  assert.equal(later.length, 0, `${later.length} of 500 are slow after five seconds`);
  await day.quiet();
});

test("[F10] six uploads slower than the timeout beside quick requests → all are answered, nobody is replaced", async () => {
  const day = await Tuesday.begin({ client: { ...CLIENT, timeoutMs: 10_000 } });
  const { clock } = day.at;
  await day.load(50, 2_000, "10.0.0.1 GET /fine", day.answers(OK));
  const upload: Route = async (context) => {
    context.noteUploading(true);
    await clock.sleepUntil(clock.nowMs() + 20_000, context.signal);
    context.noteUploading(false);
    await clock.sleepUntil(clock.nowMs() + ROUND_TRIP_MS, context.signal);
    return OK;
  };
  const uploads = Array.from({ length: 6 }, (_, number) => day.send(`10.0.0.${number} PUT /frames`, upload, {}));
  const quick = await day.load(50, 25_000, "10.0.0.1 GET /fine", day.answers(OK));
  assert.ok([...uploads, ...quick].every(({ answer }) => answer === OK));
  assert.ok(Math.max(...quick.map(({ tookMs }) => tookMs)) <= ROUND_TRIP_MS + 1);
  assert.deepEqual(day.at.told("doubted"), []);
  await day.quiet();
});

test("[F10] it is known how quick answers are, then only uploads that their callers cut off → nobody is replaced", async () => {
  const day = await Tuesday.begin();
  const { clock } = day.at;
  await day.load(50, 2_000, "10.0.0.1 PUT /frames", day.answers(OK));
  const uploads: Seen[] = [];
  for (let number = 0; number < 16; number++) {
    const caller = new AbortController();
    const upload = day.send(
      "10.0.0.1 PUT /frames",
      async (context) => {
        context.noteUploading(true);
        await clock.sleepUntil(clock.nowMs() + 60_000, context.signal);
        return OK;
      },
      { signal: caller.signal },
    );
    uploads.push(upload);
    await clock.advanceBy(1_000);
    caller.abort();
    await clock.advanceBy(100);
  }
  assert.ok(uploads.every(({ error }) => error?.code === "CALL_ABORTED"));
  await day.quiet();
});

test("[F10] callers who hang up after 300 ms at an endpoint that takes longer → nobody is replaced, others are served", async () => {
  const day = await Tuesday.begin();
  const { clock } = day.at;
  await day.load(20, 3_000, "10.0.0.1 GET /fine", day.answers(OK));
  const quick: Seen[] = [];
  for (let number = 0; number < 160; number++) {
    const caller = new AbortController();
    day.send(`10.0.0.${number % 5} GET /report`, day.answers(OK, 2_000), { idempotent: true, signal: caller.signal });
    clock.at(clock.nowMs() + 300, () => caller.abort());
    quick.push(day.send("10.0.0.9 GET /fine", day.answers(OK)));
    await clock.advanceBy(125);
  }
  await clock.advanceBy(1_000);
  assert.ok(quick.every(({ answer }) => answer === OK));
  await day.quiet();
});

test("[F10] an endpoint of five seconds beside quick ones → answered after five seconds, nobody is replaced", async () => {
  const day = await Tuesday.begin();
  await day.load(20, 3_000, "10.0.0.1 GET /fine", day.answers(OK));
  const slow: Seen[] = [];
  for (let number = 0; number < 10; number++) {
    slow.push(day.send("10.0.0.2 GET /report", day.answers(OK, 5_000), {}));
    await day.load(20, 2_000, "10.0.0.1 GET /fine", day.answers(OK));
  }
  await day.at.clock.advanceBy(6_000);
  for (const { answer, tookMs } of slow) assert.deepEqual([answer, Math.round(tookMs)], [OK, 5_000]);
  await day.quiet();
});

test("[F10] an endpoint of five seconds, and nothing else → answered, nobody is replaced", async () => {
  const day = await Tuesday.begin();
  for (let number = 0; number < 30; number++) day.send("10.0.0.2 GET /report", day.answers(OK, 5_000), {});
  await day.at.clock.advanceBy(6_000);
  assert.ok(day.seen.every(({ answer }) => answer === OK));
  await day.quiet();
});

for (const [kind, options] of [
  ["GETs", { idempotent: true }],
  ["POSTs", {}],
] as const) {
  test(`[F10] ${kind} of a route slower than the timeout, 30 a second beside quick ones → nobody else is hurt, nobody is replaced`, async () => {
    const day = await Tuesday.begin({ client: { ...CLIENT, timeoutMs: 1_000 } });
    await day.load(20, 3_000, "10.0.0.1 GET /fine", day.answers(OK));
    const fine: Seen[] = [];
    const slow: Seen[] = [];
    for (let number = 0; number < 600; number++) {
      slow.push(day.send("10.0.0.2 /report", day.answers(OK, 5_000), options));
      if (number % 2 === 0) fine.push(day.send("10.0.0.1 GET /fine", day.answers(OK)));
      await day.at.clock.advanceBy(1_000 / 30);
    }
    await day.at.clock.advanceBy(30_000);
    for (const { answer, tookMs, error } of fine) {
      assert.equal(answer, OK, String(error));
      assert.ok(tookMs <= 2 * ROUND_TRIP_MS, `after ${tookMs} ms`);
    }
    for (const { error, tookMs } of slow) {
      assert.equal(error?.code, "ATTEMPT_TIMEOUT");
      assert.ok(tookMs <= 2_100, `told after ${tookMs} ms`);
    }
    await day.quiet();
  });
}

for (const [kind, options, code] of [
  ["GETs", { idempotent: true }, "AMBIGUOUS_OUTCOME"],
  ["POSTs", {}, "AMBIGUOUS_OUTCOME"],
] as const) {
  test(`[F10] ${kind} of a route that resets every connection, beside quick ones → told at once, nobody else is hurt, nobody is replaced`, async () => {
    const day = await Tuesday.begin();
    const crash: Route = async () => {
      await day.at.clock.sleepUntil(day.at.clock.nowMs() + ROUND_TRIP_MS);
      throw Object.assign(new Error("socket hang up"), { code: "ECONNRESET" });
    };
    const fine = await day.load(20, 3_000, "10.0.0.1 GET /fine", day.answers(OK));
    const lost: Seen[] = [];
    for (let number = 0; number < 600; number++) {
      lost.push(day.send("10.0.0.2 /crash", crash, options));
      if (number % 2 === 0) fine.push(day.send("10.0.0.1 GET /fine", day.answers(OK)));
      await day.at.clock.advanceBy(1_000 / 30);
    }
    await day.at.clock.advanceBy(1_000);
    assert.deepEqual([...new Set(lost.map(({ error }) => error?.code))], [code]);
    assert.ok(Math.max(...lost.map(({ tookMs }) => tookMs)) <= 50);
    for (const { answer, tookMs, error } of fine) {
      assert.equal(answer, OK, String(error));
      assert.ok(tookMs <= 2 * ROUND_TRIP_MS, `after ${tookMs} ms`);
    }
    await day.quiet();
  });
}

for (const isKnown of [false, true]) {
  test(`[F6] three calls of five seconds (${isKnown ? "known" : "new"}) right after a switchover → quick ones beside them go on`, async () => {
    const day = await Tuesday.begin();
    if (isKnown) day.send("10.0.0.2 GET /report", day.answers(OK, 5_000));
    await day.load(50, 8_000, "10.0.0.1 GET /fine", day.answers(OK));
    await day.at.failover.switchover("south", "a drill");
    for (let number = 0; number < 3; number++) day.send("10.0.0.2 GET /report", day.answers(OK, 5_000));
    const fine = await day.load(50, 8_000, "10.0.0.1 GET /fine", day.answers(OK));
    await day.at.clock.advanceBy(20_000);
    assert.ok(day.seen.every(({ answer }) => answer === OK));
    const slowest = Math.max(...fine.map(({ tookMs }) => tookMs));
    assert.ok(slowest <= 200, `${slowest} ms`);
    await day.at.stop();
  });
}

const SHORTAGES = [
  ["EMFILE", "connect"],
  ["ENFILE", "connect"],
  ["EADDRNOTAVAIL", "connect"],
  ["EAI_AGAIN", "getaddrinfo"],
  ["ENOTFOUND", "getaddrinfo"],
] as const;

for (const [code, syscall] of SHORTAGES) {
  test(`[F10] this machine is out of something (${code}) for a second → calls wait that out; said once; nobody is replaced`, async () => {
    const day = await Tuesday.begin();
    const { clock } = day.at;
    await day.load(50, 1_000, "10.0.0.1 GET /fine", day.answers(OK));
    const endsMs = clock.nowMs() + 1_000;
    const route: Route = (context) => {
      if (clock.nowMs() < endsMs) throw Object.assign(new Error(`${syscall} ${code}`), { code, syscall });
      return day.answers(OK)(context);
    };
    const sent = await day.load(50, 3_000, "10.0.0.1 GET /fine", route, {});
    await clock.advanceBy(1_000);
    assert.ok(
      sent.every(({ answer }) => answer === OK),
      String(sent.find(({ error }) => error !== undefined)?.error),
    );
    assert.deepEqual(
      day.at.told("local-shortage").map((event) => event.code),
      [code],
    );
    await day.quiet();
  });

  test(`[F10] this machine stays out of something (${code}) → an honest answer within 2 s, nobody is replaced`, async () => {
    const day = await Tuesday.begin();
    const route: Route = () => {
      throw Object.assign(new Error(`${syscall} ${code}`), { code, syscall });
    };
    const sent = await day.load(20, 5_000, "10.0.0.1 GET /fine", route);
    await day.at.clock.advanceBy(5_000);
    assert.deepEqual([...new Set(sent.map(({ error }) => error?.code))], ["LOCAL_SHORTAGE"]);
    const slowest = Math.max(...sent.map(({ tookMs }) => tookMs));
    assert.ok(slowest <= 2_000, `${slowest} ms`);
    await day.quiet();
  });
}

test("[F10] a bug in the caller's operation → thrown at once, one attempt, nobody's failure", async () => {
  const day = await Tuesday.begin();
  for (const bug of [new TypeError("Cannot read properties of undefined"), new ReferenceError("x is not defined")]) {
    let attempts = 0;
    for (let call = 0; call < 50; call++) {
      const seen = day.send("10.0.0.1 GET /fine", () => {
        attempts++;
        throw bug;
      });
      await day.at.clock.advanceBy(0);
      assert.deepEqual([seen.error, seen.tookMs], [bug, 0]);
    }
    assert.equal(attempts, 50);
  }
  await day.quiet();
});

test("[F10] fetch's TypeError with a cause → no bug: the call goes to the other station", async () => {
  const day = await Tuesday.begin();
  const seen = day.send("10.0.0.1 GET /fine", ({ station }) => {
    if (station.name === "south") return OK;
    throw new TypeError("fetch failed", { cause: Object.assign(new Error("reset"), { code: "ECONNRESET" }) });
  });
  await day.at.clock.advanceBy(10);
  assert.equal(seen.answer, OK);
  await day.quiet();
});

for (const code of ["ECONNREFUSED", "ECONNRESET"] as const) {
  test(`[F10] a lone GET or keyed command at a primary that beats and answers ${code} → served by the backup, at once`, async () => {
    for (const options of [{ idempotent: true }, { idempotencyKey: "k" }]) {
      const day = await Tuesday.begin();
      const seen = day.send(
        "10.0.0.1 GET /fine",
        (context) => {
          if (context.station.name === "south") return day.answers(OK)(context);
          throw Object.assign(new Error(code), { code });
        },
        options,
      );
      await day.at.clock.advanceBy(100);
      assert.equal(seen.answer, OK, String(seen.error));
      assert.ok(seen.tookMs <= 2 * ROUND_TRIP_MS, `${seen.tookMs} ms`);
      await day.quiet();
    }
  });
}

test("[F10] a call waits for room in the retry budget, and the other station is heard → it goes there", async () => {
  const day = await Tuesday.begin();
  const { south, clock } = day.at;
  south.beats = false;
  await day.load(10, 2_000, "10.0.0.1 GET /orders", day.answers(OK));
  const fails = (status: number): Route => {
    return (context) => day.answers(context.station.name === "north" ? { status } : OK)(context);
  };
  await day.load(10, 500, "10.0.0.1 GET /orders", fails(500));
  const waiting = day.send("10.0.0.1 GET /orders", fails(503));
  await clock.advanceBy(500);
  assert.deepEqual([waiting.answer, waiting.error], [undefined, undefined]);
  south.beats = true;
  await clock.advanceBy(1_000);
  assert.equal(waiting.answer, OK, String(waiting.error));
  await day.at.stop();
});

test("[F10] a primary that fails what the backup serves, for several callers → replaced, and no caller sees it", async () => {
  const day = await Tuesday.begin();
  const route: Route = (context) => day.answers(context.station.name === "north" ? { status: 500 } : OK)(context);
  for (let call = 0; call < 100; call++) {
    day.send(`10.0.0.${call % 5} GET /orders`, route);
    await day.at.clock.advanceBy(20);
  }
  assert.ok(day.seen.every(({ answer, tookMs }) => answer === OK && tookMs <= 2 * ROUND_TRIP_MS));
  assert.equal(day.at.failover.currentActive, "backup");
  await day.at.stop();
});
