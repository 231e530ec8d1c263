/**
 * What all injectors have in common: an injector is a set of actions, and the argument `do` names
 * one. The arguments of each action have a zod schema; this file turns what zod finds into
 * sentences that name the field, and fills in defaults before the action prepares itself. A value
 * that still holds `${name}` is not judged until it is filled in.
 */
import { nearestName } from "ground-station-failover/core";
import { z } from "zod";
import { UserError } from "../../adapters/process/exit-codes.ts";
import type { InjectorName, Json, JsonObject } from "../experiment/experiment.ts";
import type { InjectionContext, Injector, PreparedInjection, Target } from "../injection.ts";
import { text, whole, yesOrNo } from "./fields.ts";

/** Longest time that an injection may last, and what holds where nothing is said. */
const EXPIRY = { minMs: 100, maxMs: 600_000, defaultMs: 60_000 } as const;

/** Fields that every action has. */
export interface CommonArguments {
  /** The dead-man's switch, in ms, 100 to 600 000. Default 60 000. */
  readonly expiresAfterMs: number;
  /** Name of what is hit, as `never:` and the blast radius compare it. Default: by the action. */
  readonly target?: string | undefined;
  /** True if what is hit serves commands. Default false. */
  readonly isStation: boolean;
}

/** The schema of {@link CommonArguments}, to be spread into that of an action. */
export const COMMON: {
  readonly do: z.ZodString;
  readonly expiresAfterMs: z.ZodDefault<z.ZodNumber>;
  readonly target: z.ZodOptional<z.ZodString>;
  readonly isStation: z.ZodDefault<z.ZodBoolean>;
} = {
  do: text("the name of an action"),
  expiresAfterMs: whole(EXPIRY.minMs, EXPIRY.maxMs, "ms").default(EXPIRY.defaultMs),
  target: text("the name of what is hit", 128).optional(),
  isStation: yesOrNo().default(false),
};

/** One thing that an injector can do. */
export interface Action {
  readonly schema: z.ZodType;
  missing(args: JsonObject): Promise<string | undefined>;
  prepare(args: JsonObject, context: InjectionContext): Promise<PreparedInjection>;
}

/** An injector whose actions can be listed, for documentation and for the checks of files. */
export interface OwnInjector extends Injector {
  readonly actions: ReadonlyMap<string, Action>;
}

/** What an action is made of: its schema, and what it does with arguments that have passed it. */
export interface ActionParts<Arguments> {
  prepare(args: Arguments, context: InjectionContext): Promise<PreparedInjection>;
  /** Why it cannot run on this machine. Default: it can. */
  missing?(args: Arguments): Promise<string | undefined>;
}

export function action<Schema extends z.ZodType>(schema: Schema, parts: ActionParts<z.output<Schema>>): Action {
  return {
    schema,
    async missing(args) {
      const { data } = schema.safeParse(args);
      return data === undefined ? undefined : parts.missing?.(data);
    },
    async prepare(args, context) {
      const problems = problemsOf(schema, args, false);
      if (problems.length > 0) throw new UserError("usage", problems.join("; "));
      context.signal.throwIfAborted();
      return parts.prepare(schema.parse(args), context);
    },
  };
}

/** The injector `name`, whose argument `do` chooses one of `actions`. */
export function injectorOf(name: InjectorName, actions: Readonly<Record<string, Action>>): OwnInjector {
  const known = new Map(Object.entries(actions));
  const chosen = (args: JsonObject): Action | undefined => {
    const { do: asked } = args;
    return typeof asked === "string" ? known.get(asked) : undefined;
  };
  return {
    name,
    actions: known,
    problems(args) {
      const { do: asked } = args;
      if (typeof asked === "string" && asked.includes("${")) return [];
      const one = chosen(args);
      return one === undefined ? [unknownAction(asked, [...known.keys()])] : problemsOf(one.schema, args, true);
    },
    async missing(args) {
      return chosen(args)?.missing(args);
    },
    async prepare(args, context) {
      const one = chosen(args);
      if (one === undefined) throw new UserError("usage", `${name}: ${unknownAction(args["do"], [...known.keys()])}`);
      try {
        return await one.prepare(args, context);
      } catch (error) {
        throw error instanceof UserError ? new UserError(error.ending, `${name}: ${error.message}`) : error;
      }
    },
  };
}

function unknownAction(asked: Json | undefined, names: readonly string[]): string {
  const allowed = `allowed ${names.length === 1 ? "is" : "are"} ${names.join(", ")}`;
  if (asked === undefined) return `do: it is missing; ${allowed}`;
  if (typeof asked !== "string") return `do: it is no text; ${allowed}`;
  return `do: there is no action ${JSON.stringify(asked.slice(0, 60))}${guess(asked, names)}; ${allowed}`;
}

function guess(given: string, names: Iterable<string>): string {
  const meant = nearestName(given, names);
  return meant === undefined ? "" : ` (did you mean ${meant}?)`;
}

/** The problems of `args`, one for each field. `isOpen`: values may still hold `${name}`. */
function problemsOf(schema: z.ZodType, args: JsonObject, isOpen: boolean): string[] {
  const { error } = schema.safeParse(args);
  const found = new Map<string, string>();
  for (const { path, message, ...issue } of error?.issues ?? []) {
    if (issue.code === "unrecognized_keys") {
      const fields = fieldsAt(schema, path);
      for (const key of issue.keys) {
        const allowed = fields.length === 0 ? "" : `; allowed are ${fields.join(", ")}`;
        const name = written([...path, key]);
        found.set(name, `${name}: there is no such field${guess(key, fields)}${allowed}`);
      }
      continue;
    }
    if (isOpen && holdsName(valueAt(args, path))) continue;
    const name = written(path);
    if (!found.has(name)) found.set(name, name === "" ? message : `${name}: ${message}`);
  }
  return [...found.values()];
}

/** For example `toxics[0].attributes.latency`. */
function written(path: readonly PropertyKey[]): string {
  return path.reduce<string>((before, step) => {
    if (typeof step === "number") return `${before}[${step}]`;
    return before === "" ? String(step) : `${before}.${String(step)}`;
  }, "");
}

function valueAt(args: JsonObject, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((value, step) => {
    // A name that stands for a whole section stands for everything in it.
    if (typeof value !== "object" || value === null) return value;
    return (value as Record<PropertyKey, unknown>)[step];
  }, args);
}

function holdsName(value: unknown): boolean {
  return value !== undefined && JSON.stringify(value).includes("${");
}

/** The fields that the object at `path` may have; empty if that is not known. */
function fieldsAt(schema: z.ZodType, path: readonly PropertyKey[]): readonly string[] {
  let at: unknown = bare(schema);
  for (const step of path) {
    if (at instanceof z.ZodObject) at = bare(at.shape[String(step)]);
    else if (at instanceof z.ZodArray) at = bare(at.element);
    else return [];
  }
  return at instanceof z.ZodObject ? Object.keys(at.shape) : [];
}

function bare(schema: unknown): unknown {
  let inner = schema;
  while (inner instanceof z.ZodOptional || inner instanceof z.ZodDefault) inner = inner.unwrap();
  return inner;
}

/** The one target of an action; `kind` and `name` where the arguments do not name it. */
export function targetOf(args: CommonArguments, kind: string, name: string, share = 1): Target {
  return { kind, name: args.target ?? name, isStation: args.isStation, share };
}
