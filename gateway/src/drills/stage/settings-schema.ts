/**
 * Reads the member `stage` of a drill, and what is sent to a running stage: every mistake is a
 * sentence that names the field and says what is allowed. What the fields mean is said in
 * `settings.ts`.
 */
import { nearestName } from "ground-station-failover/core";
import { z } from "zod";
import type { Json, JsonObject } from "../experiment/experiment.ts";
import { DEFAULT_DETECTIONS, DETECTIONS } from "./detections.ts";
import {
  completeSource,
  HEALTH_ANSWERS,
  type LoadSourceSettings,
  SERVICE_ANSWERS,
  type ServiceMode,
  SOURCE_KINDS,
  type StageSettings,
} from "./settings.ts";

const NAME = z.string().regex(/^[a-z][a-z0-9-]{0,30}$/, "allowed are a letter and up to 30 more of a-z, 0-9 and -");
/** Each has up to six ports, of a block of 32. */
const MAX_STATIONS = 4;
const MAX_SOURCES = 10;
const MAX_COUNT = 1_000_000;

const wholeNumber = (min: number, max: number) => z.number().int().min(min).max(max);
const share = () => z.number().min(0).max(1);

const MODE = z.strictObject({
  answer: z.enum(SERVICE_ANSWERS).default("ok"),
  share: share().default(1),
  status: wholeNumber(400, 599).default(500),
  executes: z.boolean().default(false),
  delayMs: wholeNumber(0, 60_000).default(0),
  jitterMs: wholeNumber(0, 60_000).default(0),
  retryAfterSeconds: wholeNumber(0, 3_600).default(1),
  health: z.enum(HEALTH_ANSWERS).default("ok"),
  capacity: wholeNumber(0, 10_000).default(0),
  aboveCapacity: z.enum(["wait", "refuse"]).default("wait"),
});

const MODE_CHANGE = MODE.extend({ expiresAfterMs: wholeNumber(1, 3_600_000).optional() });

/** Checked by the gateway itself, which reads its file more strictly than could be said here. */
const LINES = z.record(z.string(), z.json()).transform((lines) => lines as JsonObject);

const STATION = z.strictObject({
  name: NAME,
  service: MODE.prefault({}),
  gateway: LINES.prefault({}),
  restartAfterMs: wholeNumber(0, 60_000).optional(),
});

const GATEWAY = z.strictObject({
  group: LINES.prefault({}),
  top: LINES.prefault({}),
  environment: z.record(z.string(), z.string()).default({}),
  ownClock: z.boolean().default(false),
  ownNames: z.boolean().default(false),
  nodeArguments: z.array(z.string()).max(20).default([]),
  restartAfterMs: wholeNumber(0, 60_000).optional(),
});

const SOURCE = z.strictObject({
  name: NAME.optional(),
  kind: z.enum(SOURCE_KINDS).default("commands"),
  perSecond: z.number().min(0.01).max(5_000).default(20),
  keyed: z.boolean().default(true),
  patienceMs: wholeNumber(10, 600_000).default(5_000),
  saysPatience: z.boolean().default(false),
  callers: wholeNumber(1, 100).default(4),
  bytes: wholeNumber(1, 100_000_000).optional(),
  bytesPerSecond: wholeNumber(0, 1_000_000_000).default(0),
  answerWithinMs: wholeNumber(10, 600_000).optional(),
  isJudged: z.boolean().optional(),
  burst: z.strictObject({ everyMs: wholeNumber(100, 600_000), commands: wholeNumber(1, 5_000) }).optional(),
});

const STEADY = z.strictObject({
  windowMs: wholeNumber(500, 60_000).default(3_000),
  goodRatio: share().default(0.99),
  extraRatio: z.number().min(0).max(10).default(0.1),
  extraAttempts: wholeNumber(0, 10_000).default(10),
  statusGapMs: wholeNumber(100, 60_000).default(2_000),
});

const PROMISES = z.strictObject({
  ackedLoss: wholeNumber(0, MAX_COUNT).default(0),
  doubled: wholeNumber(0, MAX_COUNT).default(0),
  promotions: wholeNumber(0, 1_000).optional(),
  unavailableMs: wholeNumber(0, 600_000).optional(),
  errors: wholeNumber(0, MAX_COUNT).optional(),
  errorRatio: share().optional(),
  relapses: wholeNumber(0, 1_000).optional(),
});

const STAGE = z.strictObject({
  group: NAME.default("uplink"),
  stations: z
    .array(STATION)
    .min(2)
    .max(MAX_STATIONS)
    .prefault([{ name: "primary" }, { name: "backup" }]),
  heartbeats: z.enum(["http", "udp"]).default("http"),
  proxies: z.boolean().default(false),
  tls: z.boolean().default(false),
  executor: z.enum(["shared", "own"]).default("shared"),
  gateway: GATEWAY.prefault({}),
  load: z.array(SOURCE).max(MAX_SOURCES).prefault([{}]),
  steady: STEADY.prefault({}),
  promises: PROMISES.prefault({}),
  detect: z
    .array(z.enum(DETECTIONS))
    .min(1)
    .default([...DEFAULT_DETECTIONS]),
  startWithinMs: wholeNumber(1_000, 120_000).default(20_000),
});

/** What was read, or every mistake in it. */
export type Read<T> = { readonly value: T } | { readonly problems: readonly string[] };

/** Names of the stage's other processes and links. */
const RESERVED: readonly string[] = ["gateway", "proxy", "load", "stage", "callers", "control", "signals", "config"];
/** Ends of the names of a station's other processes and links. */
const RESERVED_ENDS: readonly string[] = ["-relay", "-twin", "-service", "-heartbeats"];

/** Reads the member `stage`. */
export function readStageSettings(written: JsonObject): Read<StageSettings> {
  const read: Read<StageSettings> = readWith(STAGE, written, "stage");
  if ("problems" in read) return read;
  const { stations, load, tls, proxies } = read.value;
  const stationNames = stations.map(({ name }) => name);
  const sourceNames = load.map((source) => completeSource(source).name);
  const problems = [
    ...(tls && !proxies
      ? ["stage.tls: allowed only with proxies: true, because the proxies have the certificates"]
      : []),
    ...repeated(stationNames).map((name) => `stage.stations: ${name} is there twice`),
    ...repeated(sourceNames).map((name) => `stage.load: ${name} is there twice; give each source a name of its own`),
    ...stationNames
      .filter((name) => RESERVED.includes(name) || RESERVED_ENDS.some((end) => name.endsWith(end)))
      .map((name) => `stage.stations: a station cannot be named ${name}: other parts of a stage have such names`),
  ];
  return problems.length > 0 ? { problems } : read;
}

/** Reads a change of a service's mode, as it is sent to a running stage. */
export function readModeChange(
  written: Json,
): Read<{ readonly mode: ServiceMode; readonly expiresAfterMs: number | undefined }> {
  const read = readWith(MODE_CHANGE, written, "mode");
  if ("problems" in read) return read;
  const { expiresAfterMs, ...mode } = read.value;
  return { value: { mode, expiresAfterMs } };
}

/** Reads a source, as it is sent to a running stage. `name`: the one that it is sent under. */
export function readSource(name: string, written: Json): Read<LoadSourceSettings> {
  const isSection = typeof written === "object" && written !== null && !Array.isArray(written);
  const read = readWith(SOURCE, isSection ? { ...written, name } : written, "load");
  return "problems" in read ? read : { value: completeSource(read.value) };
}

/** Reads `written` as `schema` says; `at` begins the name of each field in a problem. */
function readWith<Out>(schema: z.ZodType<Out>, written: unknown, at: string): Read<Out> {
  const result = schema.safeParse(written);
  if (result.success) return { value: result.data };
  return { problems: result.error.issues.flatMap((issue) => sentences(issue, at, schema)) };
}

function sentences(issue: z.core.$ZodIssue, at: string, schema: z.ZodType): string[] {
  const place = [at, ...issue.path.map(String)].join(".").replace(/\.(\d+)(?=\.|$)/g, "[$1]");
  if (issue.code !== "unrecognized_keys") return [`${place}: ${issue.message}`];
  const allowed = fieldsAt(schema, issue.path);
  return issue.keys.map((key) => {
    const meant = nearestName(key, allowed);
    const guess = meant === undefined ? "" : ` (did you mean ${meant}?)`;
    return `${place}.${key}: there is no such field${guess}; allowed are ${allowed.join(", ")}`;
  });
}

/** The fields of the object at `path` of a schema. */
function fieldsAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  let at: unknown = schema;
  for (const step of [...path, undefined]) {
    while (at instanceof z.ZodDefault || at instanceof z.ZodPrefault || at instanceof z.ZodOptional) at = at.unwrap();
    if (step === undefined) break;
    at = at instanceof z.ZodArray ? at.element : at instanceof z.ZodObject ? at.shape[String(step)] : undefined;
  }
  return at instanceof z.ZodObject ? Object.keys(at.shape) : [];
}

function repeated(names: readonly string[]): string[] {
  return [...new Set(names.filter((name, place) => names.indexOf(name) !== place))];
}
