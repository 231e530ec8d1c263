/**
 * Makes text of others safe in a report: titles and names come from files that anybody may have
 * written. HTML and SVG get entities. Markdown gets backslashes, and neither mentions people nor
 * makes links. Control characters and invisible ones are shown as escapes first, everywhere.
 */
import { visible } from "../../adapters/telemetry/visible.ts";

/** Longest text of others that is shown at one place, in characters. */
const MAX_SHOWN = 400;

/** On one line, without control characters, cut to `max` characters. */
export function plainText(text: string, max: number = MAX_SHOWN): string {
  const line = visible(text);
  // A character is at most two units, so a longer text has more than `max` characters in here.
  const characters = [...line.slice(0, 2 * max + 2)];
  return characters.length <= max ? line : `${characters.slice(0, max - 1).join("")}…`;
}

const ENTITIES: ReadonlyMap<string, string> = new Map([
  ["&", "&amp;"],
  ["<", "&lt;"],
  [">", "&gt;"],
  ['"', "&quot;"],
  ["'", "&#39;"],
]);

/** For the text and the quoted attributes of HTML and SVG. */
export function htmlText(text: string, max: number = MAX_SHOWN): string {
  return plainText(text, max).replaceAll(/[&<>"']/g, (sign) => ENTITIES.get(sign) as string);
}

/** For a paragraph, a list or a cell of a table in GitHub's Markdown. */
export function markdownText(text: string, max: number = MAX_SHOWN): string {
  return plainText(text, max)
    .replaceAll(/[\\`*_[\]<>#|~&$]/g, "\\$&")
    .replaceAll(/:(?=\/\/)/g, "\\:")
    .replaceAll(/\b(www)\./gi, "$1\\.")
    .replaceAll(/@(?=\S)/g, "@&#8203;")
    .replace(/^(\s*)([-+=])/, "$1\\$2")
    .replace(/^(\s*\d+)([.)])(?=\s|$)/, "$1\\$2");
}

/** A word of a shell's command line; quoted unless it is plain. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
