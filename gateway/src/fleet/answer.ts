/**
 * One command from the moment it is understood until it is known what its caller gets: its terms
 * are read, the group carries it to a station, and whatever happens becomes a reply, a problem, or
 * nothing where nobody is left to be told. This is all of a gateway's way with a command that needs
 * no socket: a listener adds bytes before and after it, a simulated gateway adds nothing.
 */
import { termsOf } from "./command.ts";
import type { Group } from "./group.ts";
import type { Problem } from "./problem.ts";
import { problemOf, RefusedRequest, refusal } from "./problem.ts";
import type { CommandReply, CommandRequest } from "./uplink.ts";

/**
 * Why there is no reply: `error` is for a log, `problem` is for the caller, unless it is the caller
 * that is gone.
 */
export type NoReply =
  | { readonly type: "problem"; readonly problem: Problem; readonly error: unknown }
  | { readonly type: "caller-gone"; readonly error: unknown };

/** What comes of a command. */
export type Answer = { readonly type: "reply"; readonly reply: CommandReply } | NoReply;

/** `OPTIONS *` asks the server as such, which to a caller is us (RFC 9110 §9.3.7). */
const OURSELVES: CommandReply = {
  status: 204,
  statusText: "No Content",
  headers: [],
  body: { kind: "bytes", bytes: new Uint8Array() },
  json: undefined,
  trailers: [],
};

/** Takes `request` to the group; `caller` is the caller hanging up. Never rejects. */
export async function answerTo(group: Group, request: CommandRequest, caller: AbortSignal): Promise<Answer> {
  try {
    if (request.target === "*") return { type: "reply", reply: OURSELVES };
    const terms = termsOf(request);
    if ("field" in terms) throw new RefusedRequest(refusal(400, "BAD_HEADER", `${terms.field}: ${terms.detail}`));
    return { type: "reply", reply: await group.handle(request, terms, caller) };
  } catch (error) {
    return withoutReply(error);
  }
}

/** What `error` leaves to be told. */
export function withoutReply(error: unknown): NoReply {
  const problem = problemOf(error);
  return problem === undefined ? { type: "caller-gone", error } : { type: "problem", problem, error };
}
