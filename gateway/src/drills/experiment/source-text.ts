/**
 * Turns the text of an experiment into plain data, within bounds: on its size, its nesting, its
 * aliases, and its size after aliases are resolved (a few kilobytes of YAML can expand to any
 * amount; see "billion laughs"). YAML is read as PyYAML reads it, because published experiments
 * were written for it: YAML 1.1, where `yes` and `on` mean true. Dates stay text. Unlike there, a
 * name that stands twice in one object is refused. Whether the data are an experiment is not
 * checked here.
 */
import {
  Composer,
  type CST,
  type Document,
  isAlias,
  isCollection,
  isMap,
  isPair,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  type Node,
  Parser,
  type ScalarTag,
  type Tags,
} from "yaml";
import type { Json } from "./experiment.ts";
import { MAX_PROBLEMS, type Path, type Problem } from "./problem.ts";

/** Most bytes of an experiment's text. The longest published ones have about 50 KB. */
export const MAX_TEXT_BYTES = 262_144;
/** Most objects and lists that stand in each other. */
export const MAX_NESTING = 64;
/** Most aliases (`*name`) of a file. */
const MAX_ALIASES = 1_000;
/**
 * Most values of a file; an alias counts as all that it stands for. 500 long activities have half.
 */
const MAX_VALUES = 20_000;
/** Most words, marks and white space: what parsing takes its time for. */
const MAX_TOKENS = 60_000;

const TOO_DEEP = `objects and lists stand in each other more than ${MAX_NESTING} deep`;

/** Data that were read, and where each of them stands. */
interface SourceText {
  readonly data: Json;
  /** The line and column of a field, from 1; undefined if they are not known. */
  readonly positionOf: (path: Path) => Place | undefined;
}

interface Place {
  readonly line: number;
  readonly column: number;
}

type Reading = SourceText | { readonly problems: readonly Problem[] };

/**
 * Reads `text`, the content of a file called `name`. The name's ending decides on JSON or YAML;
 * with another ending it is JSON if it opens with a bracket.
 */
export function readSourceText(text: string, name: string): Reading {
  const bytes = Buffer.byteLength(text);
  if (bytes > MAX_TEXT_BYTES)
    return refused(`it has ${bytes} bytes; at most ${MAX_TEXT_BYTES} are allowed in one file`);
  const content = text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
  if (content.trim() === "") return refused("it is empty; an experiment has a title, a description and a method");
  let tokens = 0;
  for (const _token of new Lexer().lex(content))
    if (++tokens > MAX_TOKENS) return refused(`it has more than ${MAX_TOKENS} words and marks`);
  return isJson(content, name) ? readJson(content) : readYaml(content);
}

function isJson(content: string, name: string): boolean {
  if (/\.ya?ml$/i.test(name)) return false;
  return /\.json$/i.test(name) || /^\s*[{[]/.test(content);
}

const START: Place = { line: 1, column: 1 };

function problemAt({ line, column }: Place, message: string): Problem {
  return { where: `${line}:${column}`, message, line, column };
}

function refused(message: string, place: Place = START): { readonly problems: readonly Problem[] } {
  return { problems: [problemAt(place, message)] };
}

function readJson(content: string): Reading {
  let data: Json;
  try {
    data = JSON.parse(content) as Json;
  } catch (error) {
    const said = (error as Error).message;
    const offset = /position (\d+)/.exec(said)?.[1] ?? (/Unexpected end/.test(said) ? content.length : 0);
    return refused(
      `this is not JSON: ${said.replace(/ in JSON at position.*$/s, "")}`,
      placeOf(content, Number(offset)),
    );
  }
  // JSON is YAML but for a few corners. In those, duplicate names and positions are not known.
  const composed = composeYaml(content);
  if ("problems" in composed) return isTooDeep(data) ? refused(TOO_DEEP) : { data, positionOf: () => undefined };
  const { document, lines } = composed;
  const problems = new Weighing(lines).weigh(document);
  return problems.length > 0 ? { problems } : { data, positionOf: (path) => positionIn(document, lines, path) };
}

function placeOf(content: string, offset: number): Place {
  const before = content.slice(0, offset);
  return { line: before.split("\n").length, column: offset - before.lastIndexOf("\n") };
}

function isTooDeep(data: Json): boolean {
  let level: readonly Json[] = [data];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > MAX_NESTING) return true;
    level = level.flatMap((value) => (typeof value === "object" && value !== null ? Object.values(value) : []));
  }
  return false;
}

function readYaml(content: string): Reading {
  const composed = composeYaml(content);
  if ("problems" in composed) return composed;
  const { document, lines } = composed;
  const problems = new Weighing(lines).weigh(document);
  if (problems.length > 0) return { problems };
  try {
    const data = plain(document.toJS({ maxAliasCount: -1 }));
    return { data, positionOf: (path) => positionIn(document, lines, path) };
  } catch (error) {
    return refused(`this is not YAML: ${(error as Error).message}`);
  }
}

interface ComposedYaml {
  readonly document: Document;
  readonly lines: LineCounter;
}

function composeYaml(content: string): ComposedYaml | { readonly problems: readonly Problem[] } {
  const lines = new LineCounter();
  const at = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  const parser = new Parser(lines.addNewLine);
  lines.addNewLine(0);
  const tokens: CST.Token[] = [];
  for (const token of new Lexer().lex(content)) {
    for (const done of parser.next(token)) tokens.push(done);
    // Each level is a collection and its item.
    if (parser.stack.length > 2 * MAX_NESTING + 2) return refused(TOO_DEEP, at(parser.offset));
  }
  for (const done of parser.end()) tokens.push(done);
  const options = {
    lineCounter: lines,
    prettyErrors: false,
    uniqueKeys: false,
    version: "1.1" as const,
    customTags: pythonTags,
    logLevel: "error" as const,
  };
  const [document, second] = new Composer(options).compose(tokens, true, content.length);
  const first = document?.errors[0] ?? document?.warnings[0];
  if (first !== undefined) return refused(`this is not YAML: ${first.message}`, at(first.pos[0]));
  if (second !== undefined)
    return refused("a second document begins here; an experiment is one document", at(second.range[0]));
  return { document: document as Document, lines };
}

/** What PyYAML takes for a boolean: unlike YAML 1.1 not the letters y and n. */
function booleanTag(value: boolean, test: RegExp): ScalarTag {
  return { tag: "tag:yaml.org,2002:bool", default: true, test, resolve: () => value };
}

const BOOLEANS: readonly ScalarTag[] = [
  booleanTag(true, /^(?:yes|Yes|YES|true|True|TRUE|on|On|ON)$/),
  booleanTag(false, /^(?:no|No|NO|false|False|FALSE|off|Off|OFF)$/),
];

const WITHOUT = /:(?:bool|timestamp|binary|omap|pairs|set)$/;

function pythonTags(tags: Tags): Tags {
  return [...BOOLEANS, ...tags.filter((tag) => typeof tag === "string" || !WITHOUT.test(tag.tag))];
}

/** Refuses data that are too large once aliases are resolved, too deep, or have repeated names. */
class Weighing {
  readonly #lines: LineCounter;
  readonly #anchors: Map<string, { values: number; isOpen: boolean }> = new Map();
  readonly #problems: Problem[] = [];
  #aliases = 0;
  #isOver = false;

  constructor(lines: LineCounter) {
    this.#lines = lines;
  }

  weigh(document: Document): readonly Problem[] {
    this.#valuesOf(document.contents, 0);
    return this.#problems;
  }

  /** The last problem: what follows is not looked at. */
  #stop(node: unknown, message: string): number {
    if (!this.#isOver) this.#add(node, message);
    this.#isOver = true;
    return 0;
  }

  #add(node: unknown, message: string): void {
    if (this.#problems.length >= MAX_PROBLEMS) return;
    const placed = (isPair(node) ? node.key : node) as Node | null;
    const { line, col } = this.#lines.linePos(placed?.range?.[0] ?? 0);
    this.#problems.push(problemAt({ line, column: col }, message));
  }

  #valuesOf(node: unknown, depth: number): number {
    if (this.#isOver) return 0;
    if (depth > MAX_NESTING) return this.#stop(node, TOO_DEEP);
    if (isAlias(node)) return this.#aliased(node.source, node);
    if (isPair(node)) return this.#valuesOf(node.key, depth) + this.#valuesOf(node.value, depth);
    if (!isCollection(node)) {
      if (isScalar(node) && node.anchor !== undefined) this.#anchors.set(node.anchor, { values: 1, isOpen: false });
      return 1;
    }
    const anchor = { values: 1, isOpen: true };
    if (node.anchor !== undefined) this.#anchors.set(node.anchor, anchor);
    if (isMap(node)) this.#checkNames(node.items);
    for (const item of node.items) {
      anchor.values += this.#valuesOf(item, depth + 1);
      if (anchor.values > MAX_VALUES)
        return this.#stop(node, `with its aliases resolved it has more than ${MAX_VALUES} values`);
    }
    anchor.isOpen = false;
    return anchor.values;
  }

  #aliased(name: string, node: unknown): number {
    if (++this.#aliases > MAX_ALIASES) return this.#stop(node, `it has more than ${MAX_ALIASES} aliases`);
    const anchor = this.#anchors.get(name);
    if (anchor === undefined) return this.#stop(node, `there is no anchor &${name} before this alias`);
    if (anchor.isOpen) return this.#stop(node, `the alias *${name} stands inside of what it stands for`);
    return anchor.values;
  }

  #checkNames(pairs: readonly { readonly key: unknown }[]): void {
    const names = new Set<string>();
    for (const { key } of pairs) {
      if (isCollection(key)) this.#add(key, "the name of a field cannot be a list or an object");
      if (!isScalar(key)) continue;
      const name = String(key.value);
      // Two `<<` merge two anchors; PyYAML allows it.
      if (names.has(name) && name !== "<<" && typeof key.value !== "symbol")
        this.#add(key, `${JSON.stringify(name.slice(0, 80))} stands twice in the same object; keep one of them`);
      names.add(name);
    }
  }
}

/** The data as JSON has them: no Infinity, no NaN, no undefined. */
function plain(data: unknown): Json {
  if (typeof data === "number" && !Number.isFinite(data)) return String(data);
  if (typeof data === "bigint") return Number(data);
  if (data === undefined) return null;
  if (Array.isArray(data)) return data.map(plain);
  if (typeof data === "object" && data !== null)
    return Object.fromEntries(Object.entries(data).map(([name, value]) => [name, plain(value)]));
  return data as Json;
}

/** The position of a field's value, or of the nearest thing around it that has one. */
function positionIn(document: Document, lines: LineCounter, path: Path): Place | undefined {
  const seen = (node: unknown): unknown => (isAlias(node) ? node.resolve(document) : node);
  let node = seen(document.contents);
  let offset = (node as Node | null)?.range?.[0];
  for (const step of path) {
    let next: unknown;
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(step));
      if (pair === undefined) break;
      next = pair.value;
      offset = (next as Node | null)?.range?.[0] ?? (pair.key as Node).range?.[0] ?? offset;
    } else if (isSeq(node)) {
      next = node.items[Number(step)];
      offset = (next as Node | null | undefined)?.range?.[0] ?? offset;
    }
    if (next === undefined || next === null) break;
    node = seen(next);
  }
  if (offset === undefined) return undefined;
  const { line, col } = lines.linePos(offset);
  return { line, column: col };
}
