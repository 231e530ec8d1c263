/**
 * The configuration file as a JSON Schema (draft 7), generated from the schema that reads it.
 * Editors use it through `yaml-language-server`: they complete names, show what a field means, and
 * mark errors. It is never stricter than the reader: a valid file is never marked. It is less
 * strict, because it knows neither contradictions between fields nor the range of a duration that
 * is written with a unit; `gsf check-config` checks these.
 */
import { z } from "zod";
import { configurationSchema } from "./schema.ts";

/** The parts of JSON Schema that this schema uses. */
export interface JsonSchema {
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly propertyNames?: JsonSchema;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | JsonSchema;
  readonly items?: JsonSchema;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
}

/** A field's JSON Schema, with additional descriptions. */
export interface DescribedField extends JsonSchema {
  /** The allowed values, in words. */
  readonly range?: string;
  /** For long descriptions: the guide's name for this kind of value, and the description. */
  readonly kind?: string;
  readonly allowed?: string;
  /** What is counted: `commands a second`. */
  readonly unit?: string;
  /** The default in words, if it is not a fixed value. */
  readonly byDefault?: string;
  readonly properties?: Readonly<Record<string, DescribedField>>;
  readonly items?: DescribedField;
  readonly oneOf?: readonly DescribedField[];
}

/** The whole file, with all descriptions of its fields. */
export function describedConfiguration(): DescribedField {
  return z.toJSONSchema(configurationSchema, {
    io: "input",
    // Every editor understands draft 7; no keyword of later drafts is needed.
    target: "draft-7",
    override: ({ jsonSchema }) => {
      // A missing section is an empty one: its fields have the defaults.
      if (typeof jsonSchema.default === "object") delete jsonSchema.default;
    },
  }) as DescribedField;
}

/** The JSON Schema that is published. */
export function configurationJsonSchema(): JsonSchema {
  const { $schema, ...fields } = published(describedConfiguration()) as JsonSchema & { readonly $schema?: string };
  return { $schema, title: "Configuration of gsf, the ground station failover gateway", ...fields } as JsonSchema;
}

/** The default in words; undefined if there is none. */
export function defaultOf(field: DescribedField): string | undefined {
  if (field.byDefault !== undefined || field.default === undefined) return field.byDefault;
  return typeof field.default === "string" ? `\`${field.default}\`` : String(field.default);
}

function published(field: DescribedField): JsonSchema {
  const {
    range,
    unit,
    kind: _kind,
    allowed,
    byDefault: _words,
    description,
    properties,
    items,
    oneOf,
    ...rest
  } = field;
  const values = range ?? allowed;
  const facts = [
    description === undefined ? undefined : withoutLinks(description),
    labelled("Allowed", unit === undefined ? values : `${values} ${unit}`),
    labelled("Default", defaultOf(field)),
  ].filter((fact) => fact !== undefined);
  return {
    ...(facts.length === 0 ? {} : { description: facts.map((fact) => `${fact}.`).join("\n\n") }),
    ...rest,
    ...(items === undefined ? {} : { items: published(items) }),
    ...(oneOf === undefined ? {} : { oneOf: oneOf.map(published) }),
    ...(properties === undefined
      ? {}
      : {
          properties: Object.fromEntries(Object.entries(properties).map(([name, one]) => [name, published(one)])),
        }),
  };
}

function labelled(label: string, words: string | undefined): string | undefined {
  return words === undefined ? undefined : `${label}: ${withoutLinks(words)}`;
}

/** Links lead to pages beside the guide, which an editor does not have. */
function withoutLinks(markdown: string): string {
  return markdown.replaceAll(/\[([^\]]+)\]\([^)]+\)/g, "$1");
}
