/**
 * Turns the text of a configuration file into plain data, with limits on its tokens, its nesting,
 * its aliases, and its size after aliases are resolved. Text above a limit is refused before time
 * is spent on it, and the message names the limit. (A few kilobytes of YAML can expand to any
 * amount of data; see "billion laughs".) Whether the data are a valid configuration is not checked
 * here.
 */
import type { CST, Document, Node } from "yaml";
import { Composer, isAlias, isCollection, isMap, isPair, isScalar, Lexer, LineCounter, Parser } from "yaml";
import { ConfigurationProblems } from "./problems.ts";
import { MAX_PROBLEMS } from "./values.ts";

/** A file after reading. */
export interface YamlFile {
  readonly data: unknown;
  /** The same data with the position of each field. */
  readonly document: Document;
  readonly lines: LineCounter;
}

/**
 * Words, marks and white space. A group with all fields has about 350 tokens: so 1,400 such groups,
 * or 5,000 short ones.
 */
const MAX_TOKENS = 500_000;
/** A configuration has six levels. */
const MAX_NESTING = 32;
/** For example one alias in each of 10,000 groups. */
const MAX_ALIASES = 10_000;
/**
 * Names, values, sections and lists; each alias counts as what it refers to. A group with all
 * fields has about 70.
 */
const MAX_VALUES = 500_000;

const TOO_MANY_TOKENS = `it has more than ${MAX_TOKENS} words and marks, which are allowed at most; several gateways can share the groups`;
const TOO_DEEP = `sections and lists stand in each other more than ${MAX_NESTING} deep, which is allowed at most`;
const TOO_MANY_ALIASES = `it has more than ${MAX_ALIASES} aliases, which are allowed at most`;
const TOO_MANY_VALUES = `with its aliases resolved, it has more than ${MAX_VALUES} names and values, which are allowed at most`;
const IN_ITSELF = "this alias stands inside of what it stands for";

/** Reads `source`, the text of a file called `name`. Throws {@link ConfigurationProblems}. */
export function readYaml(source: string, name: string): YamlFile {
  const reading = new Reading(source, name);
  const document = reading.compose(reading.tokens());
  reading.refuseErrors(document);
  reading.weigh(document);
  try {
    return { data: document.toJS({ maxAliasCount: -1 }), document, lines: reading.lines };
  } catch (error) {
    throw reading.problem(undefined, `this is not YAML: ${(error as Error).message}`);
  }
}

class Reading {
  readonly lines: LineCounter = new LineCounter();
  readonly #source: string;
  readonly #name: string;

  constructor(source: string, name: string) {
    this.#source = source;
    this.#name = name;
  }

  /** The file's tokens; throws if there are too many, or if they are nested too deeply. */
  tokens(): CST.Token[] {
    const parser = new Parser(this.lines.addNewLine);
    this.lines.addNewLine(0);
    const tokens: CST.Token[] = [];
    this.#refuseTooMany();
    for (const token of new Lexer().lex(this.#source)) {
      for (const done of parser.next(token)) tokens.push(done);
      if (parser.stack.length > 2 * MAX_NESTING) throw this.problem(parser.offset, TOO_DEEP);
    }
    for (const done of parser.end()) tokens.push(done);
    return tokens;
  }

  /** Counted first on their own, because parsing them takes most of the time. */
  #refuseTooMany(): void {
    let count = 0;
    for (const _token of new Lexer().lex(this.#source))
      if (++count > MAX_TOKENS) throw this.problem(undefined, TOO_MANY_TOKENS);
  }

  /**
   * Duplicate names are checked later, because the composer compares each name of a section with
   * all before it.
   */
  compose(tokens: readonly CST.Token[]): Document {
    // The library would print warnings about odd keys; here they are reported as unknown fields.
    const options = {
      lineCounter: this.lines,
      prettyErrors: false,
      merge: true,
      uniqueKeys: false,
      logLevel: "error",
    } as const;
    const [document, another] = new Composer(options).compose(tokens, true, this.#source.length);
    if (another !== undefined && document?.errors.length === 0)
      throw this.problem(another.range[0], "a second document begins here; a configuration is one document");
    return document as Document;
  }

  refuseErrors(document: Document): void {
    const [first, ...others] = document.errors;
    if (first === undefined) return;
    // What the parser reports after its first error mostly follows from it.
    const more = others.length === 0 ? "" : ` (${others.length} more problems may follow from this one)`;
    throw this.problem(first.pos[0], `this is not YAML: ${first.message}${more}`);
  }

  /**
   * Refuses data that are too deep, too large once aliases are resolved, or have duplicate names.
   */
  weigh(document: Document): void {
    const anchors = new Map<string, { values: number; open: boolean }>();
    const twice: [number, string][] = [];
    let aliases = 0;
    const valuesOf = (node: unknown, depth: number): number => {
      if (depth > MAX_NESTING) throw this.problem(offsetOf(node), TOO_DEEP);
      if (isAlias(node)) {
        if (++aliases > MAX_ALIASES) throw this.problem(offsetOf(node), TOO_MANY_ALIASES);
        const anchor = anchors.get(node.source);
        if (anchor === undefined) throw this.problem(offsetOf(node), `there is no anchor &${node.source} before it`);
        if (anchor.open) throw this.problem(offsetOf(node), IN_ITSELF);
        return anchor.values;
      }
      if (isPair(node)) return valuesOf(node.key, depth) + valuesOf(node.value, depth);
      if (!isCollection(node)) {
        if (isScalar(node) && node.anchor !== undefined) anchors.set(node.anchor, { values: 1, open: false });
        return 1;
      }
      const anchor = { values: 1, open: true };
      if (node.anchor !== undefined) anchors.set(node.anchor, anchor);
      if (isMap(node)) this.#noteRepeated(node.items, twice);
      for (const item of node.items) {
        anchor.values += valuesOf(item, depth + 1);
        if (anchor.values > MAX_VALUES) throw this.problem(offsetOf(node), TOO_MANY_VALUES);
      }
      anchor.open = false;
      return anchor.values;
    };
    valuesOf(document.contents, 0);
    if (twice.length > 0) throw this.#problems(twice);
  }

  problem(offset: number | undefined, sentence: string): ConfigurationProblems {
    return this.#problems([[offset, sentence]]);
  }

  #noteRepeated(pairs: readonly { readonly key: unknown }[], twice: [number, string][]): void {
    const names = new Set<unknown>();
    for (const { key } of pairs) {
      if (!isScalar(key)) continue;
      if (names.has(key.value)) twice.push([offsetOf(key) as number, this.#saidTwice(offsetOf(key) as number)]);
      names.add(key.value);
    }
  }

  #saidTwice(offset: number): string {
    const rest = this.#source.slice(offset, offset + MAX_NAME);
    const name = /^"[^"\n]*"|^'[^'\n]*'|^[^\s:,]+/.exec(rest)?.[0] ?? "a field";
    return `${name} stands twice in the same section; keep one of them`;
  }

  #problems(all: readonly (readonly [number | undefined, string])[]): ConfigurationProblems {
    const shown = all.slice(0, MAX_PROBLEMS).map(([offset, sentence]) => {
      const at = offset === undefined ? undefined : this.lines.linePos(offset);
      return { field: "", line: at?.line, column: at?.col, sentence };
    });
    return new ConfigurationProblems(this.#name, shown, { count: all.length });
  }
}

/** Longest field name that is shown. */
const MAX_NAME = 80;

function offsetOf(node: unknown): number | undefined {
  return (node as Node | null | undefined)?.range?.[0];
}
