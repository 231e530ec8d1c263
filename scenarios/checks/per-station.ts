/**
 * Keeps one object for each station of each group, made when it is first asked for. Checks look it
 * up at every attempt and every heartbeat. A text key of both names would be built, hashed and
 * thrown away each time, so two nested maps use the names as they are.
 */
export class PerStation<Thing> {
  readonly #make: (group: string, station: string) => Thing;
  readonly #groups: Map<string, Map<string, Thing>> = new Map();
  #all: Thing[] = [];

  constructor(make: (group: string, station: string) => Thing) {
    this.#make = make;
  }

  of(group: string, station: string): Thing {
    let stations = this.#groups.get(group);
    if (stations === undefined) {
      stations = new Map();
      this.#groups.set(group, stations);
    }
    let thing = stations.get(station);
    if (thing === undefined) {
      thing = this.#make(group, station);
      stations.set(station, thing);
      this.#all.push(thing);
    }
    return thing;
  }

  /** Forgets all objects. */
  clear(): void {
    this.#groups.clear();
    this.#all = [];
  }

  /** All objects made so far, in the order of creation. */
  get all(): readonly Thing[] {
    return this.#all;
  }
}
