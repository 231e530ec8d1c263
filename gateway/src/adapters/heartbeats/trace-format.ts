/**
 * Reads the lines of a trace file: CSV with or without a header, or JSON lines. The first line
 * shows the format and the unit of times. Plain numbers count milliseconds unless the header
 * (`arrival_s`) or the user says otherwise; ISO 8601 dates need no unit. For a line that cannot be
 * read, the result is a reason, never an exception. A header that cannot be used is reported
 * separately: no line after it can be read, and these lines must not be taken for a file without a
 * header.
 *
 * CSV is RFC 4180 without line breaks inside quotes, because identifiers and numbers never contain
 * one.
 */

import { MAX_TRACE_NODES } from "ground-station-failover/calibration";

/** Units of plain numbers, in milliseconds. */
export const TIME_UNITS: ReadonlyMap<string, number> = new Map([
  ["s", 1_000],
  ["ms", 1],
  ["us", 1e-3],
  ["ns", 1e-6],
]);

/** Contents of a line. One object is reused for all lines. */
export interface TraceLine {
  node: string;
  arrivalMs: number;
  sequence: number | undefined;
  sentAtMs: number | undefined;
  incarnation: number | undefined;
}

/**
 * `true`: the line has contents, now in `line`. `undefined`: it has none (a header, a comment).
 * Otherwise why the line, or the whole file, cannot be read.
 */
type Reading = true | undefined | string | { readonly unusable: string };

const COLUMNS = ["node", "arrival", "sequence", "sent", "incarnation"] as const;
type Column = (typeof COLUMNS)[number];

interface NamedColumn {
  readonly column: Column;
  /** The unit of its numbers, if the name gives one. */
  readonly unitMs: number | undefined;
}

/** Other common names of these columns. */
const ALIASES: ReadonlyMap<string, Column> = new Map([
  ["station", "node"],
  ["id", "node"],
  ["time", "arrival"],
  ["timestamp", "arrival"],
  ["received", "arrival"],
  ["seq", "sequence"],
]);

const HASH = 35;
const BLANK = 32;
/** Most field names that are cached. */
const MOST_NAMES = 100;
const LONGEST_NODE = 200;
/** Longest name of a column or field that is shown, in characters. */
const LONGEST_NAME = 40;
/** The node of a file without a node column. */
const ONLY_NODE = "trace";

export class TraceFormat {
  readonly line: TraceLine = {
    node: "",
    arrivalMs: 0,
    sequence: undefined,
    sentAtMs: undefined,
    incarnation: undefined,
  };
  readonly #unitMs: number;
  #kind: "csv" | "json" | undefined;
  /** Index of each column in a CSV line; -1 if there is none. */
  #places: Record<Column, number> = { node: 0, arrival: 1, sequence: 2, sent: 3, incarnation: 4 };
  #units: Record<"arrival" | "sent", number>;
  /** Whether times are dates or numbers, as in the first readable line. */
  #dates: boolean | undefined;
  #cells: string[] = [];
  readonly #names: Map<string, NamedColumn | undefined> = new Map();
  /** Copies of node ids: a slice would keep the whole chunk of the file in memory. */
  readonly #ids: Map<string, string> = new Map();

  /** `unitMs`: unit of plain numbers if the header gives none. */
  constructor(unitMs: number) {
    this.#unitMs = unitMs;
    this.#units = { arrival: unitMs, sent: unitMs };
  }

  /** Reads one line, without its line break, into {@link line}. */
  read(text: string): Reading {
    if (text === "" || text.charCodeAt(0) === HASH) return undefined;
    if (this.#kind === undefined) {
      this.#kind = /^\s*\{/.test(text) ? "json" : "csv";
      if (this.#kind === "csv") {
        const header = this.#readHeader(text);
        if (header !== false) return header;
      }
    }
    return this.#kind === "json" ? this.#readJson(text) : this.#readCsv(text);
  }

  /**
   * Undefined: the line is a header and was taken in. False: it is not a header. Otherwise what is
   * wrong with it.
   */
  #readHeader(text: string): undefined | false | { readonly unusable: string } {
    const cells = cellsOf(text, []);
    if (cells === undefined)
      return text.replaceAll('"', "").split(",").some(columnOf) ? { unusable: `in its header ${OPEN_QUOTE}` } : false;
    const names = cells.map(columnOf);
    if (names.every((name) => name === undefined)) return false;
    const places = { node: -1, arrival: -1, sequence: -1, sent: -1, incarnation: -1 };
    for (const [place, name] of names.entries()) {
      if (name === undefined) continue;
      const other = places[name.column];
      if (other >= 0) return { unusable: twoColumns(name.column, cells[other] as string, cells[place] as string) };
      places[name.column] = place;
      if (name.column === "arrival" || name.column === "sent") this.#units[name.column] = name.unitMs ?? this.#unitMs;
    }
    if (places.arrival < 0)
      return { unusable: `its header has no column for arrival: ${cells.map(quoted).join(", ")}` };
    this.#places = places;
    return undefined;
  }

  #readCsv(text: string): Reading {
    const places = this.#places;
    const cells = cellsOf(text, this.#cells);
    if (cells === undefined) return OPEN_QUOTE;
    if (cells.length <= places.arrival)
      return `it has ${cells.length} columns; arrival would be number ${places.arrival + 1}`;
    return this.#take(
      places.node < 0 ? ONLY_NODE : (cells[places.node] ?? ""),
      cells[places.arrival],
      cells[places.sequence] ?? "",
      cells[places.sent] ?? "",
      cells[places.incarnation] ?? "",
    );
  }

  #readJson(text: string): Reading {
    let fields: Record<string, unknown>;
    try {
      fields = JSON.parse(text) as Record<string, unknown>;
    } catch {
      return "it is not JSON";
    }
    if (typeof fields !== "object" || fields === null || Array.isArray(fields)) return "it is not a JSON object";
    // The first line of a gateway's own stream.
    if ("recording" in fields) return undefined;
    const found: Partial<Record<Column, unknown>> = {};
    const names: Partial<Record<Column, string>> = {};
    for (const name in fields) {
      const known = this.#columnNamed(name);
      const value = fields[name];
      if (known === undefined || value === null) continue;
      const other = names[known.column];
      if (other !== undefined) return twoFields(known.column, other, name);
      names[known.column] = name;
      found[known.column] = value;
      if (known.column === "arrival" || known.column === "sent")
        this.#units[known.column] = known.unitMs ?? this.#unitMs;
    }
    const { node = ONLY_NODE, arrival = "", sequence = "", sent = "", incarnation = "" } = found;
    if (typeof node !== "string" && typeof node !== "number") return "node is not text";
    return this.#take(String(node), arrival, sequence, sent, incarnation);
  }

  #take(node: string, arrival: unknown, sequence: unknown, sent: unknown, incarnation: unknown): Reading {
    if (arrival === "") return "there is no arrival";
    const arrivalMs = this.#time(arrival, this.#units.arrival);
    if (typeof arrivalMs === "string") return `arrival ${arrivalMs}`;
    const id = this.#ids.get(node) ?? this.#newId(node);
    if (id === undefined) return `node is not 1 to ${LONGEST_NODE} printable characters`;
    const line = this.line;
    line.sequence = sequence === "" ? undefined : numberOf(sequence);
    if (line.sequence !== undefined && !isCount(line.sequence)) return "sequence is not a whole number from 0";
    line.incarnation = incarnation === "" ? undefined : numberOf(incarnation);
    if (line.incarnation !== undefined && !isCount(line.incarnation)) return "incarnation is not a whole number from 0";
    const sentAtMs = sent === "" ? undefined : this.#time(sent, this.#units.sent);
    if (typeof sentAtMs === "string") return `sent ${sentAtMs}`;
    line.node = id;
    line.arrivalMs = arrivalMs;
    line.sentAtMs = sentAtMs;
    return true;
  }

  /** Cached, because the same few names appear in every line. */
  #columnNamed(name: string): NamedColumn | undefined {
    if (this.#names.has(name)) return this.#names.get(name);
    const known = columnOf(name);
    if (this.#names.size < MOST_NAMES) this.#names.set(name, known);
    return known;
  }

  /** Undefined if the id is not allowed. */
  #newId(node: string): string | undefined {
    if (node === "" || node.length > LONGEST_NODE || !/^\P{C}+$/u.test(node)) return undefined;
    const id = Buffer.from(node).toString();
    if (this.#ids.size < MAX_TRACE_NODES) this.#ids.set(id, id);
    return id;
  }

  /** The time in ms, or what is wrong with it. */
  #time(given: unknown, unitMs: number): number | string {
    const number = numberOf(given);
    if (!Number.isNaN(number)) {
      if (this.#dates === true) return "is a number, and the lines before have dates";
      if (Math.abs(number * unitMs) > Number.MAX_SAFE_INTEGER) return "is too large";
      this.#dates = false;
      return number * unitMs;
    }
    const dateMs = typeof given === "string" && ISO_DATE.test(given) ? Date.parse(given) : Number.NaN;
    if (Number.isNaN(dateMs)) return "is neither a number nor a date such as 2027-02-03T11:23:00.120Z";
    if (this.#dates === false) return "is a date, and the lines before have numbers";
    this.#dates = true;
    return dateMs;
  }
}

/** The time zone is required: local time without one repeats an hour when the clocks go back. */
const ISO_DATE = /^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:?\d{2})$/;

/**
 * The column that a header cell or a JSON field names, and the unit if it ends in one: `arrival`,
 * `arrival_s`, `sentAtMs`.
 */
function columnOf(name: string): NamedColumn | undefined {
  const parts = /^([a-z]+?)(?:_?at)?(?:_?(s|ms|us|ns))?$/.exec(
    name
      .trim()
      .replace(/(?<=[a-z])([A-Z])/g, "_$1")
      .toLowerCase(),
  );
  const plain = parts?.[1] ?? "";
  const column = COLUMNS.find((one) => one === plain) ?? ALIASES.get(plain);
  return column === undefined ? undefined : { column, unitMs: TIME_UNITS.get(parts?.[2] ?? "") };
}

/** NaN if it is not written as a decimal number. */
function numberOf(given: unknown): number {
  if (typeof given === "number") return given;
  if (typeof given !== "string" || given === "") return Number.NaN;
  for (let place = 0; place < given.length; place++) {
    const code = given.charCodeAt(place);
    // Digits and + - . e E.
    if ((code < 48 || code > 57) && code !== 46 && code !== 45 && code !== 43 && code !== 101 && code !== 69)
      return Number.NaN;
  }
  return Number(given);
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

const OPEN_QUOTE =
  'a quote is not closed, or text follows it; write "..." round a whole cell, and "" for a quote inside';

function twoColumns(column: Column, one: string, other: string): string {
  return `its header has two columns for ${column}, ${quoted(one)} and ${quoted(other)}; rename the one that is not meant, such as to ${quoted(`other_${other}`)}`;
}

function twoFields(column: Column, one: string, other: string): string {
  return `it has two fields for ${column}, ${quoted(one)} and ${quoted(other)}; rename the one that is not meant`;
}

/** A name from the file for messages: control characters replaced, length limited. */
function quoted(name: string): string {
  return JSON.stringify(name.replaceAll(/\p{C}/gu, "?").slice(0, LONGEST_NAME));
}

/**
 * The cells of a line, put into `cells`, without white space around them; undefined if a quote is
 * not closed.
 */
function cellsOf(text: string, cells: string[]): readonly string[] | undefined {
  cells.length = 0;
  if (text.includes('"')) return quotedCells(text, cells);
  let from = 0;
  for (;;) {
    const comma = text.indexOf(",", from);
    const end = comma < 0 ? text.length : comma;
    const cell = text.slice(from, end);
    const blanks = text.charCodeAt(from) <= BLANK || text.charCodeAt(end - 1) <= BLANK;
    cells.push(blanks ? cell.trim() : cell);
    if (comma < 0) return cells;
    from = comma + 1;
  }
}

/** RFC 4180: quotes may only enclose a whole cell, and are doubled inside one. */
function quotedCells(text: string, cells: string[]): readonly string[] | undefined {
  const cell = /\s*(?:"((?:[^"]|"")*)"\s*|([^,"]*))(,|$)/y;
  for (;;) {
    const match = cell.exec(text);
    if (match === null) return undefined;
    cells.push(match[1]?.replaceAll('""', '"') ?? (match[2] as string).trim());
    if (match[3] === "") return cells;
  }
}
