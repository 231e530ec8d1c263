/**
 * A real `gsf run` between callers and two stations of this process, to be killed and started again
 * over the same state. The stations note what arrives: keys, epochs and how often each key ran. The
 * rig goes on from one gateway process to the next, so that what outlives a process can be
 * compared with what its callers were told.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GsfProcess } from "../process/gsf-process.ts";

/** A command as it arrived at a station. */
export interface Arrival {
  readonly station: string;
  /** Which of the gateway's processes sent it, from 1. */
  readonly run: number;
  readonly epoch: number;
  readonly key: string | undefined;
  readonly method: string;
  readonly target: string;
}

export interface Ready {
  readonly control: string;
  readonly address: string;
}

interface RigOptions {
  /** More lines of the configuration, at its top level. */
  readonly more?: string;
  /** More lines of the group. */
  readonly ofGroup?: string;
}

const EPOCH = "gsf-epoch";

export class GatewayRig implements AsyncDisposable {
  readonly directory: string = mkdtempSync(join(tmpdir(), "gsf-kills-"));
  readonly arrivals: Arrival[] = [];
  /** How often each key ran. */
  readonly executions: Map<string, number> = new Map();
  readonly #stations: readonly Server[];
  readonly #configuration: string = join(this.directory, "fleet.yaml");
  #gateway: GsfProcess | undefined;
  #onArrival: (() => void) | undefined;
  run = 0;
  ready: Ready | undefined;

  private constructor() {
    this.#stations = ["primary", "backup"].map((name) =>
      createServer((request, response) => this.#serve(name, request, response)),
    );
  }

  static async open(options: RigOptions = {}): Promise<GatewayRig> {
    const rig = new GatewayRig();
    for (const station of rig.#stations) await new Promise<void>((resolve) => station.listen(0, "127.0.0.1", resolve));
    const url = (place: number): string =>
      `http://127.0.0.1:${((rig.#stations[place] as Server).address() as AddressInfo).port}`;
    writeFileSync(
      rig.#configuration,
      `
groups:
  - name: atlantic
    listen: 127.0.0.1:0
    stations:
      - { name: primary, url: "${url(0)}" }
      - { name: backup, url: "${url(1)}" }
    heartbeat: { kind: http, interval: 50ms, path: /healthz }
${options.ofGroup ?? ""}
control: { listen: "127.0.0.1:0" }
${options.more ?? ""}`,
    );
    return rig;
  }

  /** Where the gateway keeps its state. */
  get state(): string {
    return join(this.directory, "fleet.state");
  }

  /** Begins to start the gateway; `start` waits for it. */
  launch(): GsfProcess {
    this.run++;
    this.ready = undefined;
    this.#gateway = new GsfProcess(["run", "--config", this.#configuration, "--json"]);
    return this.#gateway;
  }

  async start(): Promise<Ready> {
    const [line] = await this.launch().saying(/^\{"ready":true.*\}$/m);
    const { control, groups } = JSON.parse(line) as { control: string; groups: Record<string, { address: string }> };
    this.ready = { control, address: groups["atlantic"]?.address as string };
    return this.ready;
  }

  /** Kills the gateway, and resolves when it is gone. */
  async kill(): Promise<void> {
    const gateway = this.#gateway;
    this.ready = undefined;
    gateway?.child.kill("SIGKILL");
    const ended = await gateway?.ended;
    assert.equal(ended?.code, "SIGKILL", `the gateway ended by itself: ${ended?.stderr}`);
  }

  /** Asks it to stop at once, and resolves when it has. */
  async stop(): Promise<void> {
    this.#gateway?.child.kill("SIGINT");
    const ended = await this.#gateway?.ended;
    assert.equal(ended?.code, 0, ended?.stderr);
  }

  /** What the gateway has logged. */
  get log(): string {
    return this.#gateway?.stderr ?? "";
  }

  /** Resolves when the next command arrives at a station. */
  arrival(): Promise<void> {
    return new Promise((resolve) => {
      this.#onArrival = resolve;
    });
  }

  /** Sends a command; undefined if there was no answer. */
  async send(target: string, init: RequestInit = {}): Promise<Response | undefined> {
    try {
      return await fetch(`${this.ready?.address}${target}`, init);
    } catch {
      return undefined;
    }
  }

  /** Asks the control listener; undefined if there was no answer. */
  async order(path: string, body: object): Promise<Response | undefined> {
    const headers = { "content-type": "application/json" };
    try {
      return await fetch(`${this.ready?.control}${path}`, { method: "POST", headers, body: JSON.stringify(body) });
    } catch {
      return undefined;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#gateway?.[Symbol.asyncDispose]();
    for (const station of this.#stations) {
      station.closeAllConnections();
      await new Promise((resolve) => station.close(resolve));
    }
    rmSync(this.directory, { recursive: true, force: true });
  }

  #serve(station: string, request: IncomingMessage, response: ServerResponse): void {
    const { method = "", url: target = "", headers } = request;
    request.resume();
    if (target === "/healthz") return void response.end("well");
    const key = headers["idempotency-key"];
    const epoch = Number(headers[EPOCH] ?? 0);
    const named = typeof key === "string" ? key : undefined;
    this.#onArrival?.();
    this.arrivals.push({ station, run: this.run, epoch, key: named, method, target });
    request.once("end", () => {
      if (named !== undefined) this.executions.set(named, (this.executions.get(named) ?? 0) + 1);
      response.end(station);
    });
  }
}
