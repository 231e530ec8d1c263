/**
 * The OpenAPI 3.1 description of the control listener, generated from its routes
 * (`control-routes.ts`) and their zod schemas; 3.1 takes JSON Schema as it is. It describes what
 * the listener reads and answers; statuses and problems are those of the routes.
 */
import { z } from "zod";
import { PROBLEM_TYPE } from "../http/problem.ts";
import { CONTROL_ROUTES, type ControlRoute } from "./control-routes.ts";

const TITLES: Readonly<Record<number, string>> = {
  400: "The order is not as described; the detail names the field",
  401: "No token, or a wrong one",
  403: "The token may only read; without a token, the request does not come from this machine",
  404: "There is no such group, or nothing of this name in it",
  409: "Refused as things are; the detail says why",
  413: "The body is too large",
  415: "The body is not JSON",
  429: "Too many wrong tokens from this address; come again after Retry-After",
  500: "A fault of the gateway",
  503: "Not now",
};

const PROBLEM: z.ZodType = z.object({
  ...{ type: z.string(), title: z.string(), status: z.number() },
  detail: z.string().meta({ description: "What is wrong and what is allowed, in a sentence" }),
});

/** The description of this version of the gateway. */
export function openApi(version: string): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const route of CONTROL_ROUTES) {
    paths[route.path] ??= {};
    (paths[route.path] as Record<string, object>)[route.method.toLowerCase()] = operationOf(route);
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Control listener of a Ground Station Failover gateway",
      version,
      description: "Without a configured token, only this machine has access, and no token is asked for.",
    },
    paths,
    components: {
      securitySchemes: { token: { type: "http", scheme: "bearer" } },
      schemas: { Problem: schemaOf(PROBLEM, "output") },
    },
  };
}

function operationOf(route: ControlRoute): object {
  const { method, path, summary, body, answer, isOpen } = route;
  const parameters = [
    ...[...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
      ...{ name, in: "path", required: true, schema: { type: "string" } },
    })),
    ...Object.entries(route.query ?? {}).map(([name, description]) => ({
      ...{ name, in: "query", description, schema: { type: "string" } },
    })),
  ];
  const statuses = [...(isOpen === true ? [] : [401, 403, 429]), ...route.problems, 500];
  const problems = statuses.map((status) => [
    String(status),
    {
      description: TITLES[status] ?? "",
      content: { [PROBLEM_TYPE]: { schema: { $ref: "#/components/schemas/Problem" } } },
    },
  ]);
  return {
    operationId: operationId(method, path),
    summary,
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined
      ? {}
      : { requestBody: { required: true, content: { "application/json": { schema: schemaOf(body, "input") } } } }),
    security: isOpen === true ? [] : [{ token: [] }, {}],
    responses: {
      200: {
        description: answer.description,
        content: { [answer.type]: { schema: schemaOf(answer.schema, "output") } },
      },
      ...Object.fromEntries(problems),
    },
  };
}

/** `getStatus`, `postGroupSwitchover`. */
function operationId(method: string, path: string): string {
  const words = path.split(/[^A-Za-z]+/).filter((word) => word !== "" && word !== "v" && word !== "groups");
  return method.toLowerCase() + words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join("");
}

function schemaOf(schema: z.ZodType, io: "input" | "output"): object {
  const { $schema: _, ...described } = z.toJSONSchema(schema, { io });
  return described;
}
