/**
 * Text that came from elsewhere, as it may be shown: a reason that somebody gave, an error of a station, a field of a log line. Control
 * characters, of ASCII and beyond it (C1), can rewrite a terminal; marks of direction make it read otherwise than it is
 * ("Trojan Source", Boucher and Anderson, 2021). All of them are shown as what they are, such as `\u001b`. That is also how JSON writes
 * them, so that a line of JSON stays one.
 */

// Line and paragraph separators, marks, embeddings, overrides and isolates of direction.
const UNSAFE = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu;

/** `text` in one line. */
export function visible(text: string): string {
  return text.replace(UNSAFE, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** … in several: its own line feeds stay. */
export function visibleLines(text: string): string {
  return text.split("\n").map(visible).join("\n");
}
