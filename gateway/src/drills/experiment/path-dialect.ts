/**
 * Translates a path of a tolerance to stages of RFC 9535. Published experiments hold paths of four
 * dialects: of `jsonpath2`, which Chaos Toolkit uses (`[?(@.a = 1 and not @.b)]`, `.length()`), of
 * its predecessor (`a[*].b`, without `$`), of the first article on JSONPath, and of the RFC. In
 * `jsonpath2` a filter looks at a value itself, everywhere else at the items in it: here it looks
 * at an object itself and at the items of a list, where `jsonpath2` finds nothing. A comparison
 * with something that is not there is false, as in `jsonpath2`.
 */

/** One step of a path; its texts are of RFC 9535, for the document `{root, it}`. */
export type PathStage =
  | { readonly kind: "select"; readonly segments: string }
  | { readonly kind: "filter"; readonly expression: string }
  | { readonly kind: "call"; readonly name: PathCall };

export type PathCall = "length" | "keys" | "values" | "entries";

const CALLS: readonly string[] = ["length", "keys", "values", "entries"];
const MAX_PATH = 1_000;
/** More than two would look at a document's values times each other, again and again. */
const MAX_DESCENTS = 2;

/** The stages of `path`. Throws an `Error` whose message says what is not understood, and where. */
export function pathStages(path: string): readonly PathStage[] {
  const text = path.trim();
  if (text.length > MAX_PATH) throw new Error(`it has ${text.length} characters; at most ${MAX_PATH} are allowed`);
  if (text === "") throw new Error("it is empty");
  const start = text.startsWith("$") ? "" : /^[.[]/.test(text) ? "$" : "$.";
  return new PathParser(start + text, start.length).stages();
}

/** An operand of a comparison. `exists`: the path that has to find something for it to be one. */
interface Operand {
  readonly text: string;
  readonly exists?: string;
}

const NAME = /[\p{L}_][\p{L}\p{N}_-]*/uy;
const TEXT = /"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'/sy;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?/y;
const SLICE = /(-?\d+)?\s*:\s*(-?\d+)?(?:\s*:\s*(-?\d+)?)?/y;
const INDEX = /-?\d+/y;
const COMPARISON = /==|!=|<=|>=|=~|<>|=|<|>|contains\b/y;

/** Of these the first binds least; those of jsonpath2 (`and`, `or`) bind the other way round. */
const CONNECTIVES = [
  { sign: /\|\|/y, written: "||" },
  { sign: /&&/y, written: "&&" },
  { sign: /and\b/y, written: "&&" },
  { sign: /or\b/y, written: "||" },
] as const;

class PathParser {
  readonly #text: string;
  readonly #added: number;
  #at: number = 0;
  #descents: number = 0;

  /** `added`: characters in front of `text` that nobody wrote. */
  constructor(text: string, added: number) {
    this.#text = text;
    this.#added = added;
  }

  stages(): readonly PathStage[] {
    this.#expect("$");
    const stages: PathStage[] = [];
    let segments = "";
    const flush = (): void => {
      if (segments !== "") stages.push({ kind: "select", segments });
      segments = "";
    };
    while (this.#skipSpace() < this.#text.length) {
      const segment = this.#segment();
      if (typeof segment === "string") segments += segment;
      else {
        flush();
        stages.push(segment);
      }
    }
    flush();
    return stages;
  }

  #skipSpace(): number {
    while (/\s/.test(this.#text[this.#at] ?? "")) this.#at++;
    return this.#at;
  }

  #takes(text: string): boolean {
    this.#skipSpace();
    if (!this.#text.startsWith(text, this.#at)) return false;
    this.#at += text.length;
    return true;
  }

  #match(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#skipSpace();
    const found = pattern.exec(this.#text) ?? undefined;
    if (found !== undefined) this.#at += found[0].length;
    return found;
  }

  #expect(text: string): void {
    if (!this.#takes(text)) throw this.#unexpected(text);
  }

  #unexpected(wanted: string): Error {
    const rest = this.#text.slice(this.#at, this.#at + 12);
    const got = rest === "" ? "its end" : JSON.stringify(rest);
    return new Error(`${wanted} was expected at character ${this.#at - this.#added + 1}, not ${got}`);
  }

  /** One segment; a filter or a call that stands alone in it is a stage of its own. */
  #segment(): string | PathStage {
    if (this.#takes("..")) return this.#descent();
    if (this.#takes("[")) return this.#bracket();
    this.#expect(".");
    if (this.#takes("[")) return this.#bracket();
    if (this.#takes("*")) return "[*]";
    const name = this.#match(NAME)?.[0];
    if (name === undefined) throw this.#unexpected("a name");
    return this.#takes("(") ? this.#call(name) : `[${JSON.stringify(name)}]`;
  }

  #descent(): string {
    if (++this.#descents > MAX_DESCENTS) throw new Error(`it has more than ${MAX_DESCENTS} descents (..)`);
    if (this.#takes("*")) return "..[*]";
    if (this.#takes("[")) return `..[${this.#selectors().join(",")}]`;
    const name = this.#match(NAME)?.[0];
    if (name === undefined) throw this.#unexpected("a name");
    return `..[${JSON.stringify(name)}]`;
  }

  #bracket(): string | PathStage {
    const called = this.#alone(() => {
      const name = this.#match(NAME)?.[0];
      return name !== undefined && this.#takes("(") ? this.#call(name) : undefined;
    });
    if (called !== undefined) return called;
    const filter = this.#alone(() => (this.#takes("?") ? this.#expression() : undefined));
    if (filter !== undefined) return { kind: "filter", expression: filter };
    return `[${this.#selectors().join(",")}]`;
  }

  /** What `read` reads, if a bracket closes behind it; otherwise nothing was read. */
  #alone<Result>(read: () => Result | undefined): Result | undefined {
    const before = this.#at;
    const result = read();
    if (result !== undefined && this.#takes("]")) return result;
    this.#at = before;
    return undefined;
  }

  #call(name: string): PathStage {
    if (!CALLS.includes(name))
      throw new Error(`the function ${name}() is not supported; there are ${CALLS.join(", ")}`);
    this.#expect(")");
    return { kind: "call", name: name as PathCall };
  }

  #selectors(): string[] {
    const selectors = [this.#selector()];
    while (this.#takes(",")) selectors.push(this.#selector());
    this.#expect("]");
    return selectors;
  }

  #selector(): string {
    if (this.#takes("*")) return "*";
    if (this.#takes("?")) return `?${this.#expression()}`;
    const text = this.#match(TEXT);
    if (text !== undefined) return quoted(text[0]);
    const slice = this.#match(SLICE);
    if (slice !== undefined) return `${slice[1] ?? ""}:${slice[2] ?? ""}:${slice[3] ?? ""}`.replace(/:$/, "");
    const index = this.#match(INDEX);
    if (index !== undefined) return index[0];
    if (this.#takes("$") || this.#takes("@")) throw new Error("a path inside of brackets is not supported");
    throw this.#unexpected("a name in quotes, a number, * or a filter");
  }

  #expression(): string {
    const styles = new Set<number>();
    const expression = this.#connected(0, styles);
    const isMixed = [...styles].some((level) => level < 2) && [...styles].some((level) => level >= 2);
    if (isMixed) throw new Error("and, or are mixed with &&, ||, which bind differently; use one of both");
    return expression;
  }

  #connected(level: number, styles: Set<number>): string {
    const connective = CONNECTIVES[level];
    if (connective === undefined) return this.#condition(styles);
    let left = this.#connected(level + 1, styles);
    while (this.#match(connective.sign) !== undefined) {
      styles.add(level);
      left = `(${left} ${connective.written} ${this.#connected(level + 1, styles)})`;
    }
    return left;
  }

  #condition(styles: Set<number>): string {
    if (this.#match(/not\b/y) !== undefined || this.#match(/!(?!=)/y) !== undefined)
      return `!(${this.#condition(styles)})`;
    if (this.#takes("(")) {
      const inner = this.#connected(0, styles);
      this.#expect(")");
      return `(${inner})`;
    }
    const left = this.#operand();
    const sign = this.#match(COMPARISON)?.[0];
    if (sign === "=~" || sign === "<>") throw new Error(`the comparison ${sign} is not supported`);
    return sign === undefined ? left.text : compared(left, sign, this.#operand());
  }

  #operand(): Operand {
    const text = this.#match(TEXT);
    if (text !== undefined) return { text: quoted(text[0]) };
    const number = this.#match(NUMBER);
    if (number !== undefined) return { text: number[0] };
    if (this.#takes("@")) return this.#path("@");
    if (this.#takes("$")) return this.#path('$["root"]');
    const name = this.#match(NAME)?.[0];
    if (name === undefined) throw this.#unexpected("a path, a number or a text");
    if (name === "true" || name === "false" || name === "null") return { text: name };
    if (this.#takes("(")) return this.#functionOf(name);
    // The predecessor's way to write @.name.
    return this.#path(`@[${JSON.stringify(name)}]`);
  }

  /** A function of RFC 9535, such as `length(@.items)`. */
  #functionOf(name: string): Operand {
    const given: Operand[] = [];
    if (!this.#takes(")")) {
      do given.push(this.#operand());
      while (this.#takes(","));
      this.#expect(")");
    }
    return { text: `${name}(${given.map(({ text }) => text).join(",")})` };
  }

  #path(start: string): Operand {
    let text = start;
    for (;;) {
      const next = this.#text[this.#skipSpace()];
      if (next !== "." && next !== "[") return { text, exists: text };
      const segment = this.#segment();
      if (typeof segment === "string") text += segment;
      else if (segment.kind === "call" && segment.name === "length") return { text: `length(${text})`, exists: text };
      else
        throw new Error(
          `a ${segment.kind === "call" ? `call of ${segment.name}()` : "filter"} inside of a filter is not supported`,
        );
    }
  }
}

function compared(left: Operand, sign: string, right: Operand): string {
  if (sign === "contains") return `contains(${left.text},${right.text})`;
  const comparison = `${left.text} ${sign === "=" ? "==" : sign} ${right.text}`;
  const [one, other] = [left.exists, right.exists];
  const isDecidedByValues = sign !== "!=" && (one === undefined || other === undefined);
  const exist = isDecidedByValues ? [] : [one, other].filter((path) => path !== undefined);
  return exist.length === 0 ? comparison : `(${[...exist, comparison].join(" && ")})`;
}

/** A text in single or double quotes, as JSON. */
function quoted(written: string): string {
  const inner = written.slice(1, -1);
  const json = written.startsWith('"') ? written : `"${inner.replaceAll("\\'", "'").replaceAll(/(?<!\\)"/g, '\\"')}"`;
  try {
    return JSON.stringify(JSON.parse(json));
  } catch {
    throw new Error(`${written} is no text in quotes`);
  }
}
