/**
 * The kinds of fields that arguments of injectors are made of: numbers with a range, texts, names
 * of a list, URLs. Each says in one sentence what is allowed, whatever was wrong with the value, so
 * that a reader needs no documentation to mend it. A number may be written as a range
 * `{from, to}`; it is then drawn from the seed of the run.
 */
import { type Random, systemClock } from "ground-station-failover";
import { z } from "zod";
import { isLoopback } from "../../adapters/process/addresses.ts";

/** A number as written: fixed, or a range that it is drawn from. */
export type Magnitude = number | { readonly from: number; readonly to: number };

interface Range {
  readonly min: number;
  readonly max: number;
  readonly unit: string;
}

/** Longest value that a message shows. */
const MAX_SHOWN = 60;

/** The sentence of a field: what it is, and what is allowed. */
function allowing(allowed: string): { error: (issue: { readonly input?: unknown }) => string } {
  return { error: ({ input }) => `${shownValue(input)}; allowed is ${allowed}` };
}

function shownValue(input: unknown): string {
  if (input === undefined) return "it is missing";
  const written = JSON.stringify(input) ?? String(input);
  return `${written.length > MAX_SHOWN ? `${written.slice(0, MAX_SHOWN)}…` : written} is not allowed`;
}

function inWords({ min, max, unit }: Range, kind: string): string {
  return `${kind} from ${min} to ${max}${unit === "" ? "" : ` (${unit})`}`;
}

/** A whole number in a range. */
export function whole(min: number, max: number, unit = ""): z.ZodNumber {
  const said = allowing(inWords({ min, max, unit }, "a whole number"));
  return z.number(said).int(said).min(min, said).max(max, said);
}

/** A number in a range. */
export function decimal(min: number, max: number, unit = ""): z.ZodNumber {
  const said = allowing(inWords({ min, max, unit }, "a number"));
  return z.number(said).min(min, said).max(max, said);
}

/** A whole number in a range, or `{from, to}` within it: drawn from the seed, ends included. */
export function magnitude(min: number, max: number, unit = ""): z.ZodType<Magnitude> {
  const words = `${inWords({ min, max, unit }, "a whole number")}, or {from, to} to draw one from the seed`;
  const ends = z.strictObject({ from: whole(min, max), to: whole(min, max) }).refine(({ from, to }) => from <= to);
  return z.union([whole(min, max), ends], allowing(words));
}

/** The number itself, or one drawn from its range. `name` makes the draw independent of others. */
export function drawn(written: Magnitude, random: Random, name: string): number {
  if (typeof written === "number") return written;
  const { from, to } = written;
  return from + Math.floor(random.fork(name).next() * (to - from + 1));
}

/** A text of 1 to `max` characters. `what`: for example "the path of a file". */
export function text(what: string, max = 1_024): z.ZodString {
  const said = allowing(`${what}, 1 to ${max} characters`);
  return z.string(said).min(1, said).max(max, said);
}

/** A text of `max` characters at most, which may be empty. */
export function content(what: string, max: number): z.ZodString {
  const said = allowing(`${what}, at most ${max} characters`);
  return z.string(said).max(max, said);
}

/** One of `names`. */
export function oneOf<const Names extends readonly [string, ...string[]]>(names: Names): z.ZodEnum<NameMap<Names>> {
  return z.enum(names, allowing(`one of ${names.join(", ")}`)) as z.ZodEnum<NameMap<Names>>;
}

type NameMap<Names extends readonly string[]> = { [Name in Names[number]]: Name };

/** True or false. */
export function yesOrNo(): z.ZodBoolean {
  return z.boolean(allowing("true or false"));
}

/** A list of `min` to `max` items. */
export function list<Item extends z.ZodType>(item: Item, min: number, max: number): z.ZodArray<Item> {
  const said = allowing(`a list of ${min} to ${max}`);
  return z.array(item, said).min(min, said).max(max, said);
}

/** An http or https URL without credentials. */
export function url(): z.ZodString {
  const said = allowing("an http or https URL without user and password, for example http://127.0.0.1:8474");
  return z.string(said).refine((written) => httpUrl(written) !== undefined, said);
}

function httpUrl(written: string): URL | undefined {
  if (written.length > 2_048 || !URL.canParse(written)) return undefined;
  const parsed = new URL(written);
  const isPlain = parsed.username === "" && parsed.password === "";
  return isPlain && /^https?:$/.test(parsed.protocol) ? parsed : undefined;
}

/** A host and a port, for example `127.0.0.1:7071`. */
export function address(): z.ZodString {
  const said = allowing("host:port, for example 127.0.0.1:7071");
  return z.string(said).refine((written) => hostAndPort(written) !== undefined, said);
}

/** The parts of `host:port`; undefined if it is none. An IPv6 address is written in brackets. */
export function hostAndPort(written: string): { readonly host: string; readonly port: number } | undefined {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^[\]:\s]+)):(\d{1,5})$/i.exec(written);
  const port = Number(match?.[3]);
  if (match === null || port < 1 || port > 65_535) return undefined;
  return { host: match[1] ?? (match[2] as string), port };
}

/** True if only this machine answers under `host`; `localhost` counts. */
export function isOwnMachine(host: string): boolean {
  const plain = host.replace(/^\[|\]$/g, "");
  return plain === "localhost" || isLoopback(plain);
}

let made = 0;

/** A name that no other injection on this machine has: for files, toxics and permits. */
export function freshName(): string {
  made++;
  const since = Math.floor(performance.timeOrigin).toString(36);
  return `${process.pid.toString(36)}-${since}-${made.toString(36)}`;
}

/** Resolves after `ms`; at once, and without an error, when `signal` is aborted. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await systemClock.sleepUntil(systemClock.nowMs() + ms, signal).catch(() => undefined);
}
