/**
 * A problem on the wire: `application/problem+json` (RFC 9457), with the time to come back in
 * `Retry-After`, and an unknown outcome as `gsf-outcome: unknown`. `fleet/problem.ts` decides which
 * problem a caller gets.
 */
import type { Duplex } from "node:stream";
import type { Problem } from "../../fleet/problem.ts";
import { OUTCOME_HEADER } from "../../fleet/uplink.ts";
import { REQUEST_ID_HEADER } from "./request-id.ts";

/** Media type of a problem. */
export const PROBLEM_TYPE = "application/problem+json";

const TITLES: Readonly<Record<number, string>> = {
  200: "OK",
  202: "Accepted",
  400: "Bad Request",
  404: "Not Found",
  405: "Method Not Allowed",
  408: "Request Timeout",
  409: "Conflict",
  413: "Content Too Large",
  417: "Expectation Failed",
  422: "Unprocessable Content",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  501: "Not Implemented",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
  505: "HTTP Version Not Supported",
  508: "Loop Detected",
};

/** The reason phrase for a status that the gateway itself sends. */
export function titleOf(status: number): string {
  return TITLES[status] ?? "";
}

/** The request that a problem is the answer to. */
export interface ProblemRequest {
  readonly requestId: string;
  readonly group: string;
}

/**
 * A problem as an answer: its fields (names and values alternating) and its body. With `request`
 * the body names the request, and the command that explains to an operator what happened to it.
 */
export function problemAnswer(problem: Problem, request?: ProblemRequest): { headers: string[]; body: Buffer } {
  const { status, code, detail, retryAfterMs, outcomeUnknown } = problem;
  const told = request && { requestId: request.requestId, explain: explainCommand(request) };
  const body = Buffer.from(
    JSON.stringify({ type: "about:blank", title: titleOf(status), status, code, detail, ...told }),
  );
  const headers = ["content-type", PROBLEM_TYPE, "content-length", String(body.length), "cache-control", "no-store"];
  if (retryAfterMs !== undefined) headers.push("retry-after", String(Math.max(1, Math.ceil(retryAfterMs / 1_000))));
  if (outcomeUnknown === true) headers.push(OUTCOME_HEADER, "unknown");
  return { headers, body };
}

/**
 * How long a connection that is being closed may still send. If it were closed at once, a reset
 * could destroy the answer.
 */
const LINGER_MS = 1_000;

/** The command that explains a request. An id is a caller's text, so it is quoted for a shell. */
function explainCommand({ group, requestId }: ProblemRequest): string {
  const isPlain = /^[A-Za-z0-9][\w.:@/+=-]*$/.test(requestId);
  const shown = isPlain ? requestId : `-- '${requestId.replaceAll("'", "'\\''")}'`;
  return `gsf explain ${group} ${shown}`;
}

/**
 * Answers on a connection that has no request to answer, and closes it. `request`: the id under
 * which the data that could not be read is known.
 */
export function answerRaw(socket: Duplex, problem: Problem, request?: ProblemRequest): void {
  const { headers, body } = problemAnswer(problem, request);
  if (request !== undefined) headers.push(REQUEST_ID_HEADER, request.requestId);
  let head = `HTTP/1.1 ${problem.status} ${titleOf(problem.status)}\r\nconnection: close\r\n`;
  for (let at = 0; at + 1 < headers.length; at += 2) head += `${headers[at]}: ${headers[at + 1]}\r\n`;
  socket.on("error", () => undefined);
  endGently(socket, Buffer.concat([Buffer.from(`${head}\r\n`), body]));
}

/** Ends a connection after `last`, and reads on for a moment so that the end arrives. */
export function endGently(socket: Duplex, last?: Uint8Array): void {
  socket.end(last);
  socket.resume();
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once("close", () => clearTimeout(timer));
}
