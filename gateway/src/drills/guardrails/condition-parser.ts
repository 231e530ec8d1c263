/**
 * Reads a stop condition:
 *
 *     condition  = all { "or" all }            all = term { "and" term }
 *     term       = "not" term | "(" condition ")" | value comparison value
 *     value      = number [unit] | signal | signal "(" time ")" | function "(" signal "," time ")"
 *                | "ratio" "(" signal "," signal "," time ")"
 *
 * by recursive descent. `signal(10s)` is the average of the window. A sentence tells each problem
 * with its column; behind a problem the reader goes on at the next "and" or "or", so one reading
 * finds all of them. Nesting and length are bounded.
 */
import {
  COMPARISONS,
  type Comparison,
  type Condition,
  type Value,
  WINDOW_FUNCTIONS,
  type WindowFunction,
} from "./condition.ts";

/** Most characters of a condition. */
const MAX_LENGTH = 1_000;
/** Most parentheses and "not" inside one another. */
const MAX_DEPTH = 32;
/** Windows from one look (1 s) to one hour. */
const MIN_WINDOW_MS = 1_000;
const MAX_WINDOW_MS = 3_600_000;

const TIMES: ReadonlyMap<string, number> = new Map([
  ["ms", 1],
  ["s", 1_000],
  ["m", 60_000],
  ["h", 3_600_000],
]);
/** A number with a unit counts in milliseconds, in bytes, or as a share of 1. */
const UNITS: ReadonlyMap<string, number> = new Map([
  ...TIMES,
  ["%", 0.01],
  ["B", 1],
  ["KiB", 1_024],
  ["MiB", 1_024 ** 2],
  ["GiB", 1_024 ** 3],
]);

interface ConditionProblem {
  /** From 1. */
  readonly column: number;
  readonly message: string;
}

export type ReadCondition =
  | { readonly condition: Condition; readonly problems?: undefined }
  | { readonly condition?: undefined; readonly problems: readonly ConditionProblem[] };

/** Reads the condition, or says all that is wrong with it. */
export function readCondition(text: string): ReadCondition {
  if (text.length > MAX_LENGTH)
    return { problems: [{ column: MAX_LENGTH + 1, message: `a condition has at most ${MAX_LENGTH} characters` }] };
  const reader = new Reader(text);
  const condition = reader.all();
  return reader.problems.length > 0 || condition === undefined ? { problems: reader.problems } : { condition };
}

type TokenKind = "number" | "word" | "comparison" | "(" | ")" | "," | "end" | "unreadable";
interface Token {
  readonly kind: TokenKind;
  readonly text: string;
  readonly column: number;
}

/** A number may stand directly before its unit; `%` is the only unit that is no word. */
const TOKEN =
  /\s*(?:(\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?:%|[A-Za-z]+)?)|([A-Za-z_][\w.:-]*)|(>=|<=|==|!=|>|<)|([(),])|(\S))/y;

function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  TOKEN.lastIndex = 0;
  for (let match = TOKEN.exec(text); match !== null; match = TOKEN.exec(text)) {
    const [whole, number, word, comparison, sign, other] = match;
    const shown = number ?? word ?? comparison ?? sign ?? (other as string);
    const column = match.index + whole.length - shown.length + 1;
    const kind: TokenKind =
      number !== undefined
        ? "number"
        : word !== undefined
          ? "word"
          : comparison !== undefined
            ? "comparison"
            : ((sign as "(") ?? "unreadable");
    tokens.push({ kind, text: shown, column });
  }
  tokens.push({ kind: "end", text: "the end", column: text.trimEnd().length + 1 });
  return tokens;
}

/** Thrown to leave the term that cannot be read; the problem is noted already. */
class Unreadable extends Error {}

class Reader {
  readonly problems: ConditionProblem[] = [];
  readonly #tokens: readonly Token[];
  #place = 0;
  #depth = 0;
  /** Between the parentheses of a function. */
  #isInCall = false;

  constructor(text: string) {
    this.#tokens = tokensOf(text);
  }

  /** The whole text. */
  all(): Condition | undefined {
    const condition = this.#alternatives();
    for (let token = this.#next; token.kind !== "end"; token = this.#next) {
      this.#note(token, `${shown(token)} is too much here; allowed are "and", "or" and the end`);
      this.#skip();
      const joined = this.#takes("word");
      // A word that joins is followed by a term; a parenthesis that closes nothing is left out.
      if (joined) this.#alternatives();
      else this.#takes(")");
    }
    return condition;
  }

  #alternatives(): Condition | undefined {
    return this.#joined("or", () => this.#joined("and", () => this.#guarded()));
  }

  #joined(word: "and" | "or", part: () => Condition | undefined): Condition | undefined {
    const parts = [part()];
    while (this.#takes("word", word)) parts.push(part());
    const sound = parts.filter((one) => one !== undefined);
    return sound.length === 1 ? sound[0] : sound.length === 0 ? undefined : { kind: word, of: sound };
  }

  /** A term; after a problem, goes on behind it. */
  #guarded(): Condition | undefined {
    const depth = this.#depth;
    try {
      return this.#term();
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error;
      this.#skip(this.#isInCall ? 1 : 0);
      this.#isInCall = false;
      return undefined;
    } finally {
      this.#depth = depth;
    }
  }

  #term(): Condition {
    if (++this.#depth > MAX_DEPTH)
      throw this.#wrong(this.#next, `there are more than ${MAX_DEPTH} terms inside one another`);
    if (this.#takes("word", "not")) return { kind: "not", of: this.#term() };
    if (this.#takes("(")) {
      const inner = this.#alternatives();
      this.#expect(")", 'a ")"');
      // Its problem is noted; the value only keeps the reader going.
      return inner ?? { kind: "and", of: [] };
    }
    const left = this.#value();
    const comparison = this.#expect("comparison", `a comparison (${COMPARISONS.join(" ")})`).text as Comparison;
    const right = this.#value();
    if (left.kind === "number" && right.kind === "number")
      throw this.#wrong(this.#next, "two numbers are compared; at least one side is a signal");
    return { kind: "compare", left, comparison, right };
  }

  #value(): Value {
    const token = this.#next;
    if (token.kind === "number") {
      this.#place += 1;
      return { kind: "number", value: this.#amount(token, UNITS) };
    }
    if (token.kind !== "word" || KEYWORDS.has(token.text))
      throw this.#wrong(token, `${shown(token)} is not allowed here; allowed are a signal and a number`);
    this.#place += 1;
    if (!this.#takes("(")) return { kind: "now", signal: token.text };
    this.#isInCall = true;
    const value = this.#call(token);
    this.#expect(")", 'a ")"');
    this.#isInCall = false;
    return value;
  }

  #call(name: Token): Value {
    if (this.#next.kind === "number") return { kind: "window", by: "avg", signal: name.text, windowMs: this.#window() };
    if (name.text === "ratio") {
      const part = this.#signal();
      const whole = this.#signal();
      return { kind: "ratio", part, whole, windowMs: this.#window() };
    }
    const by = WINDOW_FUNCTIONS.find((one) => one === name.text);
    if (by === undefined)
      throw this.#wrong(
        name,
        `there is no function ${name.text}; allowed are ${[...WINDOW_FUNCTIONS, "ratio"].join(", ")}`,
      );
    return { kind: "window", by: by satisfies WindowFunction, signal: this.#signal(), windowMs: this.#window() };
  }

  /** A signal and the comma behind it. */
  #signal(): string {
    const token = this.#expect("word", "a signal");
    this.#expect(",", "a comma");
    return token.text;
  }

  #window(): number {
    const token = this.#expect("number", "a time such as 10s");
    const windowMs = this.#amount(token, TIMES, true);
    if (windowMs < MIN_WINDOW_MS || windowMs > MAX_WINDOW_MS)
      this.#note(token, `${token.text} is no window; allowed are 1s to 1h`);
    return windowMs;
  }

  #amount(token: Token, units: ReadonlyMap<string, number>, needsUnit = false): number {
    const unit = /(?:%|[A-Za-z]+)$/.exec(token.text)?.[0] ?? "";
    const value = Number(token.text.slice(0, token.text.length - unit.length));
    const factor = unit === "" && !needsUnit ? 1 : units.get(unit);
    if (factor !== undefined) return value * factor;
    const got = unit === "" ? `${token.text} has no unit` : `there is no unit ${unit} here`;
    this.#note(token, `${got}; allowed are ${[...units.keys()].join(", ")}`);
    return Number.NaN;
  }

  get #next(): Token {
    return this.#tokens[Math.min(this.#place, this.#tokens.length - 1)] as Token;
  }

  #takes(kind: TokenKind, text?: string): boolean {
    const isIt = this.#next.kind === kind && (text === undefined || this.#next.text === text);
    if (isIt) this.#place += 1;
    return isIt;
  }

  #expect(kind: TokenKind, what: string): Token {
    const token = this.#next;
    if (token.kind !== kind) throw this.#wrong(token, `${shown(token)} is not allowed here; allowed is ${what}`);
    this.#place += 1;
    return token;
  }

  /** To the next "and", "or", closing parenthesis of an outer term, or the end. */
  #skip(alreadyOpen = 0): void {
    for (let open = alreadyOpen; this.#next.kind !== "end"; this.#place += 1) {
      if (this.#next.kind === "(") open += 1;
      if (this.#next.kind === ")" && --open < 0) return;
      if (open === 0 && this.#next.kind === "word" && JOINING.has(this.#next.text)) return;
    }
  }

  #wrong(token: Token, message: string): Unreadable {
    this.#note(token, message);
    return new Unreadable();
  }

  #note({ column }: Token, message: string): void {
    this.problems.push({ column, message });
  }
}

const JOINING: ReadonlySet<string> = new Set(["and", "or"]);
const KEYWORDS: ReadonlySet<string> = new Set([...JOINING, "not"]);

function shown({ kind, text }: Token): string {
  return kind === "end" ? text : JSON.stringify(text);
}
