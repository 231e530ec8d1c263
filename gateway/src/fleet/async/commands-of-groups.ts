/**
 * Connects asynchronous commands to their groups: they are sent as the commands of callers are,
 * through the group's failover and, under a key that their caller chose, through its ledger of
 * keys. So a key that was answered to a live command is answered again to an asynchronous one, and
 * the other way round.
 */
import { type Clock, ConfigurationError, type Random } from "ground-station-failover";
import type { Group } from "../group.ts";
import type { LeavingGroup, PreparedGroups } from "../group-set.ts";
import type { RecordStore } from "../record-store.ts";
import { AsyncCommands, type AsyncParts, isOwnKey } from "./async-commands.ts";

interface GroupCommandsParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly records?: RecordStore | undefined;
  readonly asyncParts?: AsyncParts | undefined;
}

/** The asynchronous commands of all groups, which may come and go. */
export class CommandsOfGroups {
  readonly #parts: GroupCommandsParts;
  readonly #byGroup: Map<string, AsyncCommands> = new Map();
  /** Groups that are gone and whose commands are still on their way. */
  readonly #leaving: Set<string> = new Set();
  #running: AbortSignal | undefined;

  constructor(parts: GroupCommandsParts, groups: ReadonlyMap<string, Group>) {
    this.#parts = parts;
    for (const group of groups.values()) this.#add(group);
  }

  /**
   * Empty if there is no durable store; without the groups that serve none. The same map for as
   * long as the gateway runs.
   */
  get byGroup(): ReadonlyMap<string, AsyncCommands> {
    return this.#byGroup;
  }

  /**
   * Makes those of groups that are new; they send nothing before {@link follow}. Throws
   * `ConfigurationError`, and gives all up, if one comes back before it has left: its commands
   * would be sent twice.
   */
  prepare(prepared: PreparedGroups): PreparedGroups {
    const made = prepared.groups.filter(({ name }) => !this.#byGroup.has(name));
    const leaving = made.find(({ name }) => this.#leaving.has(name));
    if (leaving !== undefined) {
      prepared.cancel();
      const why = `${leaving.name} has left a moment ago, and its asynchronous commands are not over; reload again later`;
      throw new ConfigurationError("group-is-leaving", why);
    }
    for (const group of made) this.#add(group);
    const cancel = (): void => {
      for (const { name } of made) this.#byGroup.delete(name);
      prepared.cancel();
    };
    return { ...prepared, cancel };
  }

  /**
   * The groups `left` are gone, others may have come. What was accepted for one that is gone stays
   * in the store, for the group when it comes back.
   */
  follow(left: readonly LeavingGroup[], drainMs: number): void {
    for (const { name } of left.map(({ group }) => group)) {
      const commands = this.#byGroup.get(name);
      if (commands === undefined) continue;
      this.#byGroup.delete(name);
      this.#leaving.add(name);
      void commands.drain(drainMs).then(() => this.#leaving.delete(name));
    }
    // Those that run already do not begin anew.
    if (this.#running !== undefined) for (const commands of this.#byGroup.values()) void commands.run(this.#running);
  }

  /** Sends what is due, until `signal` is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    this.#running = signal;
    await Promise.all([...this.#byGroup.values()].map((commands) => commands.run(signal)));
  }

  #add(group: Group): void {
    const { asyncParts, records, clock, random } = this.#parts;
    const { name, settings } = group;
    if (asyncParts === undefined || records === undefined || settings.asyncCommands === undefined) return;
    const commands = new AsyncCommands({
      ...asyncParts,
      records,
      settings,
      async: settings.asyncCommands,
      clock,
      random: random.fork(`async/${name}`),
      send(request, terms, signal) {
        const { ledger } = group;
        const isCallersKey = terms.idempotencyKey !== undefined && !isOwnKey(terms.idempotencyKey);
        if (isCallersKey && ledger?.concerns(terms) === true) return ledger.answer(request, terms, signal);
        return group.handle(request, terms, signal);
      },
      belongsToAnother: (request, key) => group.ledger?.belongsToAnother(request, key) ?? false,
      waiting: () => group.waiting,
      onEvent: (event) => group.raise(event),
    });
    group.onEvent(({ type }) => {
      if (type === "promoted") commands.notePromotion();
    });
    this.#byGroup.set(name, commands);
  }
}
