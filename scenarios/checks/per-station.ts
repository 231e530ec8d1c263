/**
 * One thing for each station of each group, made when it is first asked for. Checks ask at every
 * attempt and every beat, and a text made of both names would be built, hashed and thrown away each
 * time; two maps hold the names as they are.
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

  /** Forgets all. */
  clear(): void {
    this.#groups.clear();
    this.#all = [];
  }

  /** All that were made, in that order. */
  get all(): readonly Thing[] {
    return this.#all;
  }
}
