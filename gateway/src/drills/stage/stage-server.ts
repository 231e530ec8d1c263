/**
 * The HTTP side of a stage, on loopback: live numbers and the steady state for hypotheses and stop
 * conditions, the processes and the load for actions and rollbacks, and the executor that the
 * stations' services ask. It holds no state.
 */

import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { getRequestListener } from "@hono/node-server";
import { nearestName } from "ground-station-failover/core";
import type { Hono } from "hono";
import { HTTPException } from "hono/http-exception";
import type { Json } from "../experiment/experiment.ts";
import type { Executors, StageCommand } from "./executors.ts";
import { localRoutes } from "./local-routes.ts";
import type { LoadSourceSettings } from "./settings.ts";
import { readSource } from "./settings-schema.ts";
import type { StageSignals } from "./signals.ts";
import type { ProcessView } from "./stage-processes.ts";
import type { SteadyState } from "./steady-timeline.ts";

/** Sources of load at once, those of the drill's file included. */
const MAX_SOURCES = 20;

/** What the gateway says of its stations; nothing is healthy while it does not answer. */
export interface StationsView {
  readonly active: string | null;
  readonly healthy: readonly string[];
}

/** What the routes are about. */
export interface ServedStage {
  readonly executors: Executors;
  signals(windowMs: number | undefined): StageSignals;
  steadyState(windowMs: number | undefined): SteadyState;
  stations(): StationsView;
  processes(): readonly ProcessView[];
  start(name: string): Promise<number>;
  kill(name: string): Promise<void>;
  /** Whether the output of a process is read. */
  readOutput(name: string, isReading: boolean): void;
  sources(): readonly LoadSourceSettings[];
  addSource(source: LoadSourceSettings): void;
  removeSource(name: string): boolean;
}

export interface StageServer {
  readonly url: string;
  close(): void;
}

export async function serveStage(stage: ServedStage): Promise<StageServer> {
  const listener = getRequestListener(routes(stage).fetch, { overrideGlobalObjects: false });
  const server: Server = createServer(listener);
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

function routes(stage: ServedStage): Hono {
  const app = localRoutes("/signals, /steady-state, /stations, /processes and /load");
  app.get("/signals", (context) => context.json(stage.signals(windowIn(context.req.query("window")))));
  app.get("/steady-state", (context) => {
    const state = stage.steadyState(windowIn(context.req.query("window")));
    return context.json(state, state.met ? 200 : 503);
  });
  app.get("/stations", (context) => context.json(stage.stations()));
  processRoutes(app, stage);
  loadRoutes(app, stage);
  executorRoutes(app, stage.executors);
  return app;
}

function processRoutes(app: Hono, stage: ServedStage): void {
  const known = (name: string): string => {
    const names = stage.processes().map((one) => one.name);
    if (names.includes(name)) return name;
    const meant = nearestName(name, names);
    const guess = meant === undefined ? "" : ` (did you mean ${meant}?)`;
    throw new HTTPException(404, { message: `there is no process ${name}${guess}; there are ${names.join(", ")}` });
  };
  app.get("/processes", (context) => context.json(stage.processes()));
  app.get("/processes/:name", (context) => {
    const name = known(context.req.param("name"));
    return context.json(stage.processes().find((one) => one.name === name) ?? null);
  });
  app.post("/processes/:name/start", async (context) =>
    context.json({ pid: await stage.start(known(context.req.param("name"))) }),
  );
  app.post("/processes/:name/kill", async (context) => {
    await stage.kill(known(context.req.param("name")));
    return context.json({ pid: null });
  });
  app.post("/processes/:name/restart", async (context) => {
    const name = known(context.req.param("name"));
    await stage.kill(name);
    return context.json({ pid: await stage.start(name) });
  });
  for (const isReading of [true, false]) {
    app.post(`/processes/:name/${isReading ? "read-output" : "stall-output"}`, (context) => {
      stage.readOutput(known(context.req.param("name")), isReading);
      return context.json({ isReading });
    });
  }
}

function loadRoutes(app: Hono, stage: ServedStage): void {
  app.get("/load", (context) => context.json(stage.sources()));
  app.put("/load/:name", async (context) => {
    const name = context.req.param("name");
    const read = readSource(name, await context.req.json<Json>().catch(() => null));
    if ("problems" in read) throw new HTTPException(400, { message: read.problems.join("; ") });
    const names = stage.sources().map((one) => one.name);
    if (!names.includes(name) && names.length >= MAX_SOURCES)
      throw new HTTPException(409, { message: `there are ${MAX_SOURCES} sources already; delete some` });
    stage.addSource(read.value);
    return context.json(read.value, 201);
  });
  app.delete("/load/:name", (context) => {
    const name = context.req.param("name");
    if (stage.removeSource(name)) return context.json({ name });
    throw new HTTPException(404, { message: `there is no source ${name}` });
  });
}

/** What the services of the stations ask; not for drills. */
function executorRoutes(app: Hono, executors: Executors): void {
  app.post("/execute", async (context) =>
    context.json(await executors.execute(await context.req.json<StageCommand>())),
  );
  app.get("/keys/:station/:key", (context) =>
    context.json(executors.ask(context.req.param("station"), context.req.param("key"), false)),
  );
  app.delete("/keys/:station/:key", (context) =>
    context.json(executors.ask(context.req.param("station"), context.req.param("key"), true)),
  );
}

/** `10s`, `500ms` or a number of milliseconds; undefined: not given. */
function windowIn(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const match = /^(\d{1,6}(?:\.\d{1,3})?)(ms|s)?$/.exec(text);
  const ms = Number(match?.[1]) * (match?.[2] === "s" ? 1_000 : 1);
  if (match === null || ms < 100 || ms > 600_000)
    throw new HTTPException(400, { message: `window: ${text.slice(0, 40)} is not allowed; allowed is 100ms to 600s` });
  return ms;
}
