/**
 * What a configuration may say of a group's commands: their times and numbers, the header that
 * carries their deadline, and how a station is asked what became of a key. Meaning and reasons for
 * operators: `docs/guide/configuration.md`.
 */
import type { z } from "zod";
import type { GroupSettings, KeyStatusSettings } from "../fleet/settings.ts";
import {
  duration,
  FRAMING,
  fieldPlace,
  headerName,
  keyedPath,
  oneOf,
  section,
  trueOrFalse,
  wholeNumber,
} from "./values.ts";

const HOUR_MS = 3_600_000;

/** Fields that mean something else, to this gateway or to everybody. */
const TAKEN: ReadonlySet<string> = new Set([
  ...FRAMING,
  ...["x-time-left-ms", "grpc-timeout", "idempotency-key", "gsf-epoch", "gsf-epoch-seen", "gsf-station", "gsf-outcome"],
]);

const deadlineHeader = section({
  name: headerName(TAKEN).default("gsf-deadline"),
  /** Milliseconds need no parser and lose nothing. */
  format: oneOf("epoch-ms", "epoch-s", "rfc3339").default("epoch-ms"),
}).prefault({});

const keyStatus = section({
  path: keyedPath(),
  /** Only a station that cancels the key can promise that the command will not arrive later. */
  method: oneOf("DELETE", "GET").default("DELETE"),
  executed: fieldPlace().default("executed"),
  answer: fieldPlace().default("answer"),
  cancelled: fieldPlace().default("cancelled"),
  inFlight: fieldPlace().default("inflight"),
  /** The station may be dead: its commands wait no longer for an answer. */
  timeout: duration(1, 60_000).default(250),
  trustGet: trueOrFalse().default(false),
}).transform(({ timeout, ...rest }): KeyStatusSettings => ({ ...rest, timeoutMs: timeout }));

export const commands: z.ZodType<GroupSettings["commands"]> = section({
  /** Default: the deadline, because nothing needs it to notice a station that does not answer. */
  timeout: duration(1, HOUR_MS).optional(),
  /**
   * Longer than what people wait for and most endpoints take; what callers really wait is learned
   * from those who hang up.
   */
  deadline: duration(1, HOUR_MS).default(30_000),
  /** Default: half of the take-over objective of 30 s, or the deadline where that is less. */
  maxWait: duration(0, HOUR_MS).optional(),
  maxWaiting: wholeNumber(0, 1_000_000).default(10_000),
  /**
   * Default: 256 that a station works on, and as many as may wait beside them that take long as a
   * rule.
   */
  maxConcurrent: wholeNumber(1, 1_000_000).optional(),
  /** Right where the service executes a key once; `report` where it does not. */
  ambiguousKeyed: oneOf("resend", "report").default("resend"),
  errorBody: trueOrFalse().default(true),
  deadlineHeader,
  /**
   * Default: what the station says (`Keep-Alive: timeout=5`), less half a second; 4 s where it says
   * nothing, because most servers keep 5 s.
   */
  keepAlive: duration(1, HOUR_MS).optional(),
  /** Stations cannot be asked by default. */
  keyStatus: keyStatus.optional(),
})
  .transform(({ timeout, deadline, maxWait, maxConcurrent, keepAlive, keyStatus: asked, ...rest }) => ({
    timeoutMs: timeout ?? deadline,
    deadlineMs: deadline,
    maxWaitMs: maxWait ?? Math.min(15_000, deadline),
    ...(maxConcurrent === undefined ? { maxConcurrent: 10_000, maxWorking: 256 } : { maxConcurrent }),
    ...rest,
    ...(keepAlive === undefined ? {} : { keepAliveMs: keepAlive }),
    keyStatus: asked,
  }))
  .prefault({});
