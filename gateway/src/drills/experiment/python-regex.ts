/**
 * Applies patterns that were written for Python's `re`: they are translated to JavaScript's, piece
 * by piece, because the two differ in small things that decide a tolerance (`^ok$` finds "ok\n" in
 * Python). What has no equivalent is refused by name. A pattern can take exponential time, so its
 * search is bound in time and in the length of the text. Not translated: a group that took no part
 * and is referred to (`(a)?\1`) matches nothing in Python, and the empty text here.
 */
import { inBoundedTime, TIMED_OUT } from "./time-bound.ts";

/** Longest text that is searched, in UTF-16 units: the body of a large page. */
const MAX_SEARCHED = 4_194_304;
/** Most milliseconds of one search. A sound pattern needs a few for the longest text. */
const MAX_SEARCH_MS = 2_000;
/** Longest pattern, in characters. */
const MAX_PATTERN = 10_000;

/** A pattern that can be searched for. */
export interface CompiledPattern {
  readonly expression: RegExp;
  /** Is it somewhere in `text`? A problem: the search would take, or took, too long. */
  readonly isFound: (text: string) => boolean | { readonly problem: string };
}

/** Compiles a Python pattern, or says what is wrong with it. */
export function compiledPattern(pattern: string): CompiledPattern | { readonly problem: string } {
  if (pattern.length > MAX_PATTERN)
    return { problem: `the pattern has ${pattern.length} characters; at most ${MAX_PATTERN} are allowed` };
  let expression: RegExp;
  try {
    expression = new Translation(pattern).result();
  } catch (error) {
    const reason = (error as Error).message.replace(/^Invalid regular expression: .*: /s, "");
    return { problem: `${JSON.stringify(pattern.slice(0, 80))} is no pattern: ${reason}` };
  }
  return { expression, isFound: (text) => search(expression, text) };
}

function search(expression: RegExp, text: string): boolean | { readonly problem: string } {
  if (text.length > MAX_SEARCHED)
    return { problem: `the output has ${text.length} characters; a pattern searches at most ${MAX_SEARCHED}` };
  const found = inBoundedTime(() => expression.test(text), MAX_SEARCH_MS);
  if (found !== TIMED_OUT) return found;
  const reason = "a repetition inside of a repetition takes that long";
  return { problem: `the pattern was searched for longer than ${MAX_SEARCH_MS} ms; ${reason}` };
}

interface Flags {
  readonly i: boolean;
  readonly m: boolean;
  readonly s: boolean;
  readonly x: boolean;
  /** Only ASCII in \w, \d and \s. */
  readonly a: boolean;
}

const NO_FLAGS: Flags = { i: false, m: false, s: false, x: false, a: false };

/** The classes, as sets of the `v` mode: all of Unicode, and with the flag `a`. */
const CLASSES: Readonly<Record<string, readonly [unicode: string, ascii: string]>> = {
  d: ["[\\p{Nd}]", "[0-9]"],
  D: ["[^\\p{Nd}]", "[^0-9]"],
  w: ["[\\p{L}\\p{N}_]", "[a-zA-Z0-9_]"],
  W: ["[^\\p{L}\\p{N}_]", "[^a-zA-Z0-9_]"],
  s: ["[[\\s\\x1c-\\x1f\\x85]--[\\ufeff]]", "[ \\t\\n\\r\\f\\v]"],
  S: ["[^[\\s\\x1c-\\x1f\\x85]--[\\ufeff]]", "[^ \\t\\n\\r\\f\\v]"],
};
const CONTROL_LETTERS: Readonly<Record<string, string>> = {
  a: "\x07",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
};
const START = "(?<![\\s\\S])";
const END = "(?![\\s\\S])";

/** One pattern on its way from Python to JavaScript. */
class Translation {
  readonly #letters: readonly string[];
  #at: number = 0;
  #flags: Flags = NO_FLAGS;
  /** The flags outside of each open group. */
  readonly #outer: Flags[] = [];
  #isCaseIgnored: boolean = false;
  /** Can a quantifier follow the last piece? */
  #canRepeat: boolean = false;

  constructor(pattern: string) {
    this.#letters = Array.from(pattern);
  }

  result(): RegExp {
    this.#leadingFlags();
    let source = "";
    while (this.#at < this.#letters.length) {
      this.#canRepeat = true;
      source += this.#piece();
      if (this.#canRepeat) source += this.#quantifier();
    }
    return new RegExp(source, this.#isCaseIgnored ? "vi" : "v");
  }

  /** Is `text` next? Then it is taken. */
  #takes(text: string): boolean {
    const isNext = Array.from(text).every((letter, index) => this.#letters[this.#at + index] === letter);
    if (isNext) this.#at += Array.from(text).length;
    return isNext;
  }

  #rest(length: number): string {
    return this.#letters.slice(this.#at, this.#at + length).join("");
  }

  /** Takes what `pattern`, which begins with ^, finds next. */
  #match(pattern: RegExp, within: number = 80): RegExpExecArray | undefined {
    const found = pattern.exec(this.#rest(within)) ?? undefined;
    if (found !== undefined) this.#at += Array.from(found[0]).length;
    return found;
  }

  #leadingFlags(): void {
    for (;;) {
      const found = this.#match(/^\(\?([aiLmsux]+)\)/);
      if (found === undefined) return;
      this.#flags = this.#with(this.#flags, found[1] as string, true);
      if (this.#flags.i) this.#isCaseIgnored = true;
    }
  }

  #with(flags: Flags, letters: string, value: boolean): Flags {
    if (letters.includes("L")) throw new Error("the flag L (of a locale) is not supported");
    const changed = [...letters].filter((letter) => letter !== "u").map((letter) => [letter, value]);
    return { ...flags, ...Object.fromEntries(changed) };
  }

  /** White space and comments of the flag x. */
  #skipComments(): void {
    while (this.#flags.x && (this.#match(/^\s+/) ?? this.#match(/^#[^\n]*\n?/, this.#letters.length)) !== undefined);
  }

  #piece(): string {
    this.#skipComments();
    const letter = this.#letters[this.#at++];
    const { m, s } = this.#flags;
    switch (letter) {
      case undefined:
        this.#canRepeat = false;
        return "";
      case "\\":
        return this.#escape();
      case "[":
        return this.#set();
      case "(":
        return this.#group();
      case ")":
        this.#flags = this.#outer.pop() ?? this.#flags;
        return ")";
      case ".":
        return s ? "[\\s\\S]" : "[^\\n]";
      case "^":
        return m ? `(?:${START}|(?<=\\n))` : START;
      case "$":
        return m ? `(?:(?=\\n)|${END})` : `(?=\\n?${END})`;
      case "|":
        this.#canRepeat = false;
        return "|";
      case "*":
      case "+":
      case "?":
        throw new Error(`there is nothing that ${letter} could repeat`);
      default:
        return literal(letter);
    }
  }

  #quantifier(): string {
    this.#skipComments();
    const found = this.#match(/^(?:[*+?]|\{\d*,\d*\}|\{\d+\})/);
    if (found === undefined) return "";
    const [min, max] = found[0].slice(1, -1).split(",");
    const count = found[0].startsWith("{") && max !== undefined ? `{${min === "" ? "0" : min},${max}}` : found[0];
    if (this.#takes("+")) throw new Error(`the possessive repetition ${found[0]}+ is not supported`);
    const lazy = this.#takes("?") ? "?" : "";
    if (this.#match(/^(?:[*+?]|\{\d*,\d*\}|\{\d+\})/) !== undefined) throw new Error("one repetition follows another");
    return count + lazy;
  }

  /** What begins with a parenthesis: a group, a comment, or a reference by name. */
  #group(): string {
    const outer = this.#flags;
    const opened = this.#opening();
    if (opened.startsWith("\\k")) return opened;
    this.#canRepeat = false;
    if (opened !== "") this.#outer.push(outer);
    return opened;
  }

  #opening(): string {
    if (!this.#takes("?")) return "(";
    if (this.#takes("#")) {
      if (this.#match(/^[^)]*\)/, this.#letters.length) === undefined) throw new Error("a comment does not end");
      return "";
    }
    for (const kind of [":", "=", "!", "<=", "<!"]) if (this.#takes(kind)) return `(?${kind}`;
    const named = this.#match(/^P<([\p{L}_][\p{L}\p{N}_]*)>/u);
    if (named !== undefined) return `(?<${named[1]}>`;
    const again = this.#match(/^P=([\p{L}_][\p{L}\p{N}_]*)\)/u);
    if (again !== undefined) return `\\k<${again[1]}>`;
    const flags = this.#match(/^([aiLmsux]*)(?:-([imsx]+))?:/);
    if (flags !== undefined) return this.#scoped(flags[1] as string, flags[2] ?? "");
    throw new Error(`(?${this.#rest(2)}… is not supported; named groups are written (?P<name>…)`);
  }

  #scoped(on: string, off: string): string {
    this.#flags = this.#with(this.#with(this.#flags, on, true), off, false);
    if (on.includes("i")) return "(?i:";
    return off.includes("i") ? "(?-i:" : "(?:";
  }

  #escape(): string {
    const { a } = this.#flags;
    if (this.#takes("A")) return START;
    if (this.#takes("Z") || this.#takes("z")) return END;
    const word = (CLASSES["w"] as readonly string[])[a ? 1 : 0];
    if (this.#takes("b")) return `(?:(?<=${word})(?!${word})|(?<!${word})(?=${word}))`;
    if (this.#takes("B")) return `(?:(?<=${word})(?=${word})|(?<!${word})(?!${word}))`;
    const back = this.#match(/^(?!0|[0-3][0-7]{2})[1-9]\d?/);
    if (back !== undefined) return `(?:\\${back[0]})`;
    const escaped = this.#escaped();
    return escaped.isSet ? escaped.text : literal(escaped.text);
  }

  /** What both a pattern and a set can hold behind a backslash: a class, or one character. */
  #escaped(): { readonly isSet: boolean; readonly text: string } {
    const octal = this.#match(/^(?:0[0-7]{0,2}|[0-3][0-7]{2})/);
    if (octal !== undefined) return { isSet: false, text: String.fromCodePoint(Number.parseInt(octal[0], 8)) };
    const hex = this.#match(/^(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))/);
    if (hex !== undefined)
      return { isSet: false, text: String.fromCodePoint(Number.parseInt(hex[1] ?? hex[2] ?? (hex[3] as string), 16)) };
    const letter = this.#letters[this.#at++];
    if (letter === undefined) throw new Error("it ends with a backslash");
    const set = Object.hasOwn(CLASSES, letter) ? CLASSES[letter] : undefined;
    if (set !== undefined) return { isSet: true, text: set[this.#flags.a ? 1 : 0] };
    if (Object.hasOwn(CONTROL_LETTERS, letter)) return { isSet: false, text: CONTROL_LETTERS[letter] as string };
    if (/[a-zA-Z0-9]/.test(letter)) throw new Error(`\\${letter} means nothing in a pattern of Python`);
    return { isSet: false, text: letter };
  }

  /** A set `[…]`. A bracket that closes and comes first is a member. */
  #set(): string {
    let source = this.#takes("^") ? "[^" : "[";
    for (let index = 0; ; index++) {
      if (this.#at >= this.#letters.length) throw new Error("a set [… does not end");
      if (index > 0 && this.#takes("]")) return `${source}]`;
      const from = this.#member();
      if (this.#letters[this.#at] === "-" && (this.#letters[this.#at + 1] ?? "]") !== "]") {
        this.#at++;
        const to = this.#member();
        if (from.isSet || to.isSet) throw new Error("a range in a set goes from one character to another");
        source += `${literal(from.text)}-${literal(to.text)}`;
      } else source += from.isSet ? from.text : literal(from.text);
    }
  }

  #member(): { readonly isSet: boolean; readonly text: string } {
    const letter = this.#letters[this.#at++] as string;
    if (letter !== "\\") return { isSet: false, text: letter };
    return this.#takes("b") ? { isSet: false, text: "\b" } : this.#escaped();
  }
}

/** A character that stands for itself, in a pattern and in a set. */
function literal(character: string): string {
  if (/^[\p{L}\p{N}_ ]$/u.test(character)) return character;
  return `\\u{${(character.codePointAt(0) as number).toString(16)}}`;
}
