/**
 * Makes text from outside safe to show: a person's reason, an error of a station, a field of a log
 * line. Control characters, both ASCII and C1, can rewrite a terminal. Direction marks and
 * invisible characters make text read differently from its contents ("Trojan Source", Boucher and
 * Anderson, 2021). A line feed starts a second line, which may look like one of the gateway's. All
 * of these are shown as escapes, such as `\u001b` or `\n`. JSON uses the same escapes, so a line of
 * JSON stays valid.
 */

/**
 * Control characters, line and paragraph separators, and all invisible characters (Unicode's
 * Default_Ignorable_Code_Point: soft hyphen, zero-width space, byte order mark, direction marks,
 * tags, fillers). Joiners and selectors are kept after characters that they can join or change,
 * because emoji and several scripts need them; after ASCII, or at the beginning, they only hide
 * something.
 */
const UNSAFE =
  /[[\p{Cc}\p{Zl}\p{Zp}\p{DI}\ufff9-\ufffb]--[\u200c\u200d\ufe0e\ufe0f]]|(?<=^|[\0-\x7f])[\u200c\u200d\ufe0e\ufe0f]+/gv;

const SHORT: ReadonlyMap<string, string> = new Map([
  ["\n", "\\n"],
  ["\r", "\\r"],
  ["\t", "\\t"],
]);

/** `text` on one line. */
export function visible(text: string): string {
  return text.replace(UNSAFE, (found) => found.split("").map(escaped).join(""));
}

function escaped(unit: string): string {
  return SHORT.get(unit) ?? `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/** Several lines, each kept on one line. */
export function visibleLines(lines: readonly string[]): string {
  return lines.map(visible).join("\n");
}
