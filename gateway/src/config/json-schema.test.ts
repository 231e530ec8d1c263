/**
 * The JSON Schema of configuration files beside the reader: files that can be run are never marked,
 * plain mistakes are, and every field tells what it means, its range and its default.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import { CERTIFICATE, KEY } from "../../../test/process/long-lived-certificate.ts";
import { type Configuration, parseConfiguration } from "./config.ts";
import {
  configurationJsonSchema,
  type DescribedField,
  describedConfiguration,
  type JsonSchema,
} from "./json-schema.ts";
import { stateOf } from "./state.ts";

const schema = configurationJsonSchema();

/** The part of JSON Schema that this schema uses; another keyword is a failure. */
function complaint(one: JsonSchema, given: unknown, path = ""): string | undefined {
  for (const [keyword, rule] of Object.entries(one)) {
    const check = RULES[keyword];
    assert.ok(check !== undefined, `${keyword} at ${path} is not known here`);
    const found = check(rule, given, one, path);
    if (found !== undefined) return found;
  }
  return undefined;
}

type Rule = (rule: unknown, given: unknown, schema: JsonSchema, path: string) => string | undefined;
const failing = (isWrong: boolean, path: string, rule: unknown) =>
  isWrong ? `${path}: ${JSON.stringify(rule)}` : undefined;
const isNote: Rule = () => undefined;
const fieldsOf = (given: unknown): [string, unknown][] =>
  typeOf(given) === "object" ? Object.entries(given as object) : [];

function typeOf(given: unknown): string {
  if (given === null) return "null";
  return Array.isArray(given) ? "array" : typeof given;
}

function one(of: (matches: number) => boolean): Rule {
  return (rule, given, _schema, path) => {
    const complaints = (rule as JsonSchema[]).map((variant) => complaint(variant, given, path));
    return of(complaints.filter((found) => found === undefined).length) ? undefined : complaints.at(-1) || path;
  };
}

const RULES: Readonly<Record<string, Rule>> = {
  $schema: isNote,
  title: isNote,
  description: isNote,
  default: isNote,
  type: (rule, given, _schema, path) =>
    failing(
      ![rule].flat().some((type) => typeOf(given) === type || (type === "integer" && Number.isInteger(given))),
      path,
      rule,
    ),
  enum: (rule, given, _schema, path) => failing(!(rule as unknown[]).includes(given), path, rule),
  const: (rule, given, _schema, path) => failing(given !== rule, path, rule),
  pattern: (rule, given, _schema, path) =>
    failing(typeof given === "string" && !new RegExp(rule as string, "u").test(given), path, rule),
  minimum: (rule, given, _schema, path) => failing(typeof given === "number" && given < (rule as number), path, rule),
  maximum: (rule, given, _schema, path) => failing(typeof given === "number" && given > (rule as number), path, rule),
  minItems: (rule, given, _schema, path) =>
    failing(Array.isArray(given) && given.length < (rule as number), path, rule),
  maxItems: (rule, given, _schema, path) =>
    failing(Array.isArray(given) && given.length > (rule as number), path, rule),
  required: (rule, given, _schema, path) =>
    failing(
      typeOf(given) === "object" && (rule as string[]).some((name) => !Object.hasOwn(given as object, name)),
      path,
      rule,
    ),
  properties: (rule, given, _schema, path) =>
    fieldsOf(given)
      .map(([name, value]) => {
        const field = (rule as Record<string, JsonSchema>)[name];
        return field === undefined ? undefined : complaint(field, value, `${path}.${name}`);
      })
      .find((found) => found !== undefined),
  propertyNames: (rule, given, _schema, path) =>
    fieldsOf(given)
      .map(([name]) => complaint(rule as JsonSchema, name, path))
      .find((found) => found !== undefined),
  additionalProperties: (rule, given, { properties = {} }, path) =>
    fieldsOf(given)
      .filter(([name]) => !Object.hasOwn(properties, name))
      .map(([name, value]) =>
        rule === false ? `${path}.${name} is unknown` : complaint(rule as JsonSchema, value, `${path}.${name}`),
      )
      .find((found) => found !== undefined),
  items: (rule, given, _schema, path) =>
    (Array.isArray(given) ? given : [])
      .map((item, place) => complaint(rule as JsonSchema, item, `${path}[${place}]`))
      .find((found) => found !== undefined),
  anyOf: one((matches) => matches > 0),
  oneOf: one((matches) => matches === 1),
};

function inRepository(path: string): string {
  return readFileSync(fileURLToPath(new URL(`../../../${path}`, import.meta.url)), "utf8");
}

test("files that the documentation shows → not marked", () => {
  const shown = ["README.md", "docs/guide/configuration.md"].map(
    (page) => /```yaml\n([^`]+)```/.exec(inRepository(page))?.[1] ?? "",
  );
  for (const text of [inRepository("examples/fleet.yaml"), ...shown])
    assert.equal(complaint(schema, parse(text)), undefined, text);
});

/** Values of each kind, right and wrong, at the fields that they may be written at. */
const GIVEN: readonly unknown[] = [
  ...[0, 1, -1, 0.5, 1.5, 3, 50, 200, 1_000, 70_000, 1e7, 1e12, Number.POSITIVE_INFINITY, true, false, null],
  ...["", " ", "50ms", " 1.5 s ", "2m", "1h", "1d", "5", "64KiB", "1MiB", "1 GiB", "1.5B", "1kb", "huge"],
  ...["127.0.0.1:8080", ":8080", "[::1]:80", "8080", "http://a:1", "HTTPS://a.example", "http://a:1/up?x=1", "ftp://a"],
  ...["/healthz", "/a#b", "/a b", "/keys/{key}", "healthz", "x-until", "x_until", "host", "a.b", "a..b", "name"],
  ...[
    "normal",
    "adaptive",
    "automatic",
    "report",
    "DELETE",
    "OTHER",
    "rfc3339",
    "TLSv1.3",
    "udp",
    "operate",
    "10.0.0.0/8",
    "200",
    "200-299",
    "99",
  ],
  ...[[], ["10.0.0.0/8"], [200, "300-399"], [99], ["a", "b"], {}, { "x-token": 7 }, { "x y": "" }, { a: {} }],
];

const BASE = {
  groups: [
    {
      name: "atlantic",
      listen: "127.0.0.1:8080",
      stations: [
        { name: "primary", url: "http://10.0.0.1:9001" },
        { name: "backup", url: "http://10.0.0.2:9001" },
      ],
    },
  ],
  heartbeats: { secretEnv: "SECRET" },
};

/** Every field of `fields`, with a function that writes a value there. */
function places(fields: DescribedField, into: (root: never) => unknown, prefix = ""): Place[] {
  return Object.entries(fields.properties ?? {}).flatMap(([name, field]) => {
    const at = (root: never): Record<string, unknown> => into(root) as Record<string, unknown>;
    const here = {
      path: `${prefix}${name}`,
      isSection: [field.properties, field.oneOf, field.const, field.items?.properties].some((one) => one !== undefined),
      write: (root: never, value: unknown) => (at(root)[name] = value),
    };
    const inside = (root: never) => (at(root)[name] ??= {});
    const items = (root: never) => {
      at(root)[name] ??= [];
      const list = at(root)[name] as unknown[];
      if (list.length === 0) list.push({});
      return list.at(-1);
    };
    const kinds = (field.oneOf ?? []).flatMap((variant) => {
      const kind = variant.properties?.["kind"]?.const;
      return places(variant, (root) => Object.assign(inside(root) as object, { kind }), `${here.path}(${kind}).`);
    });
    const hasItems = field.items?.properties !== undefined;
    return [
      here,
      ...places(field, inside, `${here.path}.`),
      ...(hasItems ? places(field.items as DescribedField, items, `${here.path}[].`) : []),
      ...kinds,
    ];
  });
}

interface Place {
  readonly path: string;
  readonly isSection: boolean;
  write(root: never, value: unknown): void;
}

function reading(configuration: object): Configuration {
  return parseConfiguration(JSON.stringify(configuration), "fleet.json", {
    environment: { SECRET: "0123456789abcdef0123456789abcdef", OTHER: "fedcba9876543210fedcba9876543210" },
    readFile: () => "00112233445566778899aabbccddeeff",
    stateOf: (written) => stateOf(written, "fleet.json", {}),
    readPem: () => `${CERTIFICATE}\n${KEY}`,
  });
}

function isTaken(configuration: object): boolean {
  try {
    reading(configuration);
    return true;
  } catch {
    return false;
  }
}

test("whatever value stands at whatever field: what the reader takes is not marked", () => {
  const fields = places(describedConfiguration(), (root) => root);
  assert.ok(fields.length > 80, `${fields.length} fields`);
  const counts = { taken: 0, marked: 0, onlyRefused: 0 };
  for (const { path, write } of fields) {
    for (const value of GIVEN) {
      const configuration = structuredClone(BASE) as never;
      write(configuration, value);
      const marked = complaint(schema, JSON.parse(JSON.stringify(configuration)));
      const taken = isTaken(configuration);
      if (taken) assert.equal(marked, undefined, `${path}: ${JSON.stringify(value)}`);
      counts[taken ? "taken" : marked === undefined ? "onlyRefused" : "marked"]++;
    }
  }
  assert.ok(counts.taken > 300, `only ${counts.taken} were taken: this proves little`);
  assert.ok(counts.marked > 8 * counts.onlyRefused, `${JSON.stringify(counts)}: too few mistakes are marked`);
});

test("every field says what it means, its range, and its default or that it is required", () => {
  const untold: string[] = [];
  const look = ({ properties = {}, required = [], items, oneOf = [] }: DescribedField, path: string): void => {
    for (const [name, field] of Object.entries(properties)) {
      const place = `${path}${name}`;
      const isSection = field.properties !== undefined || field.oneOf !== undefined || field.const !== undefined;
      if (field.description === undefined) untold.push(`${place}: meaning`);
      if (!isSection && field.range === undefined && field.kind === undefined) untold.push(`${place}: range`);
      const hasDefault = field.byDefault !== undefined || field.default !== undefined || required.includes(name);
      if (!isSection && !hasDefault) untold.push(`${place}: default`);
      look(field, `${place}.`);
    }
    for (const inner of [items, ...oneOf]) if (inner !== undefined) look(inner, path);
  };
  look(describedConfiguration(), "");
  assert.deepEqual(untold, []);
});

const TLS = { certificate: "gateway.crt", key: "gateway.key", clientCa: "callers.crt" };

/**
 * Files in which each field has a meaning: a page is asked for, a key can be, a capacity is known.
 */
const MEANT: readonly object[] = [
  BASE,
  { ...BASE, control: { tokens: [{ name: "sara" }] } },
  { ...BASE, control: { tokens: [{ name: "sara", tokenEnv: "SECRET" }] } },
  { groups: [{ ...BASE.groups[0], heartbeat: { kind: "http", path: "/up" } }] },
  {
    groups: [
      {
        ...BASE.groups[0],
        stations: BASE.groups[0]?.stations.map((station) => ({ ...station, heartbeat: { path: `/${station.name}` } })),
        heartbeat: { kind: "http" },
      },
    ],
  },
  {
    ...BASE,
    groups: [
      {
        ...BASE.groups[0],
        stations: BASE.groups[0]?.stations.map((station) => ({ ...station, capacityPerSecond: 500 })),
        detector: { model: "normal" },
        commands: { keyStatus: { path: "/key/{key}", method: "GET" } },
      },
    ],
  },
];
/** The same for fields of TLS, which take longer to read. */
const MEANT_WITH_TLS: readonly object[] = [
  {
    ...BASE,
    control: { tls: { certificate: "gateway.crt", key: "gateway.key" } },
    groups: [
      {
        ...BASE.groups[0],
        tls: { ...TLS, sni: [{ certificate: "other.crt", key: "other.key" }] },
        stations: ["primary", "backup"].map((name) => ({
          ...{ name, url: `https://${name}.example` },
          tls: { certificate: "gateway.crt", key: "gateway.key" },
        })),
      },
    ],
  },
];
/** What is only held against other fields. */
const ONLY_CHECKED = [
  "groups[].objective",
  ...["path", "lostHeartbeats", "pause", "answer", "commandEvery", "load"].map((name) => `groups[].assume.${name}`),
  "control.allowRemote",
];

test("whatever field is written, some value of it changes what the gateway is told to do", () => {
  const toldBy = (configuration: object) => {
    try {
      const { settings, controlTokens } = reading(configuration);
      return JSON.stringify([settings, controlTokens.now], (_, value) => (value instanceof Map ? [...value] : value));
    } catch {
      return undefined;
    }
  };
  const before = new Map([...MEANT, ...MEANT_WITH_TLS].map((file) => [file, toldBy(file)]));
  const changes = (write: Place["write"], file: object, value: unknown): boolean => {
    const configuration = structuredClone(file) as never;
    write(configuration, value);
    const told = toldBy(configuration);
    return told !== undefined && told !== before.get(file);
  };
  const idle = places(describedConfiguration(), (root) => root)
    .filter(({ isSection }) => !isSection)
    .filter(({ path, write }) => {
      const files = path.includes("tls.") ? MEANT_WITH_TLS : MEANT;
      return !GIVEN.some((value) => files.some((file) => changes(write, file, value)));
    });
  assert.deepEqual(
    idle.map(({ path }) => path),
    ONLY_CHECKED,
  );
});
