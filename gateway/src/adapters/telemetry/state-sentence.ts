/** Describes in one sentence what happens to the durable state: what is refused, and what to do. */
import type { GroupEvent } from "../../fleet/group-events.ts";
import type { StateEvent } from "../storage/gateway-state.ts";

type OfState = StateEvent | Extract<GroupEvent, { type: "epoch-unstored" }>;

export function isOfState<Other extends { readonly type: string }>(event: Other | OfState): event is OfState {
  return event.type === "epoch-unstored" || event.type.startsWith("state-");
}

export function stateSentence(event: OfState): string {
  switch (event.type) {
    case "epoch-unstored":
      return (
        `epoch ${event.epoch} is used although it is not stored: ${event.reason}; ` +
        "should this gateway be killed now, the next one learns it from the stations"
      );
    case "state-full":
      return (
        `durable state has no room (${event.reason}): what has to be stored is refused, all other commands go on; ` +
        "make room on the disk, or raise state.maxSize"
      );
    case "state-failed":
      return (
        `durable state failed (${event.reason}): nothing is stored until this gateway starts again, and what has to be ` +
        "stored is refused; all other commands go on; look at the disk"
      );
    case "state-open":
      return "durable state has room again: what has to be stored is stored";
  }
}
