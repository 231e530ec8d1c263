/**
 * The types of toxic that a TCP proxy knows: those of Toxiproxy with its attributes, and two of our
 * own for the listener. `refuse` closes the listener, so that connections are refused while the
 * proxy stays in the list; `stall_accept` takes connections and never answers them.
 */
import { DELAY_DISTRIBUTIONS, MAX_DELAY_MS } from "../distribution.ts";
import { type ToxicTypes, wholeNumber } from "../toxic-type.ts";

const DURATION_MS = wholeNumber(MAX_DELAY_MS);
const AMOUNT = wholeNumber(Number.MAX_SAFE_INTEGER);

export const TCP_TOXIC_TYPES: ToxicTypes = {
  noop: {},
  latency: {
    latency: DURATION_MS,
    jitter: DURATION_MS,
    distribution: { kind: "word", default: "uniform", words: DELAY_DISTRIBUTIONS },
  },
  bandwidth: { rate: AMOUNT },
  slow_close: { delay: DURATION_MS },
  timeout: { timeout: DURATION_MS },
  reset_peer: { timeout: DURATION_MS },
  slicer: { average_size: AMOUNT, size_variation: AMOUNT, delay: AMOUNT },
  limit_data: { bytes: AMOUNT },
  refuse: {},
  stall_accept: {},
};
