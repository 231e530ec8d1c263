/**
 * Reads values that other code made: what an operation threw or returned, or what a classifier
 * said. Reading any of them may fail: a getter or a proxy's trap throws, a proxy has been revoked,
 * or a `message` is an object without a prototype, for which `String()` throws. Evidence is read
 * while a call ends and still holds a slot and a permit, so nothing here ever throws. A value that
 * cannot be read becomes {@link UNREADABLE}, which is no text, no number and no object, and so
 * proves nothing.
 */

/** Stands for a value that could not be read; undefined would mean that there is none. */
export const UNREADABLE: unique symbol = Symbol("unreadable");

/** The result of `read`; {@link UNREADABLE} if it throws. */
export function readOf(read: () => unknown): unknown {
  try {
    return read();
  } catch {
    return UNREADABLE;
  }
}

/**
 * The property `name` of `value`; undefined if there is none, {@link UNREADABLE} if it cannot be
 * read.
 */
export function propertyOf(value: unknown, name: PropertyKey): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  try {
    return (value as Record<PropertyKey, unknown>)[name];
  } catch {
    return UNREADABLE;
  }
}

/** The property `name` of `value` if it is a text; undefined if it is anything else. */
export function textOf(value: unknown, name: PropertyKey): string | undefined {
  const text = propertyOf(value, name);
  return typeof text === "string" ? text : undefined;
}

/**
 * Has `value` a property `name`, own or inherited? False if it is no object or the check throws.
 */
export function hasProperty(value: unknown, name: PropertyKey): boolean {
  if (typeof value !== "object" || value === null) return false;
  try {
    return name in value;
  } catch {
    return false;
  }
}

/**
 * The first `max` items of `value` if it is an array; undefined if it is none, or if an item cannot
 * be read.
 */
export function itemsOf(value: unknown, max: number): readonly unknown[] | undefined {
  try {
    return Array.isArray(value) ? Array.prototype.slice.call(value, 0, max) : undefined;
  } catch {
    return undefined;
  }
}
