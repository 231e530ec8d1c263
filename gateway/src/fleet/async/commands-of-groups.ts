/**
 * Connects asynchronous commands to their groups: they are sent as the commands of callers are,
 * through the group's failover and, under a key that their caller chose, through its ledger of
 * keys. So a key that was answered to a live command is answered again to an asynchronous one, and
 * the other way round.
 */
import type { Clock, Random } from "ground-station-failover";
import type { Group } from "../group.ts";
import type { RecordStore } from "../record-store.ts";
import { AsyncCommands, type AsyncParts, isOwnKey } from "./async-commands.ts";

interface GroupCommandsParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly records?: RecordStore | undefined;
  readonly asyncParts?: AsyncParts | undefined;
}

/** Empty if there is no durable store; without the groups that serve none. */
export function asyncCommandsOf(
  { asyncParts, records, clock, random }: GroupCommandsParts,
  groups: ReadonlyMap<string, Group>,
): ReadonlyMap<string, AsyncCommands> {
  const made = new Map<string, AsyncCommands>();
  if (asyncParts === undefined || records === undefined) return made;
  for (const [name, group] of groups) {
    const { settings, ledger } = group;
    if (settings.asyncCommands === undefined) continue;
    const commands = new AsyncCommands({
      ...asyncParts,
      records,
      settings,
      async: settings.asyncCommands,
      clock,
      random: random.fork(`async/${name}`),
      send(request, terms, signal) {
        const isCallersKey = terms.idempotencyKey !== undefined && !isOwnKey(terms.idempotencyKey);
        if (isCallersKey && ledger?.concerns(terms) === true) return ledger.answer(request, terms, signal);
        return group.handle(request, terms, signal);
      },
      belongsToAnother: (request, key) => ledger?.belongsToAnother(request, key) ?? false,
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
