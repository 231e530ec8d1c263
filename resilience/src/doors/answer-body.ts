/**
 * Bodies that were read within an attempt: put together, parsed for classifiers, and never longer
 * than their bound.
 */
import { ConfigurationError } from "../core/errors.ts";

/** What collects the chunks of a body. */
export class BodyCollector {
  readonly chunks: Uint8Array[] = [];
  readonly #name: string;
  readonly #maxBytes: number;
  #length = 0;

  constructor(name: string, maxBytes: number) {
    this.#name = name;
    this.#maxBytes = maxBytes;
  }

  /** Throws `ConfigurationError` if the body is longer than its bound. */
  add(chunk: Uint8Array): void {
    this.#length += chunk.byteLength;
    if (this.#length > this.#maxBytes) {
      const advice = "raise maxBodyBytes; ./fetch hands downloads on with stream: true.";
      throw new ConfigurationError(
        "body-too-large",
        `${this.#name}: the answer's body has more than ${this.#maxBytes} bytes; ${advice}`,
      );
    }
    this.chunks.push(chunk);
  }

  joined(): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(this.#length);
    let at = 0;
    for (const chunk of this.chunks) {
      bytes.set(chunk, at);
      at += chunk.byteLength;
    }
    return bytes;
  }
}

/**
 * The parsed body if it is JSON, its text if it is text, else nothing: classifiers look into no
 * other bodies.
 */
export function parsedBody(bytes: Uint8Array, contentType: string): unknown {
  const isJson = /^[^;]*[/+]json\b/i.test(contentType);
  if (!isJson && !contentType.startsWith("text/")) return undefined;
  const text = new TextDecoder().decode(bytes);
  if (!isJson) return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
