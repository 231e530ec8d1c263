/**
 * The groups of a gateway, which may change while it runs: a new group is supervised from then on,
 * one that is gone goes on until its commands are over, and one that stays follows its new
 * settings. A change is checked as a whole first, and is then made in one step, in which nothing
 * can come between: either every group has changed, or none.
 */
import type { Group } from "./group.ts";
import type { GroupEvent } from "./group-events.ts";
import type { GatewaySettings, GroupSettings } from "./settings.ts";
import { changeInWords, changesOf, isSame, type SettingChange } from "./settings-change.ts";

/** A group that is not in the settings any more. */
export interface LeavingGroup {
  readonly group: Group;
  /** Ends its supervision, when its commands are over. */
  end(): void;
}

/** Makes a group that begins with `firstEpoch` at least. */
type MakeGroup = (settings: GroupSettings, drainMs: number, firstEpoch: number) => Group;

/** Most groups whose last epoch is remembered after they have left. */
const MAX_LEFT = 1_000;

/** A change that has been checked and not been made. */
export interface PreparedGroups {
  /** In the order of the settings; new ones are not supervised yet. */
  readonly groups: readonly Group[];
  /**
   * Follows the settings from now on; returns the groups that are gone. Groups whose settings are
   * the same are not touched. Throws `ConfigurationError`, and changes nothing, if a group cannot
   * follow any more.
   */
  apply(): LeavingGroup[];
  /** Gives up the groups that were made. */
  cancel(): void;
}

type GroupListener = (event: GroupEvent & { readonly group: string }) => void;

interface Member {
  readonly group: Group;
  readonly stop: AbortController;
  readonly subscriptions: Map<GroupListener, Disposable>;
}

export class GroupSet {
  readonly #make: MakeGroup;
  /** Epochs of groups that have left, by name: one that comes back begins above. */
  readonly #lastEpochs: Map<string, number> = new Map();
  readonly #groups: Map<string, Group> = new Map();
  readonly #members: Map<string, Member> = new Map();
  readonly #listeners: Set<GroupListener> = new Set();
  #settings: GatewaySettings;
  /** While the groups run: how the failure of one ends all. */
  #running: { readonly signal: AbortSignal; readonly fail: (error: unknown) => void } | undefined = undefined;
  readonly #tasks: Set<Promise<void>> = new Set();

  constructor(settings: GatewaySettings, make: MakeGroup) {
    this.#settings = settings;
    this.#make = make;
    for (const group of settings.groups) this.#add(make(group, settings.drainMs, 1));
    this.#order();
  }

  /** By name, in the order of the settings. The same map for as long as the gateway runs. */
  get groups(): ReadonlyMap<string, Group> {
    return this.#groups;
  }

  get settings(): GatewaySettings {
    return this.#settings;
  }

  onEvent(listener: GroupListener): Disposable {
    this.#listeners.add(listener);
    for (const member of this.#members.values()) subscribe(member, listener);
    return {
      [Symbol.dispose]: () => {
        this.#listeners.delete(listener);
        for (const { subscriptions } of this.#members.values()) {
          subscriptions.get(listener)?.[Symbol.dispose]();
          subscriptions.delete(listener);
        }
      },
    };
  }

  /** Runs all groups until `signal` is aborted. Rejects if one of them breaks. */
  async run(signal: AbortSignal): Promise<void> {
    const broken = Promise.withResolvers<never>();
    this.#running = { signal, fail: broken.reject };
    for (const member of this.#members.values()) this.#start(member);
    const stopped = new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener("abort", () => resolve(), { once: true });
    });
    await Promise.race([broken.promise, stopped]);
    this.#running = undefined;
    for (const { stop } of this.#members.values()) stop.abort();
    await Promise.all(this.#tasks);
  }

  /**
   * Makes the groups that are new in `settings`, and checks that those that stay can follow it.
   * Throws `ConfigurationError` if one cannot. Changes nothing. `onApplied`: called when they do.
   */
  prepare(settings: GatewaySettings, onApplied: (left: readonly LeavingGroup[]) => void): PreparedGroups {
    const made: Group[] = [];
    const cancel = (): void => {
      for (const group of made) group.leave();
    };
    const groupOf = (next: GroupSettings): Group => {
      const known = this.#groups.get(next.name);
      if (known === undefined)
        made.push(this.#make(next, settings.drainMs, (this.#lastEpochs.get(next.name) ?? 0) + 1));
      else if (!isSame(known.settings, next)) known.checkReconfiguration(next);
      return known ?? (made.at(-1) as Group);
    };
    try {
      const groups = settings.groups.map(groupOf);
      const apply = (): LeavingGroup[] => {
        const left = this.#apply(settings, groups);
        onApplied(left);
        return left;
      };
      return { groups, cancel, apply };
    } catch (error) {
      cancel();
      throw error;
    }
  }

  /**
   * All groups are checked once more before the first changes: a station may have died since
   * {@link prepare}. Nothing can come between the check and the last change.
   */
  #apply(settings: GatewaySettings, groups: readonly Group[]): LeavingGroup[] {
    const changed = settings.groups.flatMap((next, place): [Group, GroupSettings][] => {
      const group = groups[place] as Group;
      return this.#members.has(next.name) && !isSame(group.settings, next) ? [[group, next]] : [];
    });
    for (const [group, next] of changed) group.checkReconfiguration(next);
    const changes = changesOf(this.#settings, settings);
    this.#settings = settings;
    const names = new Set(settings.groups.map(({ name }) => name));
    const left = [...this.#members.keys()].filter((name) => !names.has(name)).map((name) => this.#remove(name));
    for (const [group, next] of changed) group.reconfigure(next, changesIn(next.name, changes));
    for (const group of groups) if (!this.#members.has(group.name)) this.#start(this.#add(group));
    for (const group of this.#groups.values()) group.useDrain(settings.drainMs);
    this.#order();
    return left;
  }

  #add(group: Group): Member {
    const member: Member = { group, stop: new AbortController(), subscriptions: new Map() };
    this.#groups.set(group.name, group);
    this.#members.set(group.name, member);
    for (const listener of this.#listeners) subscribe(member, listener);
    return member;
  }

  #remove(name: string): LeavingGroup {
    const { group, stop, subscriptions } = this.#members.get(name) as Member;
    this.#groups.delete(name);
    this.#members.delete(name);
    this.#noteLastEpoch(group);
    return {
      group,
      end: () => {
        stop.abort();
        if (!this.#groups.has(name)) this.#noteLastEpoch(group);
        for (const subscription of subscriptions.values()) subscription[Symbol.dispose]();
        subscriptions.clear();
        group.leave();
      },
    };
  }

  #noteLastEpoch({ name, epoch }: Group): void {
    this.#lastEpochs.delete(name);
    this.#lastEpochs.set(name, epoch);
    const [oldest] = this.#lastEpochs.keys();
    if (this.#lastEpochs.size > MAX_LEFT && oldest !== undefined) this.#lastEpochs.delete(oldest);
  }

  #start({ group, stop }: Member): void {
    const running = this.#running;
    if (running === undefined) return;
    running.signal.addEventListener("abort", () => stop.abort(), { once: true, signal: stop.signal });
    const task = group.run(stop.signal).catch(running.fail);
    this.#tasks.add(task);
    void task.then(() => this.#tasks.delete(task));
  }

  /** The map has the order of the settings. */
  #order(): void {
    const groups = this.#settings.groups.map(({ name }) => this.#groups.get(name) as Group);
    this.#groups.clear();
    for (const group of groups) this.#groups.set(group.name, group);
  }
}

function subscribe({ group, subscriptions }: Member, listener: GroupListener): void {
  subscriptions.set(
    listener,
    group.onEvent((event) => listener({ ...event, group: group.name })),
  );
}

/** An event names no more changes than these. */
const MAX_CHANGES = 50;

function changesIn(group: string, changes: readonly SettingChange[]): string[] {
  const own = changes.filter(({ way }) => way[0] === "groups" && way[1] === group);
  const words = own.slice(0, MAX_CHANGES).map(({ way, ...change }) => changeInWords({ way: way.slice(2), ...change }));
  return own.length > MAX_CHANGES ? [...words, `and ${own.length - MAX_CHANGES} more`] : words;
}
