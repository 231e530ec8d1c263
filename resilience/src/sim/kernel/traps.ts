/**
 * Traps during a run: while they are set, a call to the real world (listed in `real-world.ts`) is
 * recorded and gets an error that names what to use instead. It is recorded first, because the
 * error may end in a `catch` of the code that made the mistake. A run with one such call proves
 * nothing, whatever its result.
 *
 * The traps are set for one synchronous stretch of a run and are then removed exactly: the same
 * functions, getters and listeners as before are there again. A trap that code has kept for itself
 * calls the original from then on. `real-world.ts` lists what cannot be trapped.
 */
import type { WayOut } from "./real-world.ts";
import { waysOut } from "./real-world.ts";

export interface TrapWatch {
  /** Called when code reaches for `what`, before that code gets its error. */
  readonly onTouch: (what: string, stack: string) => void;
  /**
   * An error that nothing caught, or the reason of a rejection that nothing handled: a real process
   * would have died.
   */
  readonly onUncaught: (error: unknown) => void;
}

/**
 * Sets all traps and returns a function that removes them. Only one set at a time, with no
 * event-loop turn in between. The host's listeners (a test runner's) for uncaught errors and
 * unhandled rejections are off meanwhile. The first call loads the built-in modules it needs, which
 * takes some tens of milliseconds.
 */
export function setTraps(watch: TrapWatch): () => void {
  if (watching !== undefined) throw new Error("Traps are set already: two runs cannot share one stretch.");
  places ??= waysOut().map((way) => ({ way, original: undefined, trap: undefined }));
  for (const place of places) hang(place);
  nodeModule.syncBuiltinESMExports();
  const imports = trapImports();
  const rejections = takeOver("unhandledRejection", watch.onUncaught);
  const uncaught = takeOver("uncaughtException", watch.onUncaught);
  watching = watch;
  return () => {
    if (watching !== watch) return;
    watching = undefined;
    uncaught();
    rejections();
    imports();
    for (const place of places ?? []) takeAway(place);
    nodeModule.syncBuiltinESMExports();
  };
}

/**
 * A way to the real world, its original value, and the trap that replaces it while traps are set.
 */
interface Place {
  readonly way: WayOut;
  original: PropertyDescriptor | undefined;
  trap: PropertyDescriptor | undefined;
}

let places: Place[] | undefined;
/** The current watch; undefined while no traps are set. */
let watching: TrapWatch | undefined;
/**
 * While a report is under way the traps let everything through: the report may format a stack,
 * which may read a file.
 */
let telling = false;

const nodeModule: typeof import("node:module") = process.getBuiltinModule("node:module");

function hang(place: Place): void {
  const { holder, key } = place.way;
  const found = Reflect.getOwnPropertyDescriptor(holder, key);
  // The same trap as last time, unless other code has replaced the value since.
  if (found?.value !== place.original?.value || found?.get !== place.original?.get) place.trap = undefined;
  place.original = found;
  if (found === undefined) return;
  place.trap ??= trapFor(place.way, found);
  Reflect.defineProperty(holder, key, place.trap);
}

function takeAway(place: Place): void {
  if (place.original !== undefined) Reflect.defineProperty(place.way.holder, place.way.key, place.original);
}

/** A function gets a trap for its calls; for a getter, reading is the touch. */
function trapFor(way: WayOut, found: PropertyDescriptor): PropertyDescriptor {
  if (found.get !== undefined) return { ...found, get: trapped(way, found.get) };
  return typeof found.value === "function" ? { ...found, value: trapped(way, found.value) } : found;
}

/**
 * One function has one trap in all its places, so that identical values stay identical. The trap's
 * name is that of the first place.
 */
const traps: WeakMap<object, object> = new WeakMap();

/**
 * `original`, except that calling it or constructing from it is a touch. Everything else about it
 * is unchanged.
 */
function trapped<F extends object>(way: WayOut, original: F): F {
  const made = traps.get(original) ?? newTrap(way, original);
  traps.set(original, made);
  return made as F;
}

function newTrap<F extends object>(way: WayOut, original: F): F {
  const gates: Required<Pick<ProxyHandler<F>, "apply" | "construct">> = {
    apply(target, self: unknown, args: unknown[]): unknown {
      if (way.harmless?.(args, false) !== true) touch(way.what, way.instead, gates.apply);
      return Reflect.apply(target as never, self, args);
    },
    construct(target, args: unknown[], made): object {
      if (way.harmless?.(args, true) !== true) touch(`new ${way.what}`, way.instead, gates.construct);
      return Reflect.construct(target as never, args, made);
    },
  };
  return new Proxy(original, gates);
}

/**
 * Reports to the watch and throws; the stack begins above `gate`, with the calling code. Does
 * nothing if no watch is set.
 */
function touch(what: string, instead: string, gate: (...args: never[]) => unknown): void {
  if (watching === undefined || telling) return;
  const error = new Error(`${what} reaches out of the simulated world; use ${instead}`);
  Error.captureStackTrace(error, gate);
  telling = true;
  try {
    watching.onTouch(what, error.stack ?? "");
  } finally {
    telling = false;
  }
  throw error;
}

/**
 * Loading code takes real time, so an `import()` or a `require` of anything but a built-in module
 * is a touch as well. Node before 22.15 has no way to detect it.
 */
function trapImports(): () => void {
  const resolve: import("node:module").ResolveHookSync = (specifier, context, next) => {
    const verb = context.conditions.includes("require") ? "require" : "import";
    if (!nodeModule.isBuiltin(specifier)) touch(`${verb}("${specifier}")`, "an import before the run begins", resolve);
    return next(specifier, context);
  };
  const hooks = nodeModule.registerHooks?.({ resolve });
  return () => hooks?.deregister();
}

/**
 * Removes the listeners for `event` and adds one that passes its argument to `tell`; returns a
 * function that undoes it.
 */
function takeOver(event: "uncaughtException" | "unhandledRejection", tell: (error: unknown) => void): () => void {
  const emitter: NodeJS.EventEmitter = process;
  // Raw listeners: a listener that was registered once still runs only once.
  const held = emitter.rawListeners(event) as ((...args: unknown[]) => void)[];
  emitter.removeAllListeners(event);
  emitter.on(event, (error: unknown) => tell(error));
  return () => {
    emitter.removeAllListeners(event);
    for (const listener of held) emitter.on(event, listener);
  };
}
