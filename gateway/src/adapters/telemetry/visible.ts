/**
 * Text that came from elsewhere, as it may be shown: a reason that somebody gave, an error of a
 * station, a field of a log line. Control characters, of ASCII and beyond it (C1), can rewrite a
 * terminal; marks of direction and what is drawn as nothing make it read otherwise than it is
 * ("Trojan Source", Boucher and Anderson, 2021); a line feed makes a second line, which may look
 * like one of ours. All of them are shown as what they are, such as `\u001b` or `\n`. That is also
 * how JSON writes them, so that a line of JSON stays one.
 */

/**
 * Control characters, separators of lines and paragraphs, and whatever is drawn as nothing
 * (Unicode's Default_Ignorable_Code_Point: soft hyphen, zero-width space, byte order mark, marks of
 * direction, tags, fillers). Joiners and selectors stay behind what they can join or change,
 * because emoji and several scripts need them; behind ASCII, or at the beginning, they only hide.
 */
const UNSAFE =
  /[[\p{Cc}\p{Zl}\p{Zp}\p{DI}\ufff9-\ufffb]--[\u200c\u200d\ufe0e\ufe0f]]|(?<=^|[\0-\x7f])[\u200c\u200d\ufe0e\ufe0f]+/gv;

const SHORT: ReadonlyMap<string, string> = new Map([
  ["\n", "\\n"],
  ["\r", "\\r"],
  ["\t", "\\t"],
]);

/** `text` in one line. */
export function visible(text: string): string {
  return text.replace(UNSAFE, (found) => found.split("").map(escaped).join(""));
}

function escaped(unit: string): string {
  return SHORT.get(unit) ?? `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/** Several lines, each in one. */
export function visibleLines(lines: readonly string[]): string {
  return lines.map(visible).join("\n");
}
