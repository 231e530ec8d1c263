/**
 * One HTTP request to something that a drill controls: a fault proxy, an instrumented service, a
 * page of metrics. It is bounded in time and bytes, uses a connection of its own, and never follows
 * a redirect. Only this machine is asked, unless the arguments allow another one.
 */
import { Agent, request } from "undici";
import { UserError } from "../../adapters/process/exit-codes.ts";
import type { Json, JsonObject } from "../experiment/experiment.ts";
import { isOwnMachine } from "./fields.ts";

const ANSWER_WITHIN_MS = 5_000;
const MAX_ANSWER_BYTES = 4 * 1_024 * 1_024;

export interface Answered {
  readonly status: number;
  readonly text: string;
  /** The body if it is JSON; undefined if not. */
  readonly json: Json | undefined;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** Nobody answered a request. */
class Unanswered extends UserError {
  /** Code of the error, for example ECONNREFUSED. */
  readonly reason: string;
  readonly #url: string;

  constructor(method: string, url: string, reason: string) {
    super("unreachable", `${method} ${url}: no answer: ${reason}`);
    this.reason = reason;
    this.#url = url;
  }

  /** True if nothing listens there on this machine: what was in its memory is gone. */
  get isGone(): boolean {
    return this.reason === "ECONNREFUSED" && isOwnMachine(new URL(this.#url).hostname);
  }
}

/** The answer; undefined if nothing listens there on this machine any more. */
export async function answerIfThere(method: string, url: string): Promise<Answered | undefined> {
  return exchange(method, url).catch((error: unknown) => {
    if (error instanceof Unanswered && error.isGone) return undefined;
    throw error;
  });
}

/** Throws `UserError` if nobody answers. `body`: sent as JSON. */
export async function exchange(method: string, url: string, body?: Json, signal?: AbortSignal): Promise<Answered> {
  const agent = new Agent({
    connections: 1,
    connect: { timeout: ANSWER_WITHIN_MS },
    headersTimeout: ANSWER_WITHIN_MS,
    bodyTimeout: ANSWER_WITHIN_MS,
    maxResponseSize: MAX_ANSWER_BYTES,
  });
  try {
    const answer = await request(url, {
      dispatcher: agent,
      method: method as "GET",
      ...(signal === undefined ? {} : { signal }),
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
    });
    const text = await answer.body.text();
    return { status: answer.statusCode, headers: answer.headers, text, json: parsed(text) };
  } catch (error) {
    if (signal?.aborted === true) throw error;
    throw new Unanswered(method, url, reasonOf(error));
  } finally {
    await agent.destroy();
  }
}

/** The code of an error, or of its cause; its message if neither has one. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code } = error as NodeJS.ErrnoException;
  if (typeof code === "string" && code !== "") return code;
  return error.cause instanceof Error ? reasonOf(error.cause) : error.message;
}

function parsed(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}

/** The member `name` of an object; undefined of anything else. */
export function memberOf(value: Json | undefined, name: string): Json | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  return Object.hasOwn(value, name) ? (value as JsonObject)[name] : undefined;
}

/** Throws `UserError` if `host` is not this machine and `isAllowed` is false. */
export function refuseOthers(field: string, host: string, isAllowed: boolean): void {
  if (isAllowed || isOwnMachine(host)) return;
  throw new UserError(
    "usage",
    `${field}: ${host} is another machine; allowed are 127.0.0.0/8, ::1 and localhost, others only with allowRemote: true`,
  );
}
