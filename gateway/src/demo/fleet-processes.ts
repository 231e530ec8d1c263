/**
 * The processes of the demo: a spacecraft, two stations that relay to it, the gateway in front of
 * them, and a source of commands. Each is a process of its own on loopback. Where possible, a
 * process takes any free port (0) and reports it. Only the stations' ports are chosen here, because
 * the gateway must know them while a station is dead.
 */
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import { type Child, Children } from "../adapters/process/children.ts";
import type { Wait } from "../adapters/process/waiting.ts";
import type { LoadMessage } from "./roles.ts";
import type { CommandRecord } from "./sums.ts";

export const GROUP = "uplink";
export const PRIMARY = "north";
export const BACKUP = "south";

/** Five processes start on a machine that may be busy. */
const START_LIMIT_MS = 20_000;
const DRAIN_LIMIT_MS = 15_000;

/** A station; its process may change. */
export interface Station {
  readonly name: string;
  readonly url: string;
  child: Child;
}

/** The source of commands, and its reports so far. */
export interface Load {
  readonly child: Child;
  readonly records: CommandRecord[];
  /** Number of commands sent; undefined until it was stopped and every answer has arrived. */
  sent: number | undefined;
}

/** Addresses of the gateway. */
export interface GatewayAddresses {
  readonly listener: string;
  readonly control: string;
  /** host:port. */
  readonly heartbeats: string;
}

export class FleetProcesses {
  readonly children: Children = new Children();
  readonly #wait: Wait;
  readonly #directory: string = mkdtempSync(join(tmpdir(), "gsf-demo-"));
  readonly #tidy = (): void => rmSync(this.#directory, { recursive: true, force: true });

  constructor(wait: Wait) {
    this.#wait = wait;
    process.on("exit", this.#tidy);
    writeFileSync(this.#secretFile, randomBytes(32).toString("hex"), { mode: 0o600 });
  }

  /** Kills every process by its id, and resolves when all are gone. */
  async end(): Promise<void> {
    await this.children.end();
    this.#tidy();
    process.off("exit", this.#tidy);
  }

  async startSpacecraft(): Promise<{ readonly child: Child; readonly url: string }> {
    const child = this.children.start("spacecraft", ["demo-spacecraft"]);
    return { child, url: await this.#said(child, /listening on (http:\S+)/) };
  }

  /** `stationUrls`: the primary first. */
  async startGateway(stationUrls: readonly [string, string]): Promise<{ child: Child; addresses: GatewayAddresses }> {
    const file = join(this.#directory, "gateway.yaml");
    writeFileSync(file, stringify(configuration(stationUrls, this.#secretFile)));
    const child = this.children.start("gateway", ["run", "--config", file]);
    const listener = await this.#said(child, /listening on (http:\S+)/);
    const control = await this.#said(child, /control on (http:\S+)/);
    const heartbeats = await this.#said(child, /heartbeats on (\S+)/);
    return { child, addresses: { listener, control, heartbeats } };
  }

  async startStation(name: string, url: string, spacecraftUrl: string, heartbeats: string): Promise<Station> {
    const child = this.children.start(`station ${name}`, [
      ...["station", "--name", name, "--group", GROUP, "--listen", new URL(url).host],
      ...["--relay-to", spacecraftUrl, "--heartbeat-to", heartbeats, "--secret-file", this.#secretFile],
    ]);
    await this.#said(child, /listening on (http:\S+?),/);
    return { name, url, child };
  }

  async startLoad(listener: string, ratePerSecond: number, prefix: string): Promise<Load> {
    const child = this.children.start("load", [
      ...["demo-load", "--to", listener, "--rate", String(ratePerSecond), "--prefix", prefix],
    ]);
    const load: Load = { child, records: [], sent: undefined };
    child.process.on("message", (message: LoadMessage) => {
      if (message.type === "records") load.records.push(...message.records);
      else load.sent = message.sent;
    });
    await this.#said(child, /(sending)/);
    return load;
  }

  /** Stops sending, and resolves when every command has ended. */
  async stopLoad(load: Load): Promise<void> {
    load.child.send({ stop: true });
    const complete = (): true | undefined => (load.sent !== undefined && load.records.length >= load.sent) || undefined;
    const seen = (): string => `${load.records.length} have ended`;
    await this.#wait.until("every command to be answered or given up", DRAIN_LIMIT_MS, complete, seen);
    await load.child.kill();
  }

  get #secretFile(): string {
    return join(this.#directory, "heartbeat-secret");
  }

  /** Waits for a line of output and returns the first group of its match. */
  async #said(child: Child, pattern: RegExp): Promise<string> {
    let said: string | undefined;
    child.line(pattern).then((match) => {
      said = match[1];
    });
    return this.#wait.until(`${child.name} (pid ${child.pid}) to be ready`, START_LIMIT_MS, () => said);
  }
}

/**
 * The configuration that a team would write for two uplinks of one spacecraft; all other values are
 * the gateway's defaults.
 */
function configuration([primary, backup]: readonly [string, string], secretFile: string): object {
  return {
    groups: [
      {
        name: GROUP,
        listen: "127.0.0.1:0",
        stations: [
          { name: PRIMARY, url: primary },
          { name: BACKUP, url: backup },
        ],
        heartbeat: { kind: "udp", interval: "50ms" },
        probePath: "/healthz",
      },
    ],
    control: { listen: "127.0.0.1:0" },
    heartbeats: { listen: "127.0.0.1:0", secretFile },
  };
}
