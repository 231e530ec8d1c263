/**
 * Guesses the name that a misspelt name was meant to be, by Levenshtein's edit distance (1966)
 * regardless of case. It allows one edit for every three letters, at least two. The result is only
 * a suggestion in a message; nothing is corrected silently.
 */

/**
 * The name in `names` that is most similar to `given`, for a suggestion. Undefined if no name is
 * similar, or if `given` has more than 64 letters.
 *
 * @example
 * ```ts
 * import { nearestName } from "ground-station-failover/core";
 *
 * const options = ["timeoutMs", "deadlineMs", "retry"];
 * console.log(nearestName("timoutMs", options)); // timeoutMs
 * console.log(nearestName("colour", options)); // undefined
 * ```
 */
export function nearestName(given: string, names: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(given.length / 3)) + 1;
  for (const name of names) {
    const distance = editDistance(given.toLowerCase(), name.toLowerCase());
    if (distance < bestDistance && distance < name.length) [best, bestDistance] = [name, distance];
  }
  return best;
}

/** Longer words are not compared, because the work grows with the square of the length. */
const LONGEST_COMPARED = 64;

function editDistance(from: string, to: string): number {
  if (from.length > LONGEST_COMPARED || to.length > LONGEST_COMPARED) return Number.POSITIVE_INFINITY;
  let row = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let line = 1; line <= from.length; line++) {
    const next = [line];
    for (let column = 1; column <= to.length; column++) {
      const changed = from[line - 1] === to[column - 1] ? 0 : 1;
      next.push(
        Math.min((row[column] as number) + 1, (next[column - 1] as number) + 1, (row[column - 1] as number) + changed),
      );
    }
    row = next;
  }
  return row[to.length] as number;
}
