/**
 * The service of a station as a process: the service itself, and beside it a listener over which
 * its behaviour is read and changed. GET `/mode` shows the mode and the counts. PUT gives a
 * whole mode (what is left out has its default) and may hold `expiresAfterMs`, after which the mode
 * of the start returns by itself; DELETE returns it at once. It ends with its parent.
 */
import { createServer, type Server } from "node:http";
import { getRequestListener } from "@hono/node-server";
import { seededRandom, systemClock } from "ground-station-failover";
import type { Hono } from "hono";
import { Pool } from "undici";
import { endWithParent } from "../../adapters/process/children.ts";
import type { Json } from "../experiment/experiment.ts";
import { keepCompiled } from "./compile-cache.ts";
import type { KeyAnswer, StageCommand, StageOutcome } from "./executors.ts";
import { localRoutes } from "./local-routes.ts";
import { type Backend, StageService } from "./service.ts";
import type { ServiceMode } from "./settings.ts";
import { readModeChange } from "./settings-schema.ts";

export interface ServiceProcessOptions {
  readonly name: string;
  readonly port: number;
  readonly controlPort: number;
  /** Where commands are executed. */
  readonly stageUrl: string;
  readonly mode: ServiceMode;
  readonly seed: number;
}

export async function runServiceProcess(options: ServiceProcessOptions): Promise<void> {
  const { name, port, controlPort, mode, stageUrl, seed } = options;
  endWithParent();
  const service = new StageService({
    ...{ name, mode, clock: systemClock, backend: new StageBackend(stageUrl) },
    random: seededRandom(`${seed}`).fork(name),
  });
  const control = createServer(getRequestListener(controlRoutes(service).fetch, { overrideGlobalObjects: false }));
  await Promise.all([listen(service.server, port), listen(control, controlPort)]);
  process.stdout.write(`service ${name} listening on http://127.0.0.1:${port}\n`);
  keepCompiled();
}

/** The executor of the stage, over HTTP. */
class StageBackend implements Backend {
  readonly #pool: Pool;

  constructor(stageUrl: string) {
    this.#pool = new Pool(stageUrl);
  }

  async execute(command: StageCommand): Promise<StageOutcome> {
    return (await this.#ask("POST", "/execute", JSON.stringify(command))) as StageOutcome;
  }

  async ask(station: string, key: string, cancel: boolean): Promise<KeyAnswer> {
    const path = `/keys/${encodeURIComponent(station)}/${encodeURIComponent(key)}`;
    return (await this.#ask(cancel ? "DELETE" : "GET", path, null)) as KeyAnswer;
  }

  async #ask(method: "GET" | "POST" | "DELETE", path: string, body: string | null): Promise<unknown> {
    const headers = body === null ? {} : { "content-type": "application/json" };
    const answer = await this.#pool.request({ method, path, body, headers });
    const said = await answer.body.json();
    if (answer.statusCode !== 200) throw new Error(`${method} ${path} answered ${answer.statusCode}`);
    return said;
  }
}

function controlRoutes(service: StageService): Hono {
  const app = localRoutes("/mode");
  const shown = () => ({ mode: service.mode, counts: service.counts });
  app.get("/mode", (context) => context.json(shown()));
  app.put("/mode", async (context) => {
    const read = readModeChange(await context.req.json<Json>().catch(() => null));
    if ("problems" in read) return context.json({ error: read.problems.join("; ") }, 400);
    service.setMode(read.value.mode, read.value.expiresAfterMs);
    return context.json(shown());
  });
  app.delete("/mode", (context) => {
    service.restoreMode();
    return context.json(shown());
  });
  return app;
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject).listen({ port, host: "127.0.0.1", backlog: 1_024 }, () => resolve());
  });
}
