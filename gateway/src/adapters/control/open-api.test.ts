/**
 * The OpenAPI description beside the routes that the listener really has: none is missing, none is
 * made up, and the bodies that it describes are those that are read.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "ground-station-failover/sim";
import { ControlAccess } from "./control-access.ts";
import { type ControlOptions, controlApp } from "./control-api.ts";
import { CONTROL_ROUTES } from "./control-routes.ts";
import { openApi } from "./open-api.ts";

interface Described {
  readonly paths: Record<string, Record<string, { responses: object; requestBody?: object; security: unknown[] }>>;
}

const described = openApi("1.2.3") as Described;

test("[G3] every route of the listener is described, and every described one is there", () => {
  const access = new ControlAccess([], new VirtualClock());
  const options = { access, groups: new Map(), listen: { host: "127.0.0.1", port: 0 } };
  const app = controlApp(options as unknown as ControlOptions);
  const routes = app.routes
    .filter(({ method }) => method !== "ALL")
    .map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, "{$1}")}`);
  // The probes are answered before the routes (`control-server.ts`).
  const expected = CONTROL_ROUTES.filter(({ isOpen }) => isOpen !== true);
  assert.deepEqual(routes.toSorted(), expected.map(({ method, path }) => `${method} ${path}`).toSorted());
  const shown = Object.entries(described.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  assert.deepEqual(
    shown,
    CONTROL_ROUTES.map(({ method, path }) => `${method} ${path}`),
  );
});

test("[G3] the description names the fields of an order, its answer and its problems", () => {
  const order = described.paths["/v1/groups/{group}/drain"]?.["post"];
  const body = JSON.stringify(order?.requestBody);
  for (const field of ["station", "reason", "forMs", "by", "keepStreams"])
    assert.ok(body.includes(`"${field}"`), field);
  assert.ok(body.includes('"required":["reason"]'), body);
  assert.deepEqual(Object.keys(order?.responses ?? {}), [
    "200",
    "400",
    "401",
    "403",
    "404",
    "409",
    "413",
    "415",
    "429",
    "500",
  ]);
  assert.deepEqual(described.paths["/healthz"]?.["get"]?.security, []);
  assert.equal(JSON.stringify(described).includes("$schema"), false);
});
