/**
 * The types of toxic that a UDP proxy knows, with names after netem and Chaos Mesh. Rates and
 * correlations are shares from 0 to 1, times are milliseconds, a kilobyte has 1,000 bytes. Without
 * attributes, a toxic of a rate does nothing, and a bandwidth of 0 stalls, as in Toxiproxy. Bounds
 * keep one toxic from filling the memory or the network: copies, bits, delays and queues end.
 */
import { DELAY_DISTRIBUTIONS, MAX_DELAY_MS } from "../distribution.ts";
import { type AttributeRule, type ToxicTypes, wholeNumber } from "../toxic-type.ts";

const share = (byDefault: number): AttributeRule => ({ kind: "number", default: byDefault, min: 0, max: 1 });
const whole = (byDefault: number, min: number, max: number): AttributeRule => ({
  kind: "whole",
  default: byDefault,
  min,
  max,
});

export const UDP_TOXIC_TYPES: ToxicTypes = {
  noop: {},
  /**
   * `rate` loses single datagrams; the other four are the burst model (Gilbert and Elliott), which
   * is off while `good_to_bad` and `loss_in_good` are 0. A datagram is lost if either loses it.
   */
  loss: {
    rate: share(0),
    correlation: share(0),
    good_to_bad: share(0),
    bad_to_good: share(1),
    loss_in_good: share(0),
    loss_in_bad: share(1),
  },
  /** `copies`: how many are sent besides the datagram itself. */
  duplicate: { rate: share(0), correlation: share(0), copies: whole(1, 1, 10) },
  /** Held back for `gap` later datagrams, at most `delay` ms. */
  reorder: {
    rate: share(0),
    correlation: share(0),
    gap: whole(1, 1, 1_000),
    delay: whole(100, 1, MAX_DELAY_MS),
  },
  /** `bits`: how many bits of the datagram are flipped. */
  corrupt: { rate: share(0), correlation: share(0), bits: whole(1, 1, 64) },
  latency: {
    latency: wholeNumber(MAX_DELAY_MS),
    jitter: wholeNumber(MAX_DELAY_MS),
    distribution: { kind: "word", default: "uniform", words: DELAY_DISTRIBUTIONS },
  },
  /**
   * `rate` in KB/s, which may be a fraction; `queue` in bytes: what waits for the link besides the
   * datagram that finds it idle. The default holds one datagram of the greatest size.
   */
  bandwidth: {
    rate: { kind: "number", default: 0, min: 0, max: 1_000_000_000 },
    queue: whole(65_536, 0, 16_777_216),
  },
};
