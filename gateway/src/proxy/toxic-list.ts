/**
 * The toxics of one proxy: which there are, in which order, and which are in force. Toxics of both
 * directions share their names. Where one changes by itself (a ramp, a schedule, an end), a timer
 * of the list says so; the proxy that carries the data only hears which toxics are in force.
 */
import type { Clock } from "ground-station-failover";
import { toxicExists, toxicNotFound } from "./fault-proxy-error.ts";
import { TimedToxic, type ToxicChange, type ToxicSettings } from "./timed-toxic.ts";
import { STREAMS, type Toxic } from "./toxic.ts";
import type { ToxicTypes } from "./toxic-type.ts";

export interface ToxicListOptions {
  readonly types: ToxicTypes;
  readonly clock: Clock;
  /**
   * Other toxics are in force, or the same ones otherwise. "ramp": what changed in those that stay,
   * changed by itself.
   */
  readonly onChange: (inForce: readonly Toxic[], change?: "ramp") => void | Promise<void>;
  readonly onExpired: (toxic: Toxic) => void;
}

export class ToxicList {
  readonly #options: ToxicListOptions;
  #toxics: TimedToxic[] = [];
  #timer: Disposable | undefined;

  constructor(options: ToxicListOptions) {
    this.#options = options;
  }

  /** In the order in which Toxiproxy lists them: upstream first, each direction in chain order. */
  get all(): readonly TimedToxic[] {
    return STREAMS.flatMap((stream) => this.#toxics.filter(({ settings }) => settings.stream === stream));
  }

  get size(): number {
    return this.#toxics.length;
  }

  has(name: string): boolean {
    return this.#toxics.some(({ settings }) => settings.name === name);
  }

  /** Throws an `FaultProxyError` (404) if there is none of this name. */
  get(name: string): TimedToxic {
    const found = this.#toxics.find(({ settings }) => settings.name === name);
    if (found === undefined) throw toxicNotFound();
    return found;
  }

  inForce(): readonly Toxic[] {
    const nowMs = this.#nowMs();
    return this.all.filter((toxic) => toxic.isOn(nowMs)).map((toxic) => toxic.toxic(nowMs));
  }

  /** All of them or none: throws an `FaultProxyError` (409) if a name is taken. */
  async add(added: readonly ToxicSettings[]): Promise<readonly TimedToxic[]> {
    const names = new Set(added.map(({ name }) => name));
    if (names.size < added.length || added.some(({ name }) => this.has(name))) throw toxicExists();
    const nowMs = this.#nowMs();
    const toxics = added.map((settings) => {
      const type = this.#options.types[settings.type];
      if (type === undefined) throw new TypeError(`there is no type ${settings.type}`);
      return new TimedToxic(type, settings, nowMs);
    });
    this.#toxics.push(...toxics);
    await this.#changed("ramp");
    return toxics;
  }

  async update(name: string, change: ToxicChange): Promise<TimedToxic> {
    const toxic = this.get(name);
    toxic.update(change, this.#nowMs());
    await this.#changed();
    return toxic;
  }

  async remove(name: string): Promise<void> {
    const removed = this.get(name);
    this.#toxics = this.#toxics.filter((toxic) => toxic !== removed);
    await this.#changed("ramp");
  }

  async clear(): Promise<void> {
    if (this.#toxics.length === 0) return;
    this.#toxics = [];
    await this.#changed();
  }

  /** Nothing changes by itself any more. */
  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]();
    this.#toxics = [];
  }

  #nowMs(): number {
    return this.#options.clock.nowMs();
  }

  #changed(change?: "ramp"): void | Promise<void> {
    this.#setTimer();
    return this.#options.onChange(this.inForce(), change);
  }

  #setTimer(): void {
    this.#timer?.[Symbol.dispose]();
    const nowMs = this.#nowMs();
    const atMs = Math.min(...this.#toxics.map((toxic) => toxic.nextChangeAtMs(nowMs)));
    if (atMs === Number.POSITIVE_INFINITY) return;
    this.#timer = this.#options.clock.at(atMs, () => this.#advance());
  }

  #advance(): void {
    const nowMs = this.#nowMs();
    const expired = this.#toxics.filter((toxic) => toxic.hasExpired(nowMs));
    for (const toxic of expired) this.#options.onExpired(toxic.toxic(nowMs));
    this.#toxics = this.#toxics.filter((toxic) => !expired.includes(toxic));
    // The listener that a toxic had closed may fail to open again; the next change tries again.
    Promise.resolve(this.#changed("ramp")).catch(() => undefined);
  }
}
