/** What a caller of asynchronous commands and its gateway say to each other in the world. */
import type { CommandPriority } from "../../gateway/src/fleet/async/async-terms.ts";
import type { CommandView } from "../../gateway/src/fleet/async/command-view.ts";
import type { WireReply, WireRequest } from "../fleet/wire.ts";

/** A command with `Prefer: respond-async`. */
export interface AsyncWireRequest extends WireRequest {
  readonly prefers: { readonly priority: CommandPriority; readonly expiresAfterMs: number };
}

/** A 202 or 200 of the gateway, or the state of a command. */
export interface AsyncWireReply extends WireReply {
  readonly view?: CommandView;
}

/** The path of an accepted command. */
export const OWN_PATH = "/.gsf/commands/";

export function isAsync(request: WireRequest): request is AsyncWireRequest {
  return "prefers" in request;
}
