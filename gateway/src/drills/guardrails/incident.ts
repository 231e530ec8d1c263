/**
 * Is an incident open? A file or a page of the operators says so. Only a clear no counts as no: an
 * answer that cannot be read is "unknown", which refuses a drill at its start.
 */
import { request } from "undici";
import { readUpTo } from "./durable-file.ts";
import { reasonOf } from "./inverse.ts";
import type { IncidentSource } from "./settings.ts";

const ANSWER_WITHIN_MS = 3_000;
const MAX_BYTES = 65_536;
const MAX_SHOWN = 200;

export type IncidentState =
  | { readonly kind: "none" }
  | { readonly kind: "open" | "unknown"; readonly observed: string };

/** Asks. Never rejects. */
export async function incidentState(source: IncidentSource): Promise<IncidentState> {
  try {
    return "file" in source ? inFile(source.file) : await atUrl(source.url);
  } catch (error) {
    return { kind: "unknown", observed: reasonOf(error) };
  }
}

function inFile(path: string): IncidentState {
  const bytes = readUpTo(path, MAX_BYTES);
  if (bytes === "absent") return { kind: "none" };
  if (bytes === "too large") return { kind: "open", observed: `${path} holds more than ${MAX_BYTES} bytes` };
  const text = bytes.toString("utf8").trim();
  return text === "" ? { kind: "none" } : { kind: "open", observed: `${path}: ${text.slice(0, MAX_SHOWN)}` };
}

async function atUrl(url: string): Promise<IncidentState> {
  const text = await textAt(url, ANSWER_WITHIN_MS, MAX_BYTES);
  const said = JSON.parse(text) as unknown;
  if (Array.isArray(said) ? said.length === 0 : isObject(said) && said["open"] === false) return { kind: "none" };
  const isOpen = Array.isArray(said) || (isObject(said) && said["open"] === true);
  const observed = `${url} says ${text.slice(0, MAX_SHOWN)}`;
  return isOpen
    ? { kind: "open", observed }
    : { kind: "unknown", observed: `${observed}; "none" is [] or {"open": false}` };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The body of a 2xx answer. Throws for any other one, and for one that is late or too large. */
export async function textAt(url: string, withinMs: number, maxBytes: number): Promise<string> {
  const tooLate = new AbortController();
  const timer = setTimeout(() => tooLate.abort(new Error(`no answer in ${withinMs} ms`)), withinMs);
  try {
    const { statusCode, body } = await request(url, { signal: tooLate.signal, reset: true });
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of body as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > maxBytes) throw new Error(`more than ${maxBytes} bytes`);
      chunks.push(chunk);
    }
    if (statusCode < 200 || statusCode > 299) throw new Error(`answered ${statusCode}`);
    return Buffer.concat(chunks).toString("utf8");
  } catch (error) {
    throw new Error(`${url}: ${reasonOf(error)}`);
  } finally {
    clearTimeout(timer);
  }
}
