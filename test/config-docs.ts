/**
 * What the fields of a configuration are is said once, in `gateway/src/config`. `npm run
 * config:docs` writes it where people and editors read it: the tables of
 * `docs/guide/configuration.md` and the JSON Schema `gateway/fleet.schema.json`.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import {
  configurationJsonSchema,
  type DescribedField,
  defaultOf,
  describedConfiguration,
} from "../gateway/src/config/json-schema.ts";

export const GUIDE: string = fileURLToPath(new URL("../docs/guide/configuration.md", import.meta.url));
export const SCHEMA_FILE: string = fileURLToPath(new URL("../gateway/fleet.schema.json", import.meta.url));

/** `<!-- fields: groups[].retry groups[].breaker -->`, and the table behind it. */
const TABLE = /^<!-- fields: (.+) -->\n(?:(?:\|.*)?\n)*?(?=<!-- end of fields -->$)/gm;
const HEAD = "| field | range | default | meaning, and why that default |\n|---|---|---|---|\n";

/** The guide as it is, and as it should be. */
export function guide(): { readonly text: string; readonly due: string } {
  const text = readFileSync(GUIDE, "utf8");
  const root = describedConfiguration();
  const own = new Set([...text.matchAll(TABLE)].flatMap(([, paths = ""]) => paths.split(" ")));
  const due = text.replace(TABLE, (_, paths: string) => {
    const many = paths.split(" ");
    const rows = many.flatMap((path) => {
      const name = many.length === 1 ? "" : (path.split(".").at(-1) as string);
      return rowsOf(fieldAt(root, path), path === "." ? "" : path, name, own);
    });
    return `<!-- fields: ${paths} -->\n\n${HEAD}${rows.join("\n")}\n\n`;
  });
  return { text, due };
}

/** The JSON Schema as it should be written. */
export function schemaText(): string {
  return `${JSON.stringify(configurationJsonSchema(), null, 1)}\n`;
}

/** The section at `path`, such as `groups[].commands`; `.` is the whole file. */
function fieldAt(root: DescribedField, path: string): DescribedField {
  let field: DescribedField | undefined = root;
  for (const step of path.split(/\.|(?=\[\])/).filter((name) => name !== ""))
    field = step === "[]" ? field?.items : field?.properties?.[step];
  if (field === undefined) throw new Error(`the configuration has no field ${path}`);
  return field;
}

/** A field of a section; `only`: under which kind, where there are several. */
interface Listed {
  readonly name: string;
  readonly field: DescribedField;
  readonly isRequired: boolean;
  readonly only: string | undefined;
}

/**
 * The rows of a section at `path`, whose fields are called with `prefix` before them. Sections that
 * have a table of their own are one row.
 */
function rowsOf(section: DescribedField, path: string, prefix: string, own: ReadonlySet<string>): string[] {
  const named = Map.groupBy(listed(section), ({ name }) => name);
  return [...named].flatMap(([name, variants]) => {
    const place = path === "" ? name : `${path}.${name}`;
    const shown = prefix === "" ? name : `${prefix}.${name}`;
    const { field } = variants[0] as Listed;
    const isElsewhere = own.has(place) || own.has(`${place}[]`);
    const inner = field.range === undefined && !isElsewhere ? field : {};
    if (inner.properties !== undefined) return rowsOf(inner, place, shown, own);
    const row = rowOf(shown, variants, isElsewhere);
    const items = field.items?.properties !== undefined && !isElsewhere ? field.items : undefined;
    return items === undefined ? [row] : [row, ...rowsOf(items, `${place}[]`, `${shown}[]`, own)];
  });
}

function listed({ properties, required = [], oneOf }: DescribedField): Listed[] {
  const kinds = (oneOf ?? []).map((variant) => ({ variant, only: String(variant.properties?.["kind"]?.const) }));
  return [
    ...Object.entries(properties ?? {}).map(([name, field]) => ({
      name,
      field,
      isRequired: required.includes(name),
      only: undefined,
    })),
    ...kinds.flatMap(({ variant, only }) => listed(variant).map((one) => ({ ...one, only }))),
  ];
}

function rowOf(name: string, variants: readonly Listed[], isElsewhere: boolean): string {
  const cells = [
    `\`${name}\``,
    variants[0]?.field.const === undefined
      ? joined(variants, ({ field }) => rangeOf(field, isElsewhere), ", ")
      : variants.map(({ field }) => `\`${String(field.const)}\``).join(", "),
    variants.length === 1 && variants[0]?.only !== undefined
      ? `${defaultCell(variants[0])} (${variants[0].only})`
      : joined(variants, defaultCell, ", "),
    [...new Set(variants.map(({ field }) => field.description ?? ""))].join(". "),
  ];
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
}

/** What all variants say, or what each says, with its kind before it. */
function joined(variants: readonly Listed[], words: (one: Listed) => string, between: string): string {
  const said = variants.map(words);
  if (new Set(said).size === 1) return said[0] as string;
  return variants.map((one, place) => `${one.only} ${said[place]}`).join(between);
}

function rangeOf(field: DescribedField, isElsewhere: boolean): string {
  const range = field.range ?? field.kind;
  if (range === undefined || isElsewhere) return range === undefined ? "section, see below" : `${range}, see below`;
  return field.unit === undefined ? range : `${range} ${field.unit}`;
}

function defaultCell({ field, isRequired }: Listed): string {
  return defaultOf(field) ?? (isRequired ? "required" : "");
}

if (import.meta.main) {
  writeFileSync(GUIDE, guide().due);
  writeFileSync(SCHEMA_FILE, schemaText());
}
