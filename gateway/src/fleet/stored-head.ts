/**
 * Checks on the heads of requests and answers that come back from the record store. A damaged or
 * foreign record that passes for a whole one would otherwise be sent, or fail while it is sent.
 */
import type { HeaderList } from "./uplink.ts";

/** A token of RFC 9110: a method, or the name of a field. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/i;
/** What a field's value or a reason may hold: visible characters, blanks, tabs, bytes above ASCII. */
const TEXT = /^[\t\x20-\x7e\x80-\xff]*$/;
const TARGET = /^[\x21-\x7e\x80-\xff]+$/;

export function isHeaderList(value: unknown): value is HeaderList {
  return (
    Array.isArray(value) &&
    value.every((field) => Array.isArray(field) && field.length === 2 && isToken(field[0]) && isText(field[1]))
  );
}

/** The status of a final answer. */
export function isFinalStatus(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 200 && (value as number) <= 999;
}

export function isToken(value: unknown): value is string {
  return typeof value === "string" && TOKEN.test(value);
}

export function isText(value: unknown): value is string {
  return typeof value === "string" && TEXT.test(value);
}

export function isTarget(value: unknown): value is string {
  return typeof value === "string" && TARGET.test(value);
}
