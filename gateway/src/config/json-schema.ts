/**
 * The configuration file as a JSON Schema (draft 7), made from the schema that reads it. Editors
 * use it through `yaml-language-server`: they complete names, show what a field means, and mark
 * what cannot be right. It is never stricter than the reader: a file that can be run is never
 * marked. It is less strict, because it knows nothing of contradictions between fields, nor of the
 * range of a duration that is written with its unit; `gsf check-config` does.
 */
import { z } from "zod";
import { configurationSchema } from "./schema.ts";

/** A JSON Schema as far as this one goes. */
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

/** A field as it is defined: its JSON Schema, and what is told of it beside that. */
export interface DescribedField extends JsonSchema {
  /** Which values are allowed, in words. */
  readonly range?: string;
  /** Where the words are long: what the guide calls them, and the words. */
  readonly kind?: string;
  readonly allowed?: string;
  /** What counts: `commands a second`. */
  readonly unit?: string;
  /** What holds where the field is left out, in words, where that is no fixed value. */
  readonly byDefault?: string;
  readonly properties?: Readonly<Record<string, DescribedField>>;
  readonly items?: DescribedField;
  readonly oneOf?: readonly DescribedField[];
}

/** The whole file, with everything that is told of its fields. */
export function describedConfiguration(): DescribedField {
  return z.toJSONSchema(configurationSchema, {
    io: "input",
    // What every editor understands; no keyword of later drafts is needed.
    target: "draft-7",
    override: ({ jsonSchema }) => {
      // A section that is left out is one without fields: the fields have the defaults.
      if (typeof jsonSchema.default === "object") delete jsonSchema.default;
    },
  }) as DescribedField;
}

/** The JSON Schema that is published. */
export function configurationJsonSchema(): JsonSchema {
  const { $schema, ...fields } = published(describedConfiguration()) as JsonSchema & { readonly $schema?: string };
  return { $schema, title: "Configuration of gsf, the ground station failover gateway", ...fields } as JsonSchema;
}

/** What holds where the field is left out, in words; undefined where nothing does. */
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
