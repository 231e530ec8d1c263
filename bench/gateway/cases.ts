/** The requests that are measured, and the client that sends them: undici, many at once. */
import { Pool } from "undici";

export interface Case {
  readonly name: string;
  readonly title: string;
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly body?: Buffer;
  readonly isKeyed?: boolean;
  /** Requests of a round, as a share of those of a small one. */
  readonly share: number;
}

const ORDER: Buffer = Buffer.from(JSON.stringify({ burn: "x".repeat(1_000) }));

export const CASES: readonly Case[] = [
  { name: "get", title: "Small GET", method: "GET", path: "/", share: 1 },
  { name: "post", title: "POST of 1 kB", method: "POST", path: "/", body: ORDER, share: 1 },
  {
    name: "keyed",
    title: "POST of 1 kB with a key of its own",
    method: "POST",
    path: "/",
    body: ORDER,
    isKeyed: true,
    share: 0.5,
  },
  { name: "long", title: "Reply of 64 KiB", method: "GET", path: "/long", share: 0.3 },
  { name: "stream", title: "Reply of 64 KiB in 16 chunks", method: "GET", path: "/stream", share: 0.3 },
];

/** As many callers as a small service has. */
const CALLERS = 16;

export class Load {
  readonly #pool: Pool;
  #sent = 0;

  constructor(port: number) {
    this.#pool = new Pool(`http://127.0.0.1:${port}`, { connections: CALLERS });
  }

  /** Sends so many requests, `CALLERS` at once; how long each took, in ms. */
  async send({ method, path, body, isKeyed = false }: Case, requests: number): Promise<number[]> {
    const times: number[] = [];
    let left = requests;
    const caller = async (): Promise<void> => {
      while (left-- > 0) {
        const headers: Record<string, string> = { accept: "application/json", "user-agent": "bench" };
        if (body !== undefined) headers["content-type"] = "application/json";
        if (isKeyed) headers["idempotency-key"] = `${process.pid}-${performance.timeOrigin}-${++this.#sent}`;
        const begunMs = performance.now();
        const reply = await this.#pool.request({ method, path, headers, ...(body === undefined ? {} : { body }) });
        await reply.body.dump({ limit: 1e9 });
        if (reply.statusCode >= 300) throw new Error(`${method} ${path} was answered ${reply.statusCode}`);
        times.push(performance.now() - begunMs);
      }
    };
    await Promise.all(Array.from({ length: CALLERS }, caller));
    return times;
  }

  close(): Promise<void> {
    return this.#pool.close();
  }
}
