/**
 * A gateway with the minimum file in front of two ordinary services, all real processes on loopback
 * ports that the system picks. Who is active is read from the control listener, what happened from
 * the gateway's log.
 */
import type { ChildProcess } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Children, endChild, sleep, untilReady } from "../processes.ts";
import { ask } from "./client.ts";

export interface StageOptions {
  /** Folder of the checkout whose gateway is tried. */
  readonly gateway: string;
  /** Most descriptors that the gateway may have open; undefined for the machine's own limit. */
  readonly descriptorLimit?: number;
  /** True: stations are named by host names, which `failNames` takes away. */
  readonly hasNames?: boolean;
}

/** A line of the gateway's log. */
export interface LogLine {
  readonly level: string;
  readonly event?: string;
  readonly msg: string;
}

interface Status {
  readonly groups: Readonly<Record<string, { readonly active: string; readonly epoch: number }>>;
}

const SERVICE = fileURLToPath(new URL("service.ts", import.meta.url));
const NAMES = new URL("../../../gateway/src/drills/stage/program-names.ts", import.meta.url).href;
const GROUP = "uplink";
/** Time for first heartbeats and for what a gateway does at its start. */
const SETTLE_MS = 1_500;

export class Stage {
  readonly address: string;
  readonly #control: string;
  readonly #folder: string;
  readonly #children: Children;
  readonly #gateway: ChildProcess;
  readonly #services: readonly number[];
  #epochAtStart = 0;

  private constructor(
    ready: { readonly address: string; readonly control: string },
    folder: string,
    children: Children,
    gateway: ChildProcess,
    services: readonly number[],
  ) {
    this.address = ready.address;
    this.#control = ready.control;
    this.#folder = folder;
    this.#children = children;
    this.#gateway = gateway;
    this.#services = services;
  }

  static async open(options: StageOptions): Promise<Stage> {
    const folder = mkdtempSync(join(tmpdir(), "ordinary-"));
    const children = new Children();
    try {
      const ports = await Promise.all(["primary", "backup"].map((name) => startService(name, children)));
      const host = (name: string): string => (options.hasNames === true ? `${name}.station.test` : "127.0.0.1");
      const file = join(folder, "fleet.yaml");
      writeFileSync(
        file,
        `
groups:
  - name: ${GROUP}
    listen: 127.0.0.1:0
    stations:
      - { name: primary, url: "http://${host("primary")}:${ports[0]}" }
      - { name: backup, url: "http://${host("backup")}:${ports[1]}" }
    heartbeat: { kind: http, path: /health }
control: { listen: "127.0.0.1:0" }
drainDelay: 0s
drain: 1s
`,
      );
      const { child, ready } = await startGateway(file, folder, children, options);
      const stage = new Stage(ready, folder, children, child, ports);
      await sleep(SETTLE_MS);
      stage.#epochAtStart = (await stage.#group()).epoch;
      return stage;
    } catch (error) {
      await children.endAll();
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
  }

  /** How often the active station changed since the gateway started. */
  async roleChanges(): Promise<number> {
    return (await this.#group()).epoch - this.#epochAtStart;
  }

  /** What the log says at this level or worse. */
  log(): readonly LogLine[] {
    const lines = readFileSync(join(this.#folder, "gateway.log"), "utf8").split("\n");
    return lines.filter((line) => line.startsWith("{")).map((line) => JSON.parse(line) as LogLine);
  }

  /** Requests that both services together have got. */
  async received(): Promise<number> {
    const counts = this.#services.map(async (port) => {
      const { body } = await ask(`http://127.0.0.1:${port}`, { path: "/received" });
      return (JSON.parse(body) as { received: number }).received;
    });
    return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0);
  }

  /** From now on no name can be looked up by the gateway. */
  failNames(): void {
    writeFileSync(join(this.#folder, "names-down"), "");
  }

  async close(): Promise<void> {
    await endChild(this.#gateway, "SIGTERM", 3_000);
    await this.#children.endAll();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #group(): Promise<{ readonly active: string; readonly epoch: number }> {
    const { status, body, failure } = await ask(this.#control, { path: "/v1/status", timeoutMs: 5_000 });
    if (status !== 200) throw new Error(`The gateway does not tell its status: ${failure ?? status}.`);
    const group = (JSON.parse(body) as Status).groups[GROUP];
    if (group === undefined) throw new Error(`The status knows no group ${GROUP}.`);
    return group;
  }
}

async function startService(name: string, children: Children): Promise<number> {
  const child = children.launch(process.execPath, [SERVICE, name]);
  return Number((await untilReady(child)).match(/READY (\d+)/)?.[1]);
}

async function startGateway(
  file: string,
  folder: string,
  children: Children,
  options: StageOptions,
): Promise<{ child: ChildProcess; ready: { address: string; control: string } }> {
  const preload = options.hasNames === true ? ["--import", NAMES] : [];
  const args = [...preload, join(options.gateway, "gateway/bin/gsf.js"), "run", "--config", file, "--json"];
  const log = openSync(join(folder, "gateway.log"), "w");
  const env = { ...process.env, GSF_NAMES_AWAY: join(folder, "names-down") };
  // `ulimit` is the shell's word for it; the shell then becomes the gateway.
  const limited = `ulimit -n ${options.descriptorLimit ?? "$(ulimit -n)"} && exec "$@"`;
  const command = ["-c", limited, "sh", process.execPath, ...args];
  const child = children.launch("sh", command, { cwd: folder, env, stdio: ["ignore", "pipe", log] });
  closeSync(log);
  try {
    const said = await untilReady(child, { isReady: (text) => text.includes("}\n") });
    const { control, groups } = JSON.parse(said) as { control: string; groups: Record<string, { address: string }> };
    return { child, ready: { control, address: groups[GROUP]?.address ?? "" } };
  } catch (error) {
    throw new Error(
      `${error instanceof Error ? error.message : error} ${readFileSync(join(folder, "gateway.log"), "utf8")}`,
    );
  }
}
