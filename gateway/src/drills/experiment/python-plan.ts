/**
 * What a stand-in for a Python function is: its parameters, what is to be done, and what the real
 * function returns; all of it data. The checks of arguments are those of a call in Python (missing,
 * unknown), and of types too, which Python leaves to the function. Nothing is sent or touched here;
 * the runner does that when it plays the plan.
 */
import type { Json, JsonObject } from "./experiment.ts";
import { fieldOf, guess, isObject, shown } from "./problem.ts";

/** What is to be done for one Python activity. */
export type PythonPlan =
  | {
      /** A request to the API of the fault proxy. */
      readonly kind: "http";
      readonly method: "GET" | "POST" | "DELETE";
      readonly url: string;
      readonly body?: Json;
      /** What the function makes of the answer; undefined: there was none. */
      readonly outcome: (answer: HttpAnswer | undefined) => PythonOutcome;
    }
  | {
      /** Is there something at the path? The output is a boolean. */
      readonly kind: "path-exists";
      readonly path: string;
      /** What has to be there. */
      readonly what: "anything" | "file" | "directory";
    }
  | {
      /** Removes a file; the output is null. No such file: the activity fails. */
      readonly kind: "remove-file";
      readonly path: string;
    }
  | {
      /** Waits; the output is null. */
      readonly kind: "sleep";
      readonly seconds: number;
    };

/** An answer of the fault proxy's API. `body`: parsed, or null if it is no JSON. */
export interface HttpAnswer {
  readonly status: number;
  readonly body: Json;
}

/** What a function returned, or why the activity failed. */
export type PythonOutcome =
  | {
      readonly output: Json;
      /**
       * Names that the function set in the environment and the configuration, for the activities
       * after it: `create_proxy` sets `<proxy>_PORT`.
       */
      readonly assigned?: Readonly<Record<string, string>>;
    }
  | { readonly failure: string };

export type Environment = Readonly<Record<string, string | undefined>>;

/** A Python function that is stood in for. */
export interface PythonMapping {
  /** What is wrong with the arguments, which may still hold `${name}`: each a sentence. */
  readonly problems: (args: JsonObject) => readonly string[];
  /** Names of which the configuration has to have one; empty: it needs none. */
  readonly needs: readonly string[];
  /** What to do, for arguments and a configuration whose values are filled in. */
  readonly plan: (
    args: JsonObject,
    configuration: JsonObject,
    environment: Environment,
  ) => PythonPlan | { readonly problem: string };
}

type Kind = "text" | "whole number" | "number" | "boolean" | "object" | "port";

export interface Parameter {
  readonly name: string;
  readonly kind: Kind;
  /** Absent: the argument is required. */
  readonly otherwise?: Json;
}

export function required(name: string, kind: Kind): Parameter {
  return { name, kind };
}

export function optional(name: string, kind: Kind, otherwise: Json): Parameter {
  return { name, kind, otherwise };
}

const ALLOWED: Readonly<Record<Kind, string>> = {
  text: "a text",
  "whole number": "a whole number",
  number: "a number",
  boolean: "true or false",
  object: "an object",
  port: "a port number, or env:NAME",
};

function isOfKind(kind: Kind, value: Json): boolean {
  switch (kind) {
    case "text":
      return typeof value === "string";
    case "whole number":
      return Number.isSafeInteger(value);
    case "number":
      return typeof value === "number";
    case "boolean":
      return typeof value === "boolean";
    case "object":
      return isObject(value);
    case "port":
      return Number.isSafeInteger(value) || (typeof value === "string" && /^(?:\d+|env:.+)$/.test(value));
  }
}

function problemsOf(parameters: readonly Parameter[], args: JsonObject, isFilledIn: boolean): readonly string[] {
  const names = parameters.map(({ name }) => name);
  const unknown = Object.keys(args)
    .filter((name) => !names.includes(name))
    .map((name) => `there is no argument ${name}${guess(name, names)}; allowed are ${names.join(", ") || "none"}`);
  const wrong = parameters.flatMap(({ name, kind, otherwise }) => {
    const value = fieldOf(args, name);
    if (value === undefined) return otherwise === undefined ? [`the argument ${name} is missing`] : [];
    if (value === null && otherwise === null) return [];
    if (!isFilledIn && typeof value === "string" && value.includes("${")) return [];
    return isOfKind(kind, value) ? [] : [`the argument ${name} is ${shown(value)}; allowed is ${ALLOWED[kind]}`];
  });
  return [...unknown, ...wrong];
}

/** The arguments of a call, with the defaults of those that are not given. */
export type Given = Readonly<Record<string, Json>>;

export function mapping(
  parameters: readonly Parameter[],
  needs: readonly string[],
  plan: (
    given: Given,
    configuration: JsonObject,
    environment: Environment,
  ) => PythonPlan | { readonly problem: string },
): PythonMapping {
  return {
    needs,
    problems: (args) => problemsOf(parameters, args, false),
    plan(args, configuration, environment) {
      const [problem] = problemsOf(parameters, args, true);
      if (problem !== undefined) return { problem };
      const defaults = parameters.map(({ name, otherwise }) => [name, fieldOf(args, name) ?? otherwise ?? null]);
      return plan(Object.fromEntries(defaults), configuration, environment);
    },
  };
}
