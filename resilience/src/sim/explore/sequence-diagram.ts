/**
 * The last seconds of a run as a picture: time goes down, each node has a column, a message is an
 * arrow, and a lost one ends in ✗ before it arrives. A node that is down has no line, a paused one
 * a broken line. Words are at the right, so that arrows stay readable. The violation is repeated at
 * the bottom, where a reader of a terminal looks first.
 *
 * ```
 *      time, s    client    server
 *     1.000000      ├────────▶      request 1
 *     1.020000      │         ✗      server: crash kill
 *     1.050000      ├───────✗        drop: request 2
 * ```
 * It shows what was recorded and concludes nothing. If only the sending of a message is recorded,
 * the message is drawn as still under way. If its fate is recorded, it is drawn once, at that time.
 */
import { checkNames, type Names, refusal } from "../../core/options.ts";
import type { TraceRecord } from "../kernel/trace.ts";
import { cut, placeText, printable, secondsText } from "../kernel/trace-text.ts";

/** Options of a diagram. */
export interface DiagramOptions {
  /**
   * How much of the end is shown, counted back from the last event before the violation. In ms; any
   * number. Default 5,000: one screen of a quiet system.
   */
  readonly lastMs?: number | undefined;
  /**
   * Where it begins, in ms of true time; any number; replaces `lastMs`. Default: as `lastMs` says.
   * A violation that was seen only at the end (`atEnd`) began long before that: give the instant of
   * the plan's first fault. If there are more than 400 rows, those in the middle are left out.
   */
  readonly fromMs?: number | undefined;
  /**
   * Which nodes get a column, from left to right. Default: the eight that occur most, in order of
   * appearance, which fit into 170 characters.
   */
  readonly nodes?: readonly string[] | undefined;
}

/**
 * Draws a sequence diagram in plain text, at most about 170 characters wide and 400 rows long.
 *
 * @example
 * ```ts
 * import { sequenceDiagram, World } from "ground-station-failover/sim";
 *
 * const world = new World({ seed: 7 });
 * world.node("south", ({ network }) => void network.onDatagram(80, () => {})).start();
 * const north = world.node("north", ({ network }) => {
 *   network.send({ node: "south", port: 80 }, "beat");
 * });
 * north.start();
 * await world.run(1_000);
 * console.log(sequenceDiagram(world.trace.records).includes("beat")); // true
 * ```
 */
export function sequenceDiagram(records: readonly TraceRecord[], options: DiagramOptions = {}): string {
  const { rows, nodes, remarks, leftOut } = selected(records, options);
  const columns = new Columns(nodes);
  const lines = [columns.heading()];
  let lastMs = rows[0]?.atMs ?? 0;
  for (const [place, record] of rows.entries()) {
    if (isLeftOut(place, leftOut)) {
      // Rows that are left out still determine which nodes are up afterwards.
      columns.row(record);
      if (place === FIRST_ROWS) lines.push(columns.leftOut(leftOut));
      lastMs = record.atMs;
      continue;
    }
    if (record.atMs - lastMs >= GAP_MS) lines.push(columns.gap(lastMs, record.atMs));
    lastMs = record.atMs;
    lines.push(columns.row(record));
  }
  for (const { atMs, step, detail } of records.filter(isViolation).slice(-MOST_VIOLATIONS)) {
    lines.push("", `✗ VIOLATION at ${secondsText(atMs)} s, step ${step}`);
    for (const line of detail.split("\n").slice(0, MOST_VIOLATION_LINES)) lines.push(`  ${cut(printable(line), 160)}`);
  }
  if (remarks.length > 0) lines.push("", ...remarks);
  return lines.map((line) => `${line.trimEnd()}\n`).join("");
}

/**
 * Draws the same diagram for Mermaid (mermaid.js.org), for issue trackers and documents that
 * support it.
 *
 * @example
 * ```ts
 * import { mermaidDiagram, World } from "ground-station-failover/sim";
 *
 * const world = new World({ seed: 7 });
 * world.node("south", ({ network }) => void network.onDatagram(80, () => {})).start();
 * const north = world.node("north", ({ network }) => {
 *   network.send({ node: "south", port: 80 }, "beat");
 * });
 * north.start();
 * await world.run(1_000);
 * console.log(mermaidDiagram(world.trace.records).includes("sequenceDiagram")); // true
 * ```
 */
export function mermaidDiagram(records: readonly TraceRecord[], options: DiagramOptions = {}): string {
  const { rows, nodes, remarks, leftOut } = selected(records, options);
  const words = (text: string): string => cut(printable(text), 60).replace(/[#;<>&"]/g, " ");
  const lines = nodes.map((name, index) => `  participant n${index} as ${words(name)}`);
  for (const [place, record] of rows.entries()) {
    if (isLeftOut(place, leftOut)) continue;
    const from = nodes.indexOf(record.node);
    const to = record.peer === undefined ? -1 : nodes.indexOf(record.peer);
    const time = secondsText(record.atMs);
    if (to >= 0) lines.push(`  n${from}${isLost(record) ? "-x" : "->>"}n${to}: ${time} ${words(wordsOf(record))}`);
    else if (from >= 0) lines.push(`  Note over n${from}: ${time} ${words(wordsOf(record))}`);
    else if (nodes.length > 0) lines.push(`  Note over n0,n${nodes.length - 1}: ${time} ${words(wordsOf(record))}`);
  }
  return ["sequenceDiagram", ...remarks.map((remark) => `  %% ${remark}`), ...lines, ""].join("\n");
}

interface Selection {
  readonly rows: readonly TraceRecord[];
  readonly nodes: readonly string[];
  /** This many of `rows` are left out, after the first {@link FIRST_ROWS}. */
  readonly leftOut: number;
  /** What the picture leaves out. */
  readonly remarks: readonly string[];
}

const OPTIONS: Names<DiagramOptions> = { lastMs: true, fromMs: true, nodes: true };

function selected(records: readonly TraceRecord[], options: DiagramOptions): Selection {
  if (!Array.isArray(records)) throw refusal("sequenceDiagram", "records", records, "a list of trace records");
  checkNames("sequenceDiagram", options, OPTIONS);
  // A violation at the end of a run may be recorded long after the last other event.
  const endMs = (records.findLast((record) => !isViolation(record)) ?? records.at(-1))?.atMs ?? 0;
  const fromMs = options.fromMs ?? endMs - (options.lastMs ?? 5_000);
  const recent = records.filter((record) => record.atMs >= fromMs);
  const { nodes, hidden } = columnsFor(recent, options.nodes);
  const shown = new Set(nodes);
  const inColumns = withoutToldTwice(recent).filter(
    ({ node, peer }) => node === WORLD || (shown.has(node) && (peer === undefined || shown.has(peer))),
  );
  const remarks: string[] = [];
  if (hidden.length > 0) {
    const names = cut(hidden.map(printable).join(", "), 100);
    remarks.push(`Not shown: ${hidden.length} more node(s), ${names}. Choose columns with "nodes".`);
  }
  const above = Math.max(0, inColumns.length - MOST_ROWS);
  const isFromTheStart = options.fromMs !== undefined;
  const which = isFromTheStart ? "row(s) in the middle" : "earlier row(s)";
  if (above > 0) remarks.push(`Not shown: ${above} ${which}. The whole is in the text trace.`);
  if (isFromTheStart) return { rows: inColumns, nodes, remarks, leftOut: above };
  return { rows: inColumns.slice(-MOST_ROWS), nodes, remarks, leftOut: 0 };
}

function isLeftOut(place: number, leftOut: number): boolean {
  return place >= FIRST_ROWS && place < FIRST_ROWS + leftOut;
}

function columnsFor(records: readonly TraceRecord[], wanted: readonly string[] | undefined) {
  const occurs = new Map<string, number>();
  for (const { node, peer } of records) {
    for (const name of [node, peer]) {
      if (name !== undefined && name !== WORLD) occurs.set(name, (occurs.get(name) ?? 0) + 1);
    }
  }
  const busiest = [...occurs].sort(([, one], [, other]) => other - one).slice(0, MOST_COLUMNS);
  const chosen = wanted ?? [...occurs.keys()].filter((name) => busiest.some(([busy]) => busy === name));
  const nodes = chosen.slice(0, MOST_COLUMNS);
  return { nodes, hidden: [...new Set([...occurs.keys(), ...chosen])].filter((name) => !nodes.includes(name)) };
}

/** Leaves out the sending of each message whose end is also recorded. */
function withoutToldTwice(records: readonly TraceRecord[]): TraceRecord[] {
  const fates = new Map<string, number>();
  const kept: TraceRecord[] = [];
  for (let index = records.length - 1; index >= 0; index--) {
    const record = records[index] as TraceRecord;
    const message = record.peer === undefined ? undefined : JSON.stringify([record.node, record.peer, record.detail]);
    const known = message === undefined ? 0 : (fates.get(message) ?? 0);
    if (message !== undefined && (record.kind === DELIVERED || isLost(record))) fates.set(message, known + 1);
    if (message !== undefined && record.kind === SENT && known > 0) fates.set(message, known - 1);
    else kept.push(record);
  }
  return kept.reverse();
}

/** The lifelines, and the arrows across them. */
class Columns {
  readonly #nodes: readonly string[];
  readonly #width: number;
  readonly #up: boolean[];
  readonly #pausedUntilMs: number[];

  constructor(nodes: readonly string[]) {
    this.#nodes = nodes;
    const longest = nodes.reduce((most, name) => Math.max(most, name.length), 0);
    this.#width = Math.max(8, Math.min(longest + 2, Math.floor(MOST_WIDTH / Math.max(1, nodes.length))));
    this.#up = nodes.map(() => true);
    this.#pausedUntilMs = nodes.map(() => Number.NEGATIVE_INFINITY);
  }

  heading(): string {
    const names = this.#nodes.map((name) => {
      const short = cut(printable(name), this.#width - 1);
      return `${" ".repeat(Math.floor((this.#width - short.length) / 2))}${short}`.padEnd(this.#width);
    });
    return `${"time, s".padStart(TIME_WIDTH)}  ${names.join("")}`;
  }

  gap(fromMs: number, toMs: number): string {
    const lives = this.#cells(fromMs).join("").replace(/\S/g, "⋮");
    return `${"⋮".padStart(TIME_WIDTH)}  ${lives}  ${((toMs - fromMs) / 1000).toFixed(1)} s`;
  }

  leftOut(rows: number): string {
    return `${"⋮".padStart(TIME_WIDTH)}  ${" ".repeat(this.#width * this.#nodes.length)}  ${rows} rows are not shown`;
  }

  row(record: TraceRecord): string {
    const cells = this.#cells(record.atMs);
    const from = this.#nodes.indexOf(record.node);
    if (from >= 0) {
      if (record.peer === undefined) this.#mark(cells, from, record);
      else this.#arrow(cells, this.#centre(from), this.#centre(this.#nodes.indexOf(record.peer)), record);
    }
    const text = cut(wordsOf(record), MOST_WORDS);
    return `${secondsText(record.atMs).padStart(TIME_WIDTH)}  ${cells.join("")}  ${text}`;
  }

  #cells(atMs: number): string[] {
    const cells = new Array<string>(this.#width * this.#nodes.length).fill(" ");
    for (const [index, up] of this.#up.entries()) {
      if (up) cells[this.#centre(index)] = atMs < (this.#pausedUntilMs[index] as number) ? "┊" : "│";
    }
    return cells;
  }

  #centre(index: number): number {
    return index * this.#width + Math.floor(this.#width / 2);
  }

  /** Marks an event of a node, and remembers what its line looks like from then on. */
  #mark(cells: string[], index: number, { kind, atMs, detail }: TraceRecord): void {
    cells[this.#centre(index)] = MARKS[kind] ?? "•";
    if (kind === "start" || kind === "crash") this.#up[index] = kind === "start";
    if (kind === "start" || kind === "crash" || kind === "resume")
      this.#pausedUntilMs[index] = Number.NEGATIVE_INFINITY;
    if (kind === "pause") {
      const untilMs = atMs + Number.parseFloat(detail);
      this.#pausedUntilMs[index] = Math.max(this.#pausedUntilMs[index] as number, untilMs || Number.POSITIVE_INFINITY);
    }
  }

  #arrow(cells: string[], from: number, to: number, record: TraceRecord): void {
    if (from === to) {
      cells[from] = isLost(record) ? "✗" : "↺";
      return;
    }
    const towards = to > from ? 1 : -1;
    const underWay = ON_ITS_WAY.has(record.kind);
    const end = isLost(record) || underWay ? to - 2 * towards : to;
    for (let at = from + towards; at !== end; at += towards) cells[at] = underWay ? "╌" : "─";
    cells[from] = towards > 0 ? "├" : "┤";
    cells[end] = isLost(record) ? "✗" : towards > 0 ? "▶" : "◀";
  }
}

/** The words at the right: only the label if the arrow shows the rest. */
function wordsOf(record: TraceRecord): string {
  const detail = printable(record.detail);
  if (record.peer === undefined) return printable(`${record.node}: ${record.kind} `) + detail;
  if (record.kind === DELIVERED) return detail;
  return printable(`${record.kind}: `) + (detail === "" ? placeText(record) : detail);
}

function isViolation(record: TraceRecord): boolean {
  return record.kind === "violation";
}

function isLost(record: TraceRecord): boolean {
  return record.peer !== undefined && LOST.test(record.kind);
}

/** Records of the world belong to no node: it has no column. */
const WORLD = "world";
/** A message was sent; its fate is a record of its own. */
const SENT = "send";
const DELIVERED = "deliver";
/** Kinds of events of a message before it arrives. */
const ON_ITS_WAY: ReadonlySet<string> = new Set([SENT, "changed", "duplicate"]);
/** Kinds of messages that did not arrive, and of connections that failed. */
const LOST = /drop|lost|cut|refuse|reset|timeout|in use|reject|discard|fail/;
/** Nodes record these themselves; the record of a pause says how long it lasts. */
const MARKS: Readonly<Record<string, string>> = { start: "▼", crash: "✗", pause: "‖", resume: "▷" };
const TIME_WIDTH = 14;
const MOST_COLUMNS = 8;
/** For all columns together. */
const MOST_WIDTH = 96;
const MOST_WORDS = 60;
const MOST_ROWS = 400;
/** This many rows show the beginning, if rows in the middle are left out. */
const FIRST_ROWS = 200;
const MOST_VIOLATIONS = 5;
/** A detail may contain a stack; this much of it shows the place. */
const MOST_VIOLATION_LINES = 12;
/** A silence of at least this length gets a line of its own. */
const GAP_MS = 1_000;
