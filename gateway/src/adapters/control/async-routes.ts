/**
 * What an operator sees of asynchronous commands, and how one is cancelled. Ids are shown by their
 * first characters only, because the whole id is what lets a caller read the result: who may read
 * the status of the gateway need not see the answers of its stations.
 */
import type { AsyncCommands } from "../../fleet/async/async-commands.ts";
import type { CommandView } from "../../fleet/async/command-view.ts";
import { describe } from "../callers/async-door.ts";

/** Length of an id as it is shown: two of a million commands are alike once in 500 gateways. */
const SHOWN_ID = 8;
const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 1_000;
const STATES: readonly string[] = ["queued", "running", "done", "expired", "cancelled", "failed"];

/** A refusal with its HTTP status. */
export type AsyncRefusal = { readonly status: 400 | 404 | 409; readonly detail: string };

/** The answer to `GET /v1/groups/{group}/commands`. */
export async function commandsListed(
  group: string,
  commands: AsyncCommands | undefined,
  query: { readonly state?: string | undefined; readonly limit?: string | undefined },
): Promise<object | AsyncRefusal> {
  if (commands === undefined) return NONE;
  const { state, limit: given } = query;
  if (state !== undefined && !STATES.includes(state))
    return { status: 400, detail: `state: "${state.slice(0, 40)}" is not allowed; allowed are ${STATES.join(", ")}` };
  const limit = given === undefined ? DEFAULT_LIMIT : Number(given);
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LIMIT)
    return { status: 400, detail: `limit: allowed is a whole number from 1 to ${MAX_LIMIT}` };
  const listed = await commands.list(limit, state);
  return { group, status: commands.status, commands: listed.map(shown) };
}

/** Cancels the command whose id begins with `start`. */
export async function commandCancelled(
  commands: AsyncCommands | undefined,
  start: string,
): Promise<object | AsyncRefusal> {
  if (commands === undefined) return NONE;
  if (!/^[\w-]{8,64}$/.test(start)) return { status: 400, detail: "an id, or its first eight characters, is required" };
  const found = await commands.findByStart(start);
  if (found.length > 1)
    return { status: 409, detail: `${found.length} commands begin with ${start}; give more of the id` };
  const [id] = found;
  const cancellation = id === undefined ? undefined : await commands.cancel(id);
  if (cancellation === undefined) return { status: 404, detail: `there is no command ${start}` };
  if (cancellation.type === "cancelled") return shown(cancellation.view);
  const { state, endedAtMs } = cancellation.view;
  const why = endedAtMs === undefined ? "it may have reached a station" : `it has ended: ${state}`;
  return { status: 409, detail: `${start} cannot be cancelled any more: ${why}` };
}

const NONE: AsyncRefusal = { status: 404, detail: "this group accepts no asynchronous commands" };

function shown(view: CommandView): object {
  const { url: _url, id, ...rest } = describe(view);
  return { id: String(id).slice(0, SHOWN_ID), ...rest, status: view.status };
}
