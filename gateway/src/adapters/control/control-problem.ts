/**
 * Problems of the control listener: `application/problem+json` (RFC 9457) with a sentence that says
 * what is allowed. A handler throws a refusal; the listener writes it down. What is not a refusal
 * is a fault of the gateway, and only its log says more.
 */
import { STATUS_CODES } from "node:http";
import type { Context } from "hono";
import { HTTPException } from "hono/http-exception";
import { PROBLEM_TYPE } from "../http/problem.ts";
import type { Log } from "../telemetry/log.ts";

type ProblemStatus = 400 | 403 | 404 | 409 | 413 | 415;

/** To be thrown. */
export function refusal(status: ProblemStatus, detail: string): HTTPException {
  return new HTTPException(status, { message: detail });
}

export function problem(status: number, detail: string, headers: Readonly<Record<string, string>> = {}): Response {
  const body = JSON.stringify({ type: "about:blank", title: STATUS_CODES[status], status, detail });
  return new Response(body, {
    status,
    headers: { ...headers, "content-type": PROBLEM_TYPE, "cache-control": "no-store" },
  });
}

/** The answer to a request whose handler threw `error`. */
export function problemAnswer(error: Error, context: Context, log: Log): Response {
  if (error instanceof HTTPException) return problem(error.status, error.message);
  log.error({ err: error, path: context.req.path }, "control request failed");
  return problem(500, "this is a fault of the gateway; its log says more");
}
