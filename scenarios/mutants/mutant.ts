/**
 * What a planted bug is: a small change of the source that ships, and the invariants that are there
 * to see it.
 */

export interface Mutant {
  /** A stable name, for tables and files. */
  readonly name: string;
  /** What somebody did wrong, in a sentence. */
  readonly bug: string;
  /** From the repository's root. */
  readonly file: string;
  /**
   * Each `find` occurs exactly once in the file; a catalogue that does not fit the source any more
   * says so.
   */
  readonly edits: readonly { readonly find: string; readonly replace: string }[];
  /**
   * Any of these must be violated within 1,000 seeds of the scenario; the first is the one that is
   * meant.
   */
  readonly invariants: readonly [string, ...string[]];
  /** Where it is looked for. Default `swarm`. */
  readonly scenario?: string;
}

/**
 * `text` of the mutant's file with the bug in it. Throws where it is not as the catalogue has it.
 */
export function withBug({ name, file, edits }: Mutant, text: string): string {
  let edited = text;
  for (const { find, replace } of edits) {
    const times = edited.split(find).length - 1;
    if (times !== 1)
      throw new Error(`${name}: ${JSON.stringify(find)} is ${times} times in ${file}; it must be there once`);
    edited = edited.replace(find, () => replace);
  }
  return edited;
}
