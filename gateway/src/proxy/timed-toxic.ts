/**
 * What a toxic of ours has besides Toxiproxy's: a ramp, a schedule and an end. It is told the time,
 * and says what is in force then and when that changes next; it holds no timer. A toxic without any
 * of them is in force from its beginning until it is removed.
 */

import type { Stream, Toxic } from "./toxic.ts";
import { type Attributes, type ToxicType, wholeNumber } from "./toxic-type.ts";

/** One attribute, or the toxicity, moves evenly from one value to another. */
export interface ToxicRamp {
  /** An attribute of the type that is a number, or "toxicity". */
  readonly attribute: string;
  /** Value at the beginning. Default: the toxic's own value. */
  readonly from: number;
  /** Value at the end, which stays. */
  readonly to: number;
  /** Duration in ms: from 1. */
  readonly over: number;
}

/** On and off by turns, from the beginning on; it begins on. */
export interface ToxicSchedule {
  /** ms: from 10. */
  readonly on: number;
  /** ms: from 10. */
  readonly off: number;
}

/** A toxic as it was asked for, checked. */
export interface ToxicSettings {
  readonly name: string;
  readonly type: string;
  readonly stream: Stream;
  readonly toxicity: number;
  readonly attributes: Attributes;
  readonly ramp?: ToxicRamp | undefined;
  readonly schedule?: ToxicSchedule | undefined;
  /** Removes itself so many ms after it was added, or after this was last sent. */
  readonly expiresAfter?: number | undefined;
}

/** What an update says; a ramp or the like that is null is taken away. */
export interface ToxicChange {
  readonly toxicity: number;
  readonly attributes: Attributes;
  readonly ramp?: ToxicRamp | null | undefined;
  readonly schedule?: ToxicSchedule | null | undefined;
  readonly expiresAfter?: number | null | undefined;
}

/** The least time between two changes that a toxic makes by itself, in ms. */
export const MIN_SCHEDULE_MS = 10;
/** A ramp moves in steps of this much time. */
const RAMP_STEP_MS = 100;
const NEVER = Number.POSITIVE_INFINITY;

export class TimedToxic {
  readonly type: ToxicType;
  #settings: ToxicSettings;
  #rampBeganAtMs: number;
  #scheduleBeganAtMs: number;
  #armedAtMs: number;
  #shown: Toxic;

  constructor(type: ToxicType, settings: ToxicSettings, nowMs: number) {
    this.type = type;
    this.#settings = settings;
    this.#rampBeganAtMs = nowMs;
    this.#scheduleBeganAtMs = nowMs;
    this.#armedAtMs = nowMs;
    this.#shown = this.#at(nowMs);
  }

  get settings(): ToxicSettings {
    return this.#settings;
  }

  /** As it is now: the same object until something changes. */
  toxic(nowMs: number): Toxic {
    const now = this.#at(nowMs);
    if (!isSame(this.#shown, now)) this.#shown = now;
    return this.#shown;
  }

  isOn(nowMs: number): boolean {
    const { schedule } = this.#settings;
    return schedule === undefined || this.#phaseMs(schedule, nowMs) < schedule.on;
  }

  hasExpired(nowMs: number): boolean {
    return nowMs >= this.#expiresAtMs();
  }

  /** When it changes by itself next; `Infinity`: never. */
  nextChangeAtMs(nowMs: number): number {
    return Math.min(this.#expiresAtMs(), this.#nextTurnAtMs(nowMs), this.#nextStepAtMs(nowMs));
  }

  update(change: ToxicChange, nowMs: number): void {
    const before = this.#settings;
    const { ramp, schedule, expiresAfter } = change;
    // What was written is meant, not where the ramp is.
    const isRampOver =
      before.ramp !== undefined &&
      (before.ramp.attribute === "toxicity"
        ? change.toxicity !== before.toxicity
        : change.attributes[before.ramp.attribute] !== before.attributes[before.ramp.attribute]);
    this.#settings = {
      ...before,
      toxicity: change.toxicity,
      attributes: change.attributes,
      ramp: ramp === undefined ? (isRampOver ? undefined : before.ramp) : (ramp ?? undefined),
      schedule: schedule === undefined ? before.schedule : (schedule ?? undefined),
      expiresAfter: expiresAfter === undefined ? before.expiresAfter : (expiresAfter ?? undefined),
    };
    if (ramp !== undefined) this.#rampBeganAtMs = nowMs;
    if (schedule !== undefined) this.#scheduleBeganAtMs = nowMs;
    if (expiresAfter !== undefined) this.#armedAtMs = nowMs;
    // An update is told to connections even if it changes nothing, as in Toxiproxy.
    this.#shown = this.#at(nowMs);
  }

  #expiresAtMs(): number {
    const { expiresAfter } = this.#settings;
    return expiresAfter === undefined ? NEVER : this.#armedAtMs + expiresAfter;
  }

  #phaseMs({ on, off }: ToxicSchedule, nowMs: number): number {
    return (nowMs - this.#scheduleBeganAtMs) % (on + off);
  }

  #nextTurnAtMs(nowMs: number): number {
    const { schedule } = this.#settings;
    if (schedule === undefined) return NEVER;
    const phaseMs = this.#phaseMs(schedule, nowMs);
    return nowMs + (phaseMs < schedule.on ? schedule.on : schedule.on + schedule.off) - phaseMs;
  }

  #nextStepAtMs(nowMs: number): number {
    const { ramp } = this.#settings;
    if (ramp === undefined) return NEVER;
    const endsAtMs = this.#rampBeganAtMs + ramp.over;
    return nowMs >= endsAtMs ? NEVER : Math.min(endsAtMs, nowMs + RAMP_STEP_MS);
  }

  #at(nowMs: number): Toxic {
    const { name, type, stream, toxicity, attributes, ramp } = this.#settings;
    const plain = { name, type, stream, toxicity, attributes };
    if (ramp === undefined) return plain;
    const share = Math.min(1, (nowMs - this.#rampBeganAtMs) / ramp.over);
    const value = ramp.from + (ramp.to - ramp.from) * share;
    if (ramp.attribute === "toxicity") return { ...plain, toxicity: value };
    const isWhole = this.type[ramp.attribute]?.kind === wholeNumber(0).kind;
    return { ...plain, attributes: { ...attributes, [ramp.attribute]: isWhole ? Math.round(value) : value } };
  }
}

function isSame(one: Toxic, other: Toxic): boolean {
  return (
    one.toxicity === other.toxicity &&
    Object.entries(other.attributes).every(([name, value]) => one.attributes[name] === value)
  );
}
