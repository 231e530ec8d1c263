/**
 * Callers of the ordinary checks: one request with its time, an upload at a given pace that may be
 * cut, and steady traffic. Every request says what came back and after how long; nothing is ever
 * repeated here.
 */
import http from "node:http";
import { nowMs, sleep } from "../processes.ts";

export interface Question {
  readonly path: string;
  readonly method?: string;
  /** Sent as `Idempotency-Key`. */
  readonly key?: string;
  /** Bytes of a body of zeros; 0 for none. */
  readonly bytes?: number;
  /** The body's length is not told before: it comes in chunks. */
  readonly isChunked?: boolean;
  /** Pace of the body; as fast as it goes where it is not given. */
  readonly bytesPerSecond?: number;
  /** The caller leaves after this long. */
  readonly timeoutMs?: number;
  readonly agent?: http.Agent;
}

export interface Reply {
  /** 0 where none came. */
  readonly status: number;
  readonly body: string;
  readonly tookMs: number;
  /** Why no answer came: `left` where the caller went away. */
  readonly failure?: string;
}

const DEFAULT_TIMEOUT_MS = 20_000;
/** A paced body is sent in pieces this far apart. */
const PIECE_MS = 50;

export function ask(address: string, question: Question): Promise<Reply> {
  const { path, method = "GET", key, bytes = 0, agent, timeoutMs = DEFAULT_TIMEOUT_MS } = question;
  const beganMs = nowMs();
  return new Promise((resolve) => {
    const isSized = method !== "GET" && question.isChunked !== true;
    const headers: Record<string, string | number> = isSized ? { "content-length": bytes } : {};
    if (key !== undefined) headers["idempotency-key"] = key;
    const request = http.request(`${address}${path}`, { method, headers, agent: agent ?? false }, (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (data) => {
        body += data;
      });
      response.on("error", (error) => end({ status: 0, body: "", failure: error.message }));
      response.on("end", () => end({ status: response.statusCode ?? 0, body }));
    });
    const end = (reply: Omit<Reply, "tookMs">): void => {
      clearTimeout(timer);
      resolve({ ...reply, tookMs: nowMs() - beganMs });
    };
    const timer = setTimeout(() => {
      end({ status: 0, body: "", failure: "left" });
      request.destroy();
    }, timeoutMs);
    request.on("error", (error) => end({ status: 0, body: "", failure: error.message }));
    if (bytes === 0) request.end();
    else sendBody(request, bytes, question.bytesPerSecond ?? Number.POSITIVE_INFINITY).catch(() => undefined);
  });
}

async function sendBody(request: http.ClientRequest, bytes: number, bytesPerSecond: number): Promise<void> {
  const beganMs = nowMs();
  const most = 64 * 1_024;
  for (let sent = 0; sent < bytes && !request.destroyed; ) {
    const allowed = Math.min(bytes, (bytesPerSecond * (nowMs() - beganMs + PIECE_MS)) / 1_000);
    const size = Math.min(most, Math.floor(allowed) - sent);
    if (size > 0) {
      const isTaken = request.write(Buffer.alloc(size));
      sent += size;
      if (!isTaken) await new Promise((resolve) => request.once("drain", resolve).once("close", resolve));
    } else await sleep(PIECE_MS);
  }
  request.end();
}

/**
 * Asks at a fixed rate for a while, whatever comes back and when, and resolves when everything has
 * come back.
 */
export async function traffic(
  address: string,
  perSecond: number,
  durationMs: number,
  questionOf: (number: number) => Question,
): Promise<readonly Reply[]> {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1_000 });
  const beganMs = nowMs();
  const replies: Promise<Reply>[] = [];
  const count = Math.round((perSecond * durationMs) / 1_000);
  for (let number = 0; number < count; number++) {
    const waitMs = beganMs + (1_000 * number) / perSecond - nowMs();
    if (waitMs > 0) await sleep(waitMs);
    replies.push(ask(address, { agent, ...questionOf(number) }));
  }
  const found = await Promise.all(replies);
  agent.destroy();
  return found;
}
