/**
 * Classes that are recognised by a registered symbol instead of identity. `instanceof` compares
 * prototypes, so it does not recognise objects from a second copy of this library (two versions in
 * one tree, a copy per test file under Jest, another `vm` context). `Symbol.for` gives one symbol
 * per process, for all realms and copies. Parsed JSON cannot contain such a symbol, so no data from
 * a network is taken for an object of this library.
 *
 * A class brands itself in its static block; `instanceof` then checks the brand. A caller's own
 * subclass has no brand, and is recognised by identity as usual. A kind is a contract: rename it if
 * its class changes in a way that other copies could not work with.
 */
import { hasProperty, readOf } from "./unknown-value.ts";

/** A class; only its prototype and its identity are used. */
interface Type {
  readonly prototype: object;
}

const PREFIX = "ground-station-failover/";
const brands: WeakMap<Type, symbol> = new WeakMap();

/**
 * Makes `instanceof` recognise all instances of `type` and of its subclasses by this `kind`, from
 * any copy of the library.
 */
export function brand(type: Type, kind: string): void {
  const symbol = Symbol.for(PREFIX + kind);
  brands.set(type, symbol);
  Object.defineProperty(type.prototype, symbol, { value: true });
  Object.defineProperty(type, Symbol.hasInstance, { value: hasInstance });
}

/**
 * `value instanceof this`, for branded classes and for classes that extend one. Never throws, for
 * any `value`.
 */
function hasInstance(this: Type, value: unknown): boolean {
  const symbol = brands.get(this);
  if (symbol !== undefined) return hasProperty(value, symbol);
  return readOf(() => Function.prototype[Symbol.hasInstance].call(this as never, value)) === true;
}
