/** How the commands of the drills read durations, counts and instants that a person types. */
import { InvalidArgumentError } from "commander";
import { readDuration, readInstant } from "./pictures/durations.ts";

/** A duration of at least 0, such as `500ms`, `1.5s`, `2m`, `30d`; in milliseconds. */
export function durationOption(text: string): number {
  const ms = readDuration(text);
  if (ms === undefined) throw new InvalidArgumentError("allowed is a duration such as 500ms, 1.5s, 2m, 3h or 30d.");
  return ms;
}

/** A reader of whole numbers from `min` to `max`. */
export function countOption(min: number, max: number): (text: string) => number {
  return (text) => {
    const count = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
    if (count >= min && count <= max) return count;
    throw new InvalidArgumentError(`allowed is a whole number from ${min} to ${max}.`);
  };
}

/** A duration before `nowMs` or an instant; in milliseconds since 1970. */
export function sinceOption(nowMs: number): (text: string) => number {
  return (text) => {
    const agoMs = readDuration(text);
    const atMs = agoMs === undefined ? readInstant(text) : nowMs - agoMs;
    if (atMs !== undefined && atMs >= 0 && atMs <= nowMs) return atMs;
    throw new InvalidArgumentError("allowed is a duration such as 90d, or a date that is over, such as 2026-12-01.");
  };
}

/** Adds a value to those that an option was given before. */
export function repeated(value: string, before: readonly string[]): string[] {
  return [...before, value];
}
