/**
 * What is remembered of one group for explanations: its newest events, those around its last
 * switch, and the last trip of each circuit. Bounded in number. The events around the last switch
 * stay, however much happens afterwards, because that switch is what people ask about.
 */
import type { GroupEvent } from "../group-events.ts";

/** An event as it was told. */
export interface ToldEvent {
  readonly id: string;
  readonly unixMs: number;
  readonly sentence: string;
  /** Read back from the history, infinite numbers are null. */
  readonly event: GroupEvent;
}

type PromotedEvent = Extract<GroupEvent, { type: "promoted" }>;

export interface SwitchStory {
  readonly before: readonly ToldEvent[];
  readonly promoted: ToldEvent & { readonly event: PromotedEvent };
  readonly after: readonly ToldEvent[];
}

/** Events before a switch, and after it, that are kept with it. */
const AROUND_SWITCH = 30;
/** Never the cause of a switch. */
const NO_CAUSES: ReadonlySet<string> = new Set([
  ...["patience-learned", "retry-refused", "memory-used-up", "unread-body", "epoch-adopted", "streams-cut"],
]);

export class GroupStory {
  readonly #kept: number;
  readonly #recent: ToldEvent[] = [];
  readonly #trips: Map<string, ToldEvent> = new Map();
  #switch: { before: ToldEvent[]; promoted: SwitchStory["promoted"]; after: ToldEvent[] } | undefined;

  /** `kept`: how many of the newest events are remembered. */
  constructor(kept: number) {
    this.#kept = kept;
  }

  get recent(): readonly ToldEvent[] {
    return this.#recent;
  }

  get lastSwitch(): SwitchStory | undefined {
    return this.#switch;
  }

  /** The event with which each station's circuit last opened. */
  get trips(): ReadonlyMap<string, ToldEvent> {
    return this.#trips;
  }

  note(told: ToldEvent): void {
    const { event } = told;
    if (isPromoted(told)) {
      const before = this.#recent.filter(({ event: { type } }) => !NO_CAUSES.has(type)).slice(-AROUND_SWITCH);
      this.#switch = { before, promoted: told, after: [] };
    } else if (this.#switch !== undefined && this.#switch.after.length < AROUND_SWITCH) this.#switch.after.push(told);
    if (event.type === "breaker" && event.transition.to === "open") this.#trips.set(event.station, told);
    this.#recent.push(told);
    if (this.#recent.length >= 2 * this.#kept) this.#recent.splice(0, this.#recent.length - this.#kept);
  }
}

function isPromoted(told: ToldEvent): told is SwitchStory["promoted"] {
  return told.event.type === "promoted";
}

export interface GroupStoriesOptions {
  readonly groups: number;
  /** Most events of all groups together. Default 20,000. */
  readonly maxEvents?: number;
}

/** The stories of all groups. */
export class GroupStories {
  readonly #kept: number;
  readonly #stories: Map<string, GroupStory> = new Map();

  constructor({ groups, maxEvents = 20_000 }: GroupStoriesOptions) {
    this.#kept = Math.min(200, Math.max(8, Math.floor(maxEvents / Math.max(1, groups) / 2)));
  }

  note(group: string, told: ToldEvent): void {
    this.of(group).note(told);
  }

  of(group: string): GroupStory {
    const known = this.#stories.get(group) ?? new GroupStory(this.#kept);
    this.#stories.set(group, known);
    return known;
  }
}
