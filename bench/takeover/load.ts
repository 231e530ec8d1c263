/**
 * The callers: an open loop of commands at a fixed rate, each sent once with a key of its own and
 * never repeated. A caller waits for the patience of the run, counted from the instant at which its
 * command was due and not from the instant at which it was sent, so that a stalled bench counts
 * against the front and not for it (no coordinated omission).
 */
import http from "node:http";
import type { FaultCase } from "./cases.ts";
import { nowMs, sleep } from "./processes.ts";
import type { Setting } from "./setting.ts";

/** `ok`, or why the caller takes the call for failed. */
export type Outcome =
  | "ok"
  | "timeout"
  | "refused"
  | "connection"
  | "truncated"
  | "semantic"
  | "bad-body"
  | `http-${number}`;

export interface Call {
  readonly key: string;
  readonly dueMs: number;
  readonly doneMs: number;
  readonly outcome: Outcome;
  /** Station that the answer names. */
  readonly servedBy: string | undefined;
}

/** Load before the measured one, so that connections and compilers are warm. */
export const WARM_UP_S = 1.5;

/** Instants in seconds at which a command is due; below 0 is the warm-up. */
export function* dueSeconds(setting: Setting, faultCase: FaultCase): Generator<number> {
  for (let atS = -WARM_UP_S; atS < setting.durationS; ) {
    yield atS;
    atS += 1 / (setting.rate * (atS >= 0 ? (faultCase.loadFactor?.(atS) ?? 1) : 1));
  }
}

/** Whether a body is the success of the command with that key, and which station says so. */
export function judgeAnswer(status: number, body: string, key: string): { outcome: Outcome; servedBy?: string } {
  if (status !== 200) return { outcome: `http-${status}` };
  try {
    const answer = JSON.parse(body) as { status?: string; key?: string; station?: string };
    if (answer.status !== "ok" || answer.key !== key) return { outcome: "semantic" };
    return { outcome: "ok", ...(answer.station !== undefined && { servedBy: answer.station }) };
  } catch {
    return { outcome: "bad-body" };
  }
}

export class Load {
  readonly calls: Call[] = [];
  readonly #port: number;
  readonly #setting: Setting;
  readonly #faultCase: FaultCase;
  readonly #agent = new http.Agent({
    keepAlive: true,
    maxSockets: Number.POSITIVE_INFINITY,
    maxFreeSockets: 4_096,
    scheduling: "lifo",
  });
  #open = 0;

  constructor(port: number, setting: Setting, faultCase: FaultCase) {
    this.#port = port;
    this.#setting = setting;
    this.#faultCase = faultCase;
  }

  /**
   * Sends everything and resolves when the last caller has its answer or has left. Second 0 is at
   * `startMs`.
   */
  async drive(startMs: number): Promise<void> {
    let number = 0;
    for (const atS of dueSeconds(this.#setting, this.#faultCase)) {
      const dueMs = startMs + 1_000 * atS;
      for (let waitMs = dueMs - nowMs(); waitMs > 0; waitMs = dueMs - nowMs())
        await sleep(Math.max(0.5, Math.min(5, waitMs)));
      this.#send(`${atS < 0 ? "w" : "c"}-${number++}`, dueMs, atS >= 0);
    }
    while (this.#open > 0) await sleep(20);
  }

  close(): void {
    this.#agent.destroy();
  }

  #send(key: string, dueMs: number, isMeasured: boolean): void {
    this.#open++;
    const body = JSON.stringify({ command: "point-antenna", key, azimuth: 123.4 });
    let isOver = false;
    const end = (outcome: Outcome, servedBy?: string): void => {
      if (isOver) return;
      isOver = true;
      this.#open--;
      clearTimeout(timer);
      if (isMeasured) this.calls.push({ key, dueMs, doneMs: nowMs(), outcome, servedBy });
    };
    const headers = {
      "content-type": "application/json",
      "content-length": Buffer.byteLength(body),
      "idempotency-key": key,
    };
    const options = {
      host: "127.0.0.1",
      port: this.#port,
      method: "POST",
      path: "/commands",
      agent: this.#agent,
      headers,
    };
    const request = http.request(options, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (data) => {
        text += data;
      });
      response.on("error", () => end("truncated"));
      response.on("end", () => {
        if (!response.complete) return end("truncated");
        const { outcome, servedBy } = judgeAnswer(response.statusCode ?? 0, text, key);
        end(outcome, servedBy);
      });
    });
    request.setNoDelay(true);
    request.on("error", (error: NodeJS.ErrnoException) =>
      end(error.code === "ECONNREFUSED" ? "refused" : "connection"),
    );
    const timer = setTimeout(
      () => {
        end("timeout");
        request.destroy();
      },
      Math.max(0, dueMs + this.#setting.patienceMs - nowMs()),
    );
    request.end(body);
  }
}
