/**
 * Reads the signals of stop conditions over HTTP: members of JSON documents, or samples of
 * Prometheus' text format. One request for each address and look, however many signals come from
 * it; none while the one before is still out, so a source that hangs costs one connection. A source
 * that does not answer gives no values, which the rule for missing signals notices.
 */
import { jsonpath } from "json-p3";
import { Agent, request } from "undici";
import type { Json } from "../experiment/experiment.ts";

/** Most ms for an answer: looks are a second apart. */
const ANSWER_WITHIN_MS = 900;
/** Most bytes of an answer. */
const MAX_BYTES = 2 ** 22;

/** Most connections to one server: a page of it that hangs must not hold the others up. */
const MAX_CONNECTIONS = 8;

/** Where a signal comes from. */
export type SignalSource =
  | {
      readonly url: string;
      /** JSONPath (RFC 9535) of one number. */
      readonly jsonpath: string;
    }
  | {
      readonly url: string;
      /** The name of a sample in Prometheus' text format; several of them are added up. */
      readonly metric: string;
      /** Labels that a sample must have, with these values. */
      readonly labels: Readonly<Record<string, string>>;
    };

export class SignalReader {
  readonly #byUrl: ReadonlyMap<string, ReadonlyArray<readonly [name: string, source: SignalSource]>>;
  readonly #out = new Set<string>();
  readonly #agent: Agent = new Agent({
    connect: { timeout: ANSWER_WITHIN_MS },
    headersTimeout: ANSWER_WITHIN_MS,
    bodyTimeout: ANSWER_WITHIN_MS,
    connections: MAX_CONNECTIONS,
    pipelining: 0,
  });

  constructor(sources: Readonly<Record<string, SignalSource>>) {
    this.#byUrl = Map.groupBy(Object.entries(sources), ([, { url }]) => url);
  }

  /** The values of one look. What could not be read is not in it. */
  async read(): Promise<Map<string, number>> {
    const parts = await Promise.all([...this.#byUrl].map(([url, signals]) => this.#readOne(url, signals)));
    return new Map(parts.flat());
  }

  /** Closes the connections. */
  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  async #readOne(
    url: string,
    signals: ReadonlyArray<readonly [name: string, source: SignalSource]>,
  ): Promise<Array<[string, number]>> {
    if (this.#out.has(url)) return [];
    this.#out.add(url);
    try {
      const text = await this.#textAt(url);
      return signals.flatMap(([name, source]): Array<[string, number]> => {
        const value = valueIn(text, source);
        return value === undefined || !Number.isFinite(value) ? [] : [[name, value]];
      });
    } catch {
      return [];
    } finally {
      this.#out.delete(url);
    }
  }

  async #textAt(url: string): Promise<string> {
    const tooLate = new AbortController();
    const timer = setTimeout(() => tooLate.abort(), ANSWER_WITHIN_MS);
    try {
      const { statusCode, body } = await request(url, { dispatcher: this.#agent, signal: tooLate.signal });
      if (statusCode !== 200) throw new Error(`answered ${statusCode}`);
      const chunks: Buffer[] = [];
      let bytes = 0;
      for await (const chunk of body as AsyncIterable<Buffer>) {
        bytes += chunk.length;
        if (bytes > MAX_BYTES) throw new Error(`more than ${MAX_BYTES} bytes`);
        chunks.push(chunk);
      }
      return Buffer.concat(chunks).toString("utf8");
    } finally {
      clearTimeout(timer);
    }
  }
}

/** The problem of a JSONPath; undefined: it can be read. */
export function jsonPathProblem(path: string): string | undefined {
  try {
    jsonpath.compile(path);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** The value of a signal in a source's answer; undefined: it is not there, or no number. */
export function valueIn(text: string, source: SignalSource): number | undefined {
  return "jsonpath" in source ? numberAt(text, source.jsonpath) : sumOf(text, source.metric, source.labels);
}

function numberAt(text: string, path: string): number | undefined {
  const found = jsonpath.query(path, JSON.parse(text) as never).values() as Json[];
  return found.length === 1 && typeof found[0] === "number" ? found[0] : undefined;
}

/** `name{label="value",…} number [time]`, of which the comments of the format are left out. */
const SAMPLE = /^([A-Za-z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)(?:\s+-?\d+)?\s*$/;
const LABEL = /([A-Za-z_]\w*)\s*=\s*"((?:[^"\\]|\\.)*)"/g;

function sumOf(text: string, metric: string, labels: Readonly<Record<string, string>>): number | undefined {
  let sum: number | undefined;
  for (const line of text.split("\n")) {
    if (!line.startsWith(metric)) continue;
    const parts = SAMPLE.exec(line);
    if (parts === null || parts[1] !== metric) continue;
    const found = new Map(
      [...(parts[2] ?? "").matchAll(LABEL)].map(([, name, value]) => [name, unescaped(value as string)]),
    );
    if (Object.entries(labels).some(([name, value]) => found.get(name) !== value)) continue;
    sum = (sum ?? 0) + Number(parts[3]);
  }
  return sum;
}

function unescaped(text: string): string {
  return text.replace(/\\(.)/g, (_, sign: string) => (sign === "n" ? "\n" : sign));
}
