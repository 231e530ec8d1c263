/**
 * Reading values that somebody else made: what an operation threw or returned, or a classifier
 * said. Any of them may refuse to be read. A getter or a proxy's trap throws, a proxy has been
 * revoked, a `message` is an object without a prototype that no `String()` takes. Evidence is read
 * in the middle of a call's end, with a slot and a permit in hand, so nothing here ever throws:
 * what cannot be read is {@link UNREADABLE}, which is no text, no number and no object, and so
 * proves nothing.
 */

/** In place of what could not be read; undefined would say that there is nothing. */
export const UNREADABLE: unique symbol = Symbol("unreadable");

/** What `read` returns; {@link UNREADABLE} where it throws. */
export function readOf(read: () => unknown): unknown {
  try {
    return read();
  } catch {
    return UNREADABLE;
  }
}

/**
 * The property `name` of `value`; undefined where there is none, {@link UNREADABLE} where it cannot
 * be read.
 */
export function propertyOf(value: unknown, name: PropertyKey): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  try {
    return (value as Record<PropertyKey, unknown>)[name];
  } catch {
    return UNREADABLE;
  }
}

/** The property `name` of `value` where that is a text; undefined where it is anything else. */
export function textOf(value: unknown, name: PropertyKey): string | undefined {
  const text = propertyOf(value, name);
  return typeof text === "string" ? text : undefined;
}

/**
 * Is `value` an object with a property `name`, of its own or inherited? False where it cannot be
 * asked.
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
 * The first `max` items of `value` where that is an array; undefined where it is none, or one of
 * them cannot be read.
 */
export function itemsOf(value: unknown, max: number): readonly unknown[] | undefined {
  try {
    return Array.isArray(value) ? Array.prototype.slice.call(value, 0, max) : undefined;
  } catch {
    return undefined;
  }
}
