/**
 * Traps round a run: while they are set, code that reaches for the real world (`real-world.ts` says
 * by what) is written down and gets an error that names what to use instead. Written down first,
 * because that error may well end in a `catch` of the code that made the mistake; a run with one
 * such call proves nothing, whatever it says at its end.
 *
 * They stand for one synchronous stretch of a run and are then taken away exactly: what was there
 * before is there again, the same functions, getters and listeners. A trap that code has kept for
 * itself leads to the original from then on. What cannot be trapped is listed in `real-world.ts`.
 */
import type { WayOut } from "./real-world.ts";
import { waysOut } from "./real-world.ts";

export interface TrapWatch {
  /** Code reached for `what`; told before that code gets its error. */
  readonly onTouch: (what: string, stack: string) => void;
  /**
   * An error that nothing caught, or the reason of a rejection that nothing handled: a real process
   * would have died.
   */
  readonly onUncaught: (error: unknown) => void;
}

/**
 * Sets all traps and returns what takes them away again; one set at a time, and no event-loop turn
 * in between. The listeners of the host (a test runner's) for uncaught errors and unhandled
 * rejections are off meanwhile. The first call loads the built-in modules it needs, which takes
 * some tens of milliseconds.
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

/** A way out, what was found there, and what hangs there while traps are set. */
interface Place {
  readonly way: WayOut;
  original: PropertyDescriptor | undefined;
  trap: PropertyDescriptor | undefined;
}

let places: Place[] | undefined;
/** Who is told; nobody while no traps are set. */
let watching: TrapWatch | undefined;
/**
 * While somebody is being told the traps let everything through: telling may format a stack, which
 * may read a file.
 */
let telling = false;

const nodeModule: typeof import("node:module") = process.getBuiltinModule("node:module");

function hang(place: Place): void {
  const { holder, key } = place.way;
  const found = Reflect.getOwnPropertyDescriptor(holder, key);
  // The same trap as last time, unless somebody has put something else there since.
  if (found?.value !== place.original?.value || found?.get !== place.original?.get) place.trap = undefined;
  place.original = found;
  if (found === undefined) return;
  place.trap ??= trapFor(place.way, found);
  Reflect.defineProperty(holder, key, place.trap);
}

function takeAway(place: Place): void {
  if (place.original !== undefined) Reflect.defineProperty(place.way.holder, place.way.key, place.original);
}

/** A function gets a trap for its calls; where there is a getter, reading is the touch. */
function trapFor(way: WayOut, found: PropertyDescriptor): PropertyDescriptor {
  if (found.get !== undefined) return { ...found, get: trapped(way, found.get) };
  return typeof found.value === "function" ? { ...found, value: trapped(way, found.value) } : found;
}

/**
 * One function has one trap, wherever it hangs: what was identical stays so. Its name is that of
 * the first place.
 */
const traps: WeakMap<object, object> = new WeakMap();

/**
 * `original`, but that calling it or constructing from it is a touch. All else about it is as it
 * was.
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
 * Tells the watch and throws; the stack begins above `gate`, with the code that did it. Nothing
 * where nobody watches.
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
 * is a touch as well. Node older than 22.15 has no way to see it.
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
 * Takes the listeners for `event` off and puts one there that hands what it gets to `tell`; returns
 * what undoes it.
 */
function takeOver(event: "uncaughtException" | "unhandledRejection", tell: (error: unknown) => void): () => void {
  const emitter: NodeJS.EventEmitter = process;
  // Raw: what was to be called once still is.
  const held = emitter.rawListeners(event) as ((...args: unknown[]) => void)[];
  emitter.removeAllListeners(event);
  emitter.on(event, (error: unknown) => tell(error));
  return () => {
    emitter.removeAllListeners(event);
    for (const listener of held) emitter.on(event, listener);
  };
}
