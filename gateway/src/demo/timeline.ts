/**
 * Prints what happens in the demo line by line, each with its time relative to the fault. Plain
 * text that fits 80 columns; coloured only if a terminal shows it and NO_COLOR is not set.
 */
import { styleText } from "node:util";

const COLUMNS = 80;
const STAMP_COLUMNS = 12;

type Colour = "bold" | "green" | "red" | "dim";

export class Timeline {
  readonly #stream: NodeJS.WriteStream;
  readonly #nowMs: () => number;
  readonly #coloured: boolean;
  #originMs: number;
  #sign = "";

  constructor(stream: NodeJS.WriteStream, nowMs: () => number, environment: NodeJS.ProcessEnv) {
    this.#stream = stream;
    this.#nowMs = nowMs;
    this.#coloured = stream.isTTY === true && (environment["NO_COLOR"] ?? "") === "";
    this.#originMs = nowMs();
  }

  /** From now on times are relative to `atMs`. */
  originAt(atMs: number): void {
    this.#originMs = atMs;
    this.#sign = "+";
  }

  title(text: string): void {
    this.#write(`\n${this.#styled("bold", text)}\n`);
  }

  /** Prints an event at `atMs` (default: now). */
  event(text: string, atMs: number = this.#nowMs(), colour?: Colour): void {
    const stamp = `${this.#sign}${Math.round(atMs - this.#originMs)} ms`.padStart(STAMP_COLUMNS - 2);
    const lines = wrapped(text, COLUMNS - STAMP_COLUMNS);
    const shown = lines.map((line) => (colour === undefined ? line : this.#styled(colour, line)));
    this.#write(`${this.#styled("dim", stamp)}  ${shown.join(`\n${" ".repeat(STAMP_COLUMNS)}`)}\n`);
  }

  /** A name, a number, and what the number means. */
  figure(name: string, value: string, meaning: string = "", colour?: Colour): void {
    const indent = 38;
    const shown = colour === undefined ? value.padStart(9) : this.#styled(colour, value.padStart(9));
    const lines = meaning === "" ? [] : [`  ${wrapped(meaning, COLUMNS - indent).join(`\n${" ".repeat(indent)}`)}`];
    this.#write(`  ${name.padEnd(25)}${shown}${lines.join("")}\n`);
  }

  note(text: string, colour?: Colour): void {
    const shown = wrapped(text, COLUMNS).join("\n");
    this.#write(`${colour === undefined ? shown : this.#styled(colour, shown)}\n`);
  }

  /** Text to be copied unchanged; its lines are not broken. */
  verbatim(text: string): void {
    this.#write(`${text}\n`);
  }

  #styled(colour: Colour, text: string): string {
    // The constructor has already decided about colours, for the stream that is written to.
    return this.#coloured ? styleText(colour, text, { validateStream: false }) : text;
  }

  #write(text: string): void {
    this.#stream.write(text);
  }
}

/** `text` in lines of at most `columns` characters, broken between words. */
export function wrapped(text: string, columns: number): string[] {
  const lines: string[] = [];
  for (const paragraph of text.split("\n")) {
    let line = "";
    for (const word of paragraph.split(" ")) {
      if (line !== "" && line.length + 1 + word.length > columns) {
        lines.push(line);
        line = word;
      } else line = line === "" ? word : `${line} ${word}`;
    }
    lines.push(line);
  }
  return lines;
}
