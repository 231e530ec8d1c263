/**
 * Asynchronous commands on real processes: a `gsf run` that can be killed and started again on the
 * same state, two stations that share one memory of keys, and callers that post and hold the
 * gateway to each 202.
 */
import { once } from "node:events";
import type { Server } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import type { Random } from "ground-station-failover";
import { freePorts } from "../../gateway/src/adapters/process/free-ports.ts";
import { Folder, GsfProcess } from "./gsf-process.ts";

/** A service that executes a key once, reached through two stations. */
export class KeyedService implements AsyncDisposable {
  /** How often the command of each body was executed. */
  readonly executions: Map<string, number> = new Map();
  /** Requests that were answered from the memory of keys. */
  repeated = 0;
  /** Requests wait here before they are executed. */
  gate: Promise<void> = Promise.resolve();
  readonly #keys: Map<string, Promise<string>> = new Map();
  readonly #servers: Server[] = [];

  /** The ports of two stations. */
  async open(): Promise<readonly [number, number]> {
    for (let place = 0; place < 2; place++) {
      const server = createServer(async (message, response) => {
        let body = "";
        for await (const piece of message.setEncoding("utf8")) body += piece;
        if (message.method === "GET") return response.end("well");
        const key = String(message.headers["idempotency-key"] ?? "");
        const known = this.#keys.get(key);
        if (known !== undefined) this.repeated++;
        const answer = known ?? this.#execute(body.slice(0, 64).trim());
        if (key !== "") this.#keys.set(key, answer);
        response.end(await answer);
      });
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      this.#servers.push(server);
    }
    return this.#servers.map((server) => (server.address() as AddressInfo).port) as unknown as [number, number];
  }

  async #execute(id: string): Promise<string> {
    await this.gate;
    this.executions.set(id, (this.executions.get(id) ?? 0) + 1);
    await pause(5);
    return `did ${id}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.#servers) {
      server.close();
      server.closeAllConnections();
    }
  }
}

export interface Reply {
  readonly status: number;
  readonly location: string | null;
  readonly text: string;
}

/** A gateway on a state that outlives its processes. */
export class KilledGateway implements AsyncDisposable {
  readonly #folder: Folder = new Folder();
  readonly #file: string;
  readonly #address: string;
  #process: GsfProcess | undefined;

  private constructor(port: number, control: number, stations: readonly [number, number], more: string) {
    this.#address = `http://127.0.0.1:${port}`;
    const [primary, backup] = stations;
    this.#file = this.#folder.file(
      "fleet.yaml",
      `groups:
  - name: atlantic
    listen: 127.0.0.1:${port}
    stations:
      - { name: primary, url: "http://127.0.0.1:${primary}" }
      - { name: backup, url: "http://127.0.0.1:${backup}" }
    heartbeat: { kind: http, path: /healthz }
control: { listen: "127.0.0.1:${control}" }
${more}`,
    );
  }

  /** `more`: lines of the configuration. */
  static async of(stations: readonly [number, number], more = ""): Promise<KilledGateway> {
    const [port, control] = (await freePorts(2)) as [number, number];
    return new KilledGateway(port, control, stations, more);
  }

  start(): GsfProcess {
    this.#process = new GsfProcess(["run", "--config", this.#file, "--log-level", "error"]);
    return this.#process;
  }

  /** Resolves when it is gone. */
  async kill(): Promise<void> {
    this.#process?.child.kill("SIGKILL");
    await this.#process?.ended;
  }

  /** Undefined if there was no answer. */
  async ask(
    path: string,
    method: "GET" | "POST" | "DELETE" = "GET",
    headers: Readonly<Record<string, string>> = {},
    body?: string,
  ): Promise<Reply | undefined> {
    try {
      const answer = await fetch(`${this.#address}${path}`, { method, headers, body: body ?? null });
      return { status: answer.status, location: answer.headers.get("location"), text: await answer.text() };
    } catch {
      return undefined;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process?.[Symbol.asyncDispose]();
    this.#folder[Symbol.dispose]();
  }
}

/** Posts commands one after the other, until it is stopped. */
export class PostingCaller {
  /** By the name of the command: where the gateway has promised to tell its fate. */
  readonly promised: Map<string, string> = new Map();
  posted = 0;
  readonly #gateway: KilledGateway;
  readonly #name: string;
  readonly #random: Random;
  #isStopped = false;

  constructor(gateway: KilledGateway, name: string, random: Random) {
    this.#gateway = gateway;
    this.#name = name;
    this.#random = random;
  }

  async run(): Promise<void> {
    while (!this.#isStopped) {
      const id = `${this.#name}-${++this.posted}`;
      const isKeyed = this.#random.next() < 0.5;
      const priority = ["emergency", "command", "telemetry"][Math.floor(this.#random.next() * 3)] as string;
      const headers = {
        ...{ prefer: "respond-async", "gsf-priority": priority },
        ...(isKeyed ? { "idempotency-key": `key of ${id}` } : {}),
      };
      // With a key it may be sent again; without one, a second sending would be a second command.
      for (let tries = isKeyed ? 3 : 1; tries > 0 && !this.#isStopped; tries--) {
        const reply = await this.#gateway.ask("/burn", "POST", headers, id);
        if (reply?.status === 202 || reply?.status === 200) this.promised.set(id, String(reply.location));
        if (reply !== undefined) break;
        await pause(50);
      }
    }
  }

  stop(): void {
    this.#isStopped = true;
  }
}
