/**
 * Callers as they are in ordinary life: they come at a rate whether or not they are answered (an
 * open loop), lose patience, upload slowly, or hang up. Each call has a connection of its own, so
 * that the callers do not queue behind each other. Everything is counted, and the latencies are
 * kept for quantiles.
 */
import { Readable } from "node:stream";
import { type Random, systemClock } from "ground-station-failover";
import { Agent, request } from "undici";
import type { JsonObject } from "../experiment/experiment.ts";
import { reasonOf } from "./exchange.ts";
import { pause } from "./fields.ts";

export interface CallPlan {
  readonly url: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Bytes of the body; 0: no body. */
  readonly bodyBytes: number;
  /** How fast the body is sent; undefined: at once. */
  readonly bodyBytesPerSecond: number | undefined;
  /** The caller gives up after so long; undefined: it waits until the load ends. */
  readonly patienceMs: number | undefined;
  /** The caller hangs up so long after it has called, whatever has come; undefined: it does not. */
  readonly hangUpAfterMs: number | undefined;
  /** A fresh idempotency key for each call. */
  readonly keyed: boolean;
}

export interface ArrivalPlan {
  /** Calls in all. */
  readonly count: number;
  readonly ratePerSecond: number;
  /** So many at the same instant; the rate stays the same on average. */
  readonly burst: number;
  readonly arrivals: "even" | "poisson";
  readonly maxInFlight: number;
  readonly forMs: number;
}

/** Most latencies that are kept; the later ones are counted only. */
const MAX_SAMPLES = 100_000;
const MAX_ERRORS = 50;
/** Bytes of an answer that are read before its connection is closed. */
const MAX_ANSWER_BYTES = 1_048_576;

/** Counts of calls, by how they ended. */
export class CallCounts {
  sent = 0;
  answered = 0;
  gaveUp = 0;
  hungUp = 0;
  /** Not sent, because too many were in flight. */
  notSent = 0;
  /** Cut by the end of the load. */
  cut = 0;
  inFlight = 0;
  readonly statuses: Map<number, number> = new Map();
  readonly errors: Map<string, number> = new Map();
  readonly #latencies: number[] = [];

  status(code: number, latencyMs: number): void {
    this.answered++;
    this.statuses.set(code, (this.statuses.get(code) ?? 0) + 1);
    if (this.#latencies.length < MAX_SAMPLES) this.#latencies.push(latencyMs);
  }

  error(reason: string): void {
    const name = this.errors.has(reason) || this.errors.size < MAX_ERRORS ? reason : "other";
    this.errors.set(name, (this.errors.get(name) ?? 0) + 1);
  }

  /** As the output of an activity. Latencies: from the call to the end of its answer, in ms. */
  toJson(): JsonObject {
    const sorted = this.#latencies.toSorted((a, b) => a - b);
    const at = (share: number): number | null => {
      const value = sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
      return value === undefined ? null : Math.round(value * 10) / 10;
    };
    return {
      sent: this.sent,
      answered: this.answered,
      statuses: Object.fromEntries([...this.statuses].map(([code, count]) => [String(code), count])),
      errors: Object.fromEntries(this.errors),
      gaveUp: this.gaveUp,
      hungUp: this.hungUp,
      cut: this.cut,
      notSent: this.notSent,
      latencyMs: { p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) },
    };
  }
}

/** Makes the calls; resolves when all have ended, or soon after `signal` is aborted. */
export async function makeCalls(
  plan: CallPlan,
  arrivals: ArrivalPlan,
  counts: CallCounts,
  random: Random,
  signal: AbortSignal,
): Promise<void> {
  // A connection for each call: callers do not share one.
  const agent = new Agent({ connections: null, pipelining: 0, headersTimeout: 0, bodyTimeout: 0, maxResponseSize: -1 });
  const ending = new AbortController();
  const end = (): void => ending.abort();
  signal.addEventListener("abort", end, { once: true });
  if (signal.aborted) end();
  const startMs = systemClock.nowMs();
  const over = systemClock.at(startMs + arrivals.forMs, end);
  const out = new Set<Promise<void>>();
  try {
    let atMs = startMs;
    for (let made = 0; made < arrivals.count && !ending.signal.aborted; ) {
      for (let one = 0; one < arrivals.burst && made < arrivals.count; one++, made++) {
        if (counts.inFlight >= arrivals.maxInFlight) {
          counts.notSent++;
          continue;
        }
        const call: Promise<void> = oneCall(plan, agent, counts, made, ending.signal).finally(() => out.delete(call));
        out.add(call);
      }
      atMs += (arrivals.burst * 1_000 * gap(arrivals, random)) / arrivals.ratePerSecond;
      const waitMs = atMs - systemClock.nowMs();
      if (waitMs > 0 && made < arrivals.count) await pause(waitMs, ending.signal);
    }
    await Promise.all(out);
  } finally {
    over[Symbol.dispose]();
    signal.removeEventListener("abort", end);
    await agent.destroy();
  }
}

function gap({ arrivals }: ArrivalPlan, random: Random): number {
  return arrivals === "even" ? 1 : -Math.log(1 - random.next());
}

async function oneCall(
  plan: CallPlan,
  agent: Agent,
  counts: CallCounts,
  number: number,
  ending: AbortSignal,
): Promise<void> {
  const leaving = new AbortController();
  let why: "gaveUp" | "hungUp" | "cut" = "cut";
  const leave = (reason: "gaveUp" | "hungUp"): void => {
    why = reason;
    leaving.abort();
  };
  const startMs = systemClock.nowMs();
  const timers = [
    plan.patienceMs === undefined ? undefined : systemClock.at(startMs + plan.patienceMs, () => leave("gaveUp")),
    plan.hangUpAfterMs === undefined ? undefined : systemClock.at(startMs + plan.hangUpAfterMs, () => leave("hungUp")),
  ];
  const signal = AbortSignal.any([leaving.signal, ending]);
  counts.sent++;
  counts.inFlight++;
  try {
    const hasBody = plan.bodyBytes > 0;
    const { statusCode, body } = await request(plan.url, {
      dispatcher: agent,
      method: plan.method as "GET",
      headers: {
        ...(hasBody ? { "content-type": "application/octet-stream", "content-length": String(plan.bodyBytes) } : {}),
        ...(plan.keyed
          ? { "idempotency-key": `drill-${process.pid}-${Math.round(performance.timeOrigin)}-${number}` }
          : {}),
        ...plan.headers,
      },
      body: hasBody ? Readable.from(slowly(plan, signal), { objectMode: false }) : null,
      signal,
    });
    await body.dump({ limit: MAX_ANSWER_BYTES, signal });
    counts.status(statusCode, systemClock.nowMs() - startMs);
  } catch (error) {
    if (signal.aborted) counts[why]++;
    else counts.error(reasonOf(error));
  } finally {
    counts.inFlight--;
    for (const timer of timers) timer?.[Symbol.dispose]();
  }
}

/** Ten pieces a second, or one. */
async function* slowly({ bodyBytes, bodyBytesPerSecond }: CallPlan, signal: AbortSignal): AsyncGenerator<Buffer> {
  if (bodyBytesPerSecond === undefined) return yield Buffer.alloc(bodyBytes, 0x61);
  const piece = Math.max(1, Math.floor(bodyBytesPerSecond / 10));
  for (let left = bodyBytes; left > 0 && !signal.aborted; left -= piece) {
    yield Buffer.alloc(Math.min(piece, left), 0x61);
    if (left > piece) await pause((piece * 1_000) / bodyBytesPerSecond, signal);
  }
}
