/**
 * Handles one command from the moment it is parsed until its outcome for the caller is known. Reads
 * the command's terms and lets the group carry it to a station. The result is a reply, a problem,
 * or nothing if the caller has hung up. This is the whole path of a command that needs no socket: a
 * listener reads bytes before it and writes bytes after it; a simulated gateway adds nothing.
 */
import { termsOf } from "./command.ts";
import type { Group } from "./group.ts";
import type { Problem } from "./problem.ts";
import { problemOf, RefusedRequest, refusal } from "./problem.ts";
import type { CommandReply, CommandRequest } from "./uplink.ts";

/**
 * Why there is no reply. `error` is for the log. `problem` is for the caller; there is none if the
 * caller has hung up.
 */
export type NoReply =
  | { readonly type: "problem"; readonly problem: Problem; readonly error: unknown }
  | { readonly type: "caller-gone"; readonly error: unknown };

/** The outcome of a command. */
export type Answer = { readonly type: "reply"; readonly reply: CommandReply } | NoReply;

/**
 * `OPTIONS *` asks about the server itself (RFC 9110 §9.3.7). For a caller the server is this
 * gateway.
 */
const OURSELVES: CommandReply = {
  status: 204,
  statusText: "No Content",
  headers: [],
  body: { kind: "bytes", bytes: new Uint8Array() },
  json: undefined,
  trailers: [],
};

/** Hands `request` to the group. `caller` is aborted when the caller hangs up. Never rejects. */
export async function answerTo(group: Group, request: CommandRequest, caller: AbortSignal): Promise<Answer> {
  try {
    if (request.target === "*") return { type: "reply", reply: OURSELVES };
    const terms = termsOf(request);
    if ("field" in terms) throw new RefusedRequest(refusal(400, "BAD_HEADER", `${terms.field}: ${terms.detail}`));
    const { ledger } = group;
    const reply =
      ledger?.concerns(terms) === true ? ledger.answer(request, terms, caller) : group.handle(request, terms, caller);
    return { type: "reply", reply: await reply };
  } catch (error) {
    return withoutReply(error);
  }
}

/** The outcome of a command that ended with `error`. */
export function withoutReply(error: unknown): NoReply {
  const problem = problemOf(error);
  return problem === undefined ? { type: "caller-gone", error } : { type: "problem", problem, error };
}
