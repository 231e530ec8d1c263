/**
 * Classes that are known by a registered symbol and not by identity. `instanceof` compares
 * prototypes, so what comes from a second copy of this library (two versions in one tree, a copy
 * per test file under Jest, another `vm` context) is foreign to it, although it is the same thing.
 * `Symbol.for` gives one symbol per process, for all realms and copies. No parsed JSON can carry
 * such a symbol, so nothing that comes over a wire is taken for ours.
 *
 * A class brands itself in its static block; `instanceof` then asks for the brand. A subclass of a
 * caller's own has none, and is known by identity as usual. A kind is a contract: rename it when
 * its class changes in a way that another copy could not work with.
 */
import { hasProperty, readOf } from "./unknown-value.ts";

/** A class; only its prototype and its identity matter. */
interface Type {
  readonly prototype: object;
}

const PREFIX = "ground-station-failover/";
const brands: WeakMap<Type, symbol> = new WeakMap();

/**
 * Makes `instanceof` take all instances of `type`, those of its subclasses too, by this `kind`,
 * whichever copy made them.
 */
export function brand(type: Type, kind: string): void {
  const symbol = Symbol.for(PREFIX + kind);
  brands.set(type, symbol);
  Object.defineProperty(type.prototype, symbol, { value: true });
  Object.defineProperty(type, Symbol.hasInstance, { value: hasInstance });
}

/**
 * `value instanceof this`, for classes that were branded and for those that extend one. Never
 * throws, whatever `value` is.
 */
function hasInstance(this: Type, value: unknown): boolean {
  const symbol = brands.get(this);
  if (symbol !== undefined) return hasProperty(value, symbol);
  return readOf(() => Function.prototype[Symbol.hasInstance].call(this as never, value)) === true;
}
