/** Makes the queue of asynchronous commands of each group, and connects the two. */
import type { Clock, Random } from "ground-station-failover";
import type { Group } from "../group.ts";
import type { RecordStore } from "../record-store.ts";
import { AsyncCommands, type AsyncParts } from "./async-commands.ts";

interface QueueParts {
  readonly clock: Clock;
  /** Each queue gets its own fork. */
  readonly random: Random;
  readonly records?: RecordStore | undefined;
  readonly asyncParts?: AsyncParts | undefined;
}

/** The queues of the groups that accept asynchronous commands; none without a store. */
export function asyncCommandsOf(
  { asyncParts, records, clock, random }: QueueParts,
  groups: ReadonlyMap<string, Group>,
): ReadonlyMap<string, AsyncCommands> {
  const made = new Map<string, AsyncCommands>();
  if (asyncParts === undefined || records === undefined) return made;
  for (const [name, group] of groups) {
    const { settings } = group;
    if (settings.asyncCommands === undefined) continue;
    const commands = new AsyncCommands({
      ...asyncParts,
      records,
      settings,
      async: settings.asyncCommands,
      clock,
      random: random.fork(`async/${name}`),
      send: (request, terms, signal) => group.handle(request, terms, signal),
      waiting: () => group.waiting,
      onEvent: (event) => group.raise(event),
    });
    group.onEvent(({ type }) => {
      if (type === "promoted") commands.notePromotion();
    });
    made.set(name, commands);
  }
  return made;
}
