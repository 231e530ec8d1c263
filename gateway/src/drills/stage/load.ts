/**
 * The callers of a stage: sources of commands, reads and uploads, each at its own rate whatever
 * comes back (an open loop: callers that wait for answers would send least when the gateway is
 * worst, and hide that). Each caller has its own address where the machine allows it, a patience
 * after which it hangs up, and never sends a command again. What each of them saw is recorded.
 */

import { Readable } from "node:stream";
import { type Clock, TIME_LEFT_HEADER, toTimeLeftHeader } from "ground-station-failover";
import { type Dispatcher, Pool } from "undici";
import { dueAfterMs, errorIn } from "../../demo/load.ts";
import type { CallRecord, OpenCall } from "./observations.ts";
import { COMMAND_HEADER } from "./service.ts";
import type { LoadSourceSettings } from "./settings.ts";

export interface LoadSourceOptions {
  /** Base address of the gateway's listener. */
  readonly to: URL;
  readonly settings: LoadSourceSettings;
  /** Makes the names of commands unique among several starts of a source. */
  readonly prefix: string;
  readonly clock: Clock;
  /** Clock of the recorded instants, which all processes of the machine share. */
  readonly machineNowMs: () => number;
  /** Addresses that callers send from; undefined: the machine's choice. */
  readonly addresses: readonly (string | undefined)[];
  readonly onSent: (call: OpenCall) => void;
  readonly onEnded: (record: CallRecord) => void;
}

type Answer = Pick<CallRecord, "status" | "station" | "error">;

/** Commands of one source that may be open at once; what is due above that is not sent. */
const MAX_OPEN = 5_000;
/** A slow body is sent in pieces at this interval, in ms. */
const PIECE_MS = 100;

export class LoadSource {
  readonly #options: LoadSourceOptions;
  readonly #pools: readonly Pool[];
  readonly #startedMs: number;
  readonly #inFlight: Set<Promise<void>> = new Set();
  readonly #timers: Set<Disposable> = new Set();
  readonly #leaving: AbortController = new AbortController();
  #due = 0;
  #sent = 0;
  #stopped = false;
  /** Commands that were due and not sent, because too many were open. */
  notSent = 0;

  /** Starts to send at once. */
  constructor(options: LoadSourceOptions) {
    this.#options = options;
    const { callers } = options.settings;
    // The patience of a caller ends waits here; the client's own time-outs are off.
    this.#pools = Array.from({ length: callers }, (_, caller) => {
      const localAddress = options.addresses[caller % options.addresses.length];
      const connect = localAddress === undefined ? {} : { localAddress };
      return new Pool(options.to.origin, { headersTimeout: 0, bodyTimeout: 0, connect });
    });
    this.#startedMs = options.clock.nowMs();
    this.#sendDue();
    if (options.settings.burst !== undefined) this.#burstLater(options.settings.burst);
  }

  get openCalls(): number {
    return this.#inFlight.size;
  }

  /** Stops sending; open commands go on for at most `drainMs`, then their callers hang up. */
  async stop(drainMs: number): Promise<void> {
    this.#stopped = true;
    for (const timer of this.#timers) timer[Symbol.dispose]();
    const { clock } = this.#options;
    const timer = clock.at(clock.nowMs() + drainMs, () => this.#leaving.abort());
    await Promise.all(this.#inFlight);
    timer[Symbol.dispose]();
    await Promise.all(this.#pools.map((pool) => pool.destroy()));
  }

  #sendDue(): void {
    const { clock, settings } = this.#options;
    const dueAtMs = (place: number): number => this.#startedMs + dueAfterMs(place, settings.perSecond);
    while (!this.#stopped && dueAtMs(this.#due) <= clock.nowMs()) {
      this.#due++;
      this.#sendOne();
    }
    if (!this.#stopped) this.#at(dueAtMs(this.#due), () => this.#sendDue());
  }

  #burstLater(burst: NonNullable<LoadSourceSettings["burst"]>): void {
    const { clock } = this.#options;
    this.#at(clock.nowMs() + burst.everyMs, () => {
      for (let one = 0; one < burst.commands; one++) this.#sendOne();
      this.#burstLater(burst);
    });
  }

  #at(atMs: number, run: () => void): void {
    const timer = this.#options.clock.at(atMs, () => {
      this.#timers.delete(timer);
      if (!this.#stopped) run();
    });
    this.#timers.add(timer);
  }

  #sendOne(): void {
    if (this.#inFlight.size >= MAX_OPEN) {
      this.notSent++;
      return;
    }
    const work = this.#send(this.#sent++);
    this.#inFlight.add(work);
    work.finally(() => this.#inFlight.delete(work));
  }

  async #send(place: number): Promise<void> {
    const { clock, settings, machineNowMs, onSent, onEnded, prefix } = this.#options;
    const call: OpenCall = { source: settings.name, command: `${prefix}-${place}`, sentMs: machineNowMs() };
    onSent(call);
    const late = new AbortController();
    const timer = clock.at(clock.nowMs() + settings.patienceMs, () => late.abort());
    const signal = AbortSignal.any([late.signal, this.#leaving.signal]);
    const answer = await this.#exchange(call.command, place, signal).catch(
      (error: Error): Answer => ({
        error: late.signal.aborted ? "gave-up" : this.#leaving.signal.aborted ? "ended-early" : codeOf(error),
      }),
    );
    timer[Symbol.dispose]();
    onEnded({ ...call, endedMs: machineNowMs(), ...answer });
  }

  async #exchange(command: string, place: number, signal: AbortSignal): Promise<Answer> {
    const { settings } = this.#options;
    const pool = this.#pools[place % this.#pools.length] as Pool;
    const isRead = settings.kind === "reads";
    const { statusCode, headers, body }: Dispatcher.ResponseData = await pool.request({
      method: isRead ? "GET" : "POST",
      path: isRead ? "/read" : settings.kind === "uploads" ? "/upload" : "/command",
      headers: this.#headers(command),
      body: isRead ? null : this.#body(command, signal),
      signal,
    });
    const text = await body.text();
    const servedBy = headers["gsf-station"];
    const error = errorIn(statusCode, text);
    return {
      status: statusCode,
      ...(servedBy === undefined ? {} : { station: String(servedBy) }),
      ...(error === undefined ? {} : { error: statusCode < 300 ? "error-body" : `status-${statusCode}` }),
    };
  }

  #headers(command: string): Record<string, string> {
    const { kind, keyed, saysPatience, patienceMs, bytes } = this.#options.settings;
    const headers: Record<string, string> = { [COMMAND_HEADER]: command };
    if (kind !== "reads" && keyed) headers["idempotency-key"] = command;
    if (kind === "uploads") headers["content-type"] = "application/octet-stream";
    if (kind === "uploads") headers["content-length"] = String(bytes);
    if (kind === "commands") headers["content-type"] = "application/json";
    if (saysPatience) headers[TIME_LEFT_HEADER] = toTimeLeftHeader(patienceMs);
    return headers;
  }

  #body(command: string, signal: AbortSignal): string | Readable | Buffer {
    const { kind, bytes, bytesPerSecond } = this.#options.settings;
    const whole = kind === "commands" ? jsonOf(command, bytes) : Buffer.alloc(bytes, "u");
    return bytesPerSecond === 0 ? whole : Readable.from(this.#slowly(Buffer.from(whole), bytesPerSecond, signal));
  }

  async *#slowly(body: Buffer, bytesPerSecond: number, signal: AbortSignal): AsyncIterable<Buffer> {
    const { clock } = this.#options;
    const startedMs = clock.nowMs();
    for (let sent = 0; sent < body.length; ) {
      const dueBytes = Math.floor(((clock.nowMs() - startedMs + PIECE_MS) / 1_000) * bytesPerSecond);
      const end = Math.min(body.length, Math.max(dueBytes, sent + 1));
      yield body.subarray(sent, end);
      sent = end;
      if (sent < body.length) await clock.sleepUntil(clock.nowMs() + PIECE_MS, signal);
    }
  }
}

/** JSON with the command's name, filled up to `bytes`. */
function jsonOf(command: string, bytes: number): string {
  const empty = JSON.stringify({ command, data: "" });
  return JSON.stringify({ command, data: "d".repeat(Math.max(0, bytes - empty.length)) });
}

function codeOf(error: Error): string {
  return "code" in error && typeof error.code === "string" ? error.code : error.name;
}
