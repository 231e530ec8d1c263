/**
 * What each toxic does to datagrams: single ones told with exact instants, many over fixed seeds.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { seededRandom } from "ground-station-failover";
import { type Attributes, defaultAttributes, mergedAttributes } from "../toxic-type.ts";
import { DATAGRAM_FAULTS, type DatagramFault } from "./datagram-faults.ts";
import { UDP_TOXIC_TYPES } from "./toxic-types.ts";

const COUNT = 20_000;

function attributesOf(type: string, given: Record<string, number | string> = {}): Attributes {
  const rules = UDP_TOXIC_TYPES[type] ?? {};
  return mergedAttributes(rules, defaultAttributes(rules), given);
}

function faultOf(type: string, given: Record<string, number | string>, seed = "faults"): DatagramFault {
  const fault = DATAGRAM_FAULTS[type]?.(seededRandom(seed));
  assert.ok(fault !== undefined);
  fault.use(attributesOf(type, given));
  return fault;
}

const bytes = (length: number): Buffer => Buffer.alloc(length);

/** Five standard errors of a share. */
function assertShare(hits: number, share: number, count = COUNT): void {
  const bound = 5 * Math.sqrt((share * (1 - share)) / count);
  assert.ok(Math.abs(hits / count - share) <= bound, `${hits / count}, wanted ${share} ± ${bound}`);
}

test("every type has a machine, and does nothing harmful by default", () => {
  assert.deepEqual(Object.keys(DATAGRAM_FAULTS).toSorted(), Object.keys(UDP_TOXIC_TYPES).toSorted());
  const datagram = bytes(100);
  for (const type of Object.keys(UDP_TOXIC_TYPES)) {
    const { departures } = faultOf(type, {}).take(datagram, 7);
    // A bandwidth of 0 stalls: so it is in Toxiproxy.
    assert.deepEqual(departures, [{ datagram, atMs: type === "bandwidth" ? Number.POSITIVE_INFINITY : 7 }]);
  }
});

test("attributes are not there → an error, not a silent pass", () => {
  assert.throws(() => DATAGRAM_FAULTS["loss"]?.(seededRandom(1)).use({}), TypeError);
});

describe("loss", () => {
  test("rate 0.3 → that share never leaves", () => {
    const loss = faultOf("loss", { rate: 0.3 });
    const verdicts = Array.from({ length: COUNT }, (_none, nowMs) => loss.take(bytes(1), nowMs));
    assertShare(verdicts.filter(({ departures }) => departures.length === 0).length, 0.3);
    assert.ok(verdicts.every(({ departures, effect }) => (effect === "lost") === (departures.length === 0)));
  });

  test("single losses and bursts together → a datagram is lost if either loses it", () => {
    const loss = faultOf("loss", { rate: 0.2, good_to_bad: 0.5, bad_to_good: 0.5, loss_in_bad: 0.5 });
    const lost = Array.from({ length: COUNT }, () => loss.take(bytes(1), 0)).filter(({ effect }) => effect === "lost");
    // Half of the time in the bad state, which changes without memory: 1 − 0.8 × 0.75.
    assertShare(lost.length, 0.4);
  });

  test("a changed rate → the burst that is on goes on", () => {
    const loss = faultOf("loss", { good_to_bad: 1, bad_to_good: 0 });
    assert.deepEqual([loss.take(bytes(1), 0).effect, loss.take(bytes(1), 0).effect], [undefined, "lost"]);
    loss.use(attributesOf("loss", { good_to_bad: 0.001, bad_to_good: 0 }));
    assert.equal(loss.take(bytes(1), 0).effect, "lost");
  });
});

describe("duplicate", () => {
  test("rate 0.25 and 3 copies → that share leaves four times, at once", () => {
    const duplicate = faultOf("duplicate", { rate: 0.25, copies: 3 });
    const verdicts = Array.from({ length: COUNT }, () => duplicate.take(bytes(1), 5));
    const copied = verdicts.filter(({ departures }) => departures.length === 4);
    assertShare(copied.length, 0.25);
    assert.ok(verdicts.every(({ departures }) => departures.length === 1 || departures.length === 4));
    assert.ok(
      copied.every(({ departures, effect }) => effect === "duplicated" && departures.every(({ atMs }) => atMs === 5)),
    );
  });
});

describe("reorder", () => {
  test("rate 1, gap 2 → one is held back, two pass, then the next is held back", () => {
    const reorder = faultOf("reorder", { rate: 1, gap: 2, delay: 50 });
    const held = [0, 1, 2, 3, 4, 5].map((nowMs) => reorder.take(bytes(1), nowMs).departures[0]);
    assert.deepEqual(
      held.map((departure) => [departure?.atMs, departure?.afterDatagrams]),
      [
        [50, 2],
        [1, undefined],
        [2, undefined],
        [53, 2],
        [4, undefined],
        [5, undefined],
      ],
    );
  });

  test("nothing comes before its time is up → the next may be held back again", () => {
    const reorder = faultOf("reorder", { rate: 1, gap: 2, delay: 50 });
    assert.deepEqual(
      [0, 50, 99, 100].map((nowMs) => reorder.take(bytes(1), nowMs).effect),
      ["reordered", "reordered", undefined, "reordered"],
    );
  });

  test("rate r, gap g → a share r / (1 + r g) of all is held back", () => {
    const reorder = faultOf("reorder", { rate: 0.2, gap: 3, delay: 1_000_000 });
    const verdicts = Array.from({ length: COUNT }, () => reorder.take(bytes(1), 0));
    // Its variance is below that of independent draws: the time between two has a fixed part.
    assertShare(verdicts.filter(({ effect }) => effect === "reordered").length, 0.2 / 1.6);
  });
});

describe("corrupt", () => {
  function flippedBits(one: Buffer, other: Buffer): number {
    return one.reduce((sum, byte, place) => {
      const difference = byte ^ other.readUInt8(place);
      return sum + difference.toString(2).replaceAll("0", "").length;
    }, 0);
  }

  for (const [length, bits, flipped] of [
    [1_000, 1, 1],
    [1_000, 64, 64],
    [2, 64, 16],
    [0, 64, 0],
  ] as const) {
    test(`${bits} bits of ${length} bytes → ${flipped} are flipped, in a copy`, () => {
      const corrupt = faultOf("corrupt", { rate: 1, bits });
      const datagram = bytes(length);
      const [departure] = corrupt.take(datagram, 0).departures;
      assert.ok(departure !== undefined);
      assert.equal(departure.datagram.length, length);
      assert.equal(flippedBits(datagram, departure.datagram), flipped);
      assert.ok(datagram.every((byte) => byte === 0));
    });
  }

  test("many datagrams → the flipped bit is anywhere with the same chance", () => {
    const corrupt = faultOf("corrupt", { rate: 1 });
    const places = new Array<number>(16).fill(0);
    for (let taken = 0; taken < COUNT; taken++) {
      const flipped = corrupt.take(bytes(2), 0).departures[0]?.datagram.readUInt16LE() ?? 0;
      places[Math.log2(flipped)]!++;
    }
    for (const hits of places) assertShare(hits, 1 / 16);
  });
});

describe("latency", () => {
  for (const distribution of ["uniform", "normal", "pareto", "lognormal"]) {
    test(`${distribution}, 200 ± 30 ms → the mean is the latency`, () => {
      const latency = faultOf("latency", { latency: 200, jitter: 30, distribution });
      let sum = 0;
      for (let taken = 0; taken < COUNT; taken++)
        sum += (latency.take(bytes(1), 1_000).departures[0]?.atMs ?? 0) - 1_000;
      // The standard deviation is at most 30 in each shape.
      const bound = (5 * 30) / Math.sqrt(COUNT);
      assert.ok(Math.abs(sum / COUNT - 200) <= bound, `${sum / COUNT}`);
    });
  }

  test("no jitter → exactly the latency", () => {
    assert.equal(faultOf("latency", { latency: 80 }).take(bytes(1), 3).departures[0]?.atMs, 83);
  });
});

describe("bandwidth", () => {
  test("10 KB/s → a datagram of 100 bytes takes 10 ms, and the next waits for it", () => {
    const bandwidth = faultOf("bandwidth", { rate: 10 });
    const leaveAtMs = [0, 0, 5, 100].map((nowMs) => bandwidth.take(bytes(100), nowMs).departures[0]?.atMs);
    assert.deepEqual(leaveAtMs, [10, 20, 30, 110]);
  });

  test("the queue is full → the newest is dropped; an idle link takes any size", () => {
    const bandwidth = faultOf("bandwidth", { rate: 1, queue: 250 });
    const effects = [1_000, 100, 100, 100].map((length) => bandwidth.take(bytes(length), 0).effect);
    // 1,000 bytes are on the link and fill the queue by themselves: nothing else has a place.
    assert.deepEqual(effects, [undefined, "dropped", "dropped", "dropped"]);
    assert.equal(bandwidth.take(bytes(100), 849).effect, "dropped");
    assert.deepEqual(bandwidth.take(bytes(100), 850).departures[0]?.atMs, 1_100);
  });

  test("rate 0 → nothing leaves, and the queue's bound holds", () => {
    const bandwidth = faultOf("bandwidth", { rate: 0, queue: 250 });
    const verdicts = [100, 100, 100].map((length) => bandwidth.take(bytes(length), 0));
    assert.deepEqual(
      verdicts.map(({ departures }) => departures[0]?.atMs),
      [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, undefined],
    );
  });

  test("overload of many sizes → what leaves in a second is the rate", () => {
    const bandwidth = faultOf("bandwidth", { rate: 100, queue: 5_000 });
    const random = seededRandom("sizes");
    let passedBytes = 0;
    for (let nowMs = 0; nowMs < 10_000; nowMs++) {
      const datagram = bytes(Math.floor(random.next() * 1_000));
      const atMs = bandwidth.take(datagram, nowMs).departures[0]?.atMs ?? Number.POSITIVE_INFINITY;
      if (atMs <= 10_000) passedBytes += datagram.length;
    }
    // Never idle after the first datagram; at the end, one may be on the link.
    assert.ok(passedBytes <= 1_000_000 && passedBytes >= 998_000, `${passedBytes}`);
  });
});
