/**
 * Two real HTTP services and a gateway process in front of them, started from the smallest file:
 * for tests of what an operator reads afterwards.
 */
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { Folder, GsfProcess } from "./gsf-process.ts";

export class PairService implements AsyncDisposable {
  readonly server: Server;
  #port = 0;

  private constructor(serve: RequestListener) {
    this.server = createServer(serve);
  }

  static async open(serve: RequestListener): Promise<PairService> {
    const service = new PairService(serve);
    await service.listen();
    return service;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Listens, after a death on the same port as before. */
  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.server.listen(this.#port, "127.0.0.1", resolve));
    this.#port = (this.server.address() as AddressInfo).port;
  }

  /** Ends at once, with all connections. */
  async die(): Promise<void> {
    if (!this.server.listening) return;
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    this.server.closeAllConnections();
    await closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.die();
  }
}

export class ServedPair implements AsyncDisposable {
  readonly primary: PairService;
  readonly backup: PairService;
  readonly folder: Folder = new Folder();
  readonly config: string;
  gateway: GsfProcess | undefined;
  /** Base addresses, once the gateway runs. */
  control = "";
  group = "";

  private constructor(primary: PairService, backup: PairService, more: string, ofGroup: string) {
    this.primary = primary;
    this.backup = backup;
    this.config = this.folder.file(
      "fleet.yaml",
      `groups:
  - name: atlantic
    listen: 127.0.0.1:0
    stations:
      - { name: primary, url: "${primary.url}" }
      - { name: backup, url: "${backup.url}" }
    heartbeat: { kind: http, interval: 50ms, path: /healthz }
${ofGroup}
control: { listen: "127.0.0.1:0" }
${more}`,
    );
  }

  /**
   * `more`: lines of the file for the whole gateway; `ofGroup`: for its group, with four blanks.
   */
  static async open(serve: RequestListener, more = "", ofGroup = ""): Promise<ServedPair> {
    const pair = new ServedPair(await PairService.open(serve), await PairService.open(serve), more, ofGroup);
    await pair.start();
    return pair;
  }

  /** Starts the gateway, and waits until both stations are heard. */
  async start(): Promise<void> {
    const gateway = new GsfProcess(["run", "--config", this.config, "--json"]);
    this.gateway = gateway;
    const [line] = await gateway.saying(/^\{"ready":true.*\}$/m);
    const ready = JSON.parse(line) as { control: string; groups: Record<string, { address: string }> };
    this.control = ready.control;
    this.group = ready.groups["atlantic"]?.address as string;
    await gateway.saying(/primary is alive/);
    await gateway.saying(/backup is alive/);
  }

  /** Ends the gateway by `signal`, and waits until it has ended. */
  async end(signal: "SIGINT" | "SIGKILL" | "SIGTERM"): Promise<void> {
    this.gateway?.child.kill(signal);
    await this.gateway?.ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.gateway?.[Symbol.asyncDispose]();
    await this.primary.die();
    await this.backup.die();
    this.folder[Symbol.dispose]();
  }
}
