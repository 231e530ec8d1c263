/**
 * Planting a bug in modules of this process: the file that has it, and every module that imports
 * that file, directly or through others, is loaded once more under a name of its own; all others
 * are shared with the source as it is. A simulation keeps nothing between runs ([S1]: two runs of
 * one seed are the same), so many bugs can be tried one after the other without a process for each:
 * nothing is copied or started, and code that is shared stays compiled.
 *
 * Modules of bugs that were tried stay in memory: about four megabytes each. A bug that hangs stops
 * this process, too; `copy.ts` runs it in another one.
 */
import { readFileSync } from "node:fs";
import { registerHooks, stripTypeScriptTypes } from "node:module";
import type { Mutant } from "./mutant.ts";
import { withBug } from "./mutant.ts";

const ROOT = new URL("../../", import.meta.url);

export class Planting<Door> implements Disposable {
  /** What is imported: a module from which all can be reached in which bugs are planted. */
  readonly #door: string;
  /** Who imports a module, by its URL. */
  readonly #importers: Map<string, Set<string>> = new Map();
  /**
   * The text of modules without their types, by URL. Stripping them is most of what loading costs.
   */
  readonly #stripped: Map<string, string> = new Map();
  readonly #hooks: { deregister(): void };
  #planted: Planted | undefined;

  /**
   * `door` must not have been imported by anybody yet: who imports whom is learned from its import.
   */
  static async of<Door>(door: URL): Promise<Planting<Door>> {
    const planting = new Planting<Door>(door.href);
    await import(door.href);
    return planting;
  }

  private constructor(door: string) {
    this.#door = door;
    this.#hooks = registerHooks({
      resolve: (specifier, context, next) => {
        const found = next(specifier, context);
        const importer = context.parentURL;
        const planted = this.#planted;
        if (planted === undefined) {
          if (importer !== undefined) this.#note(found.url, importer);
          return found;
        }
        if (importer?.endsWith(planted.tag) !== true || !planted.reloaded.has(found.url)) return found;
        return { ...found, url: `${found.url}${planted.tag}` };
      },
      load: (url, context, next) => {
        const planted = this.#planted;
        if (planted === undefined || !url.endsWith(planted.tag)) return next(url, context);
        const source = this.#sourceOf(url.slice(0, -planted.tag.length), planted);
        return { format: "module", source, shortCircuit: true };
      },
    });
  }

  /** The door with the bug behind it. */
  async plant(mutant: Mutant): Promise<Door> {
    const file = new URL(mutant.file, ROOT).href;
    const reloaded = this.#reaching(file);
    if (!reloaded.has(this.#door)) throw new Error(`${mutant.name}: no way leads from ${this.#door} to ${mutant.file}`);
    this.#planted = { mutant, file, reloaded, tag: `?planted=${mutant.name}` };
    return (await import(`${this.#door}${this.#planted.tag}`)) as Door;
  }

  [Symbol.dispose](): void {
    this.#hooks.deregister();
  }

  #sourceOf(url: string, { file, mutant }: Planted): string {
    const read = (): string => readFileSync(new URL(url), "utf8");
    if (url === file) return stripTypeScriptTypes(withBug(mutant, read()));
    const source = this.#stripped.get(url) ?? stripTypeScriptTypes(read());
    this.#stripped.set(url, source);
    return source;
  }

  #note(url: string, importer: string): void {
    const importers = this.#importers.get(url) ?? new Set();
    this.#importers.set(url, importers.add(importer));
  }

  /** `file`, and all that import it, directly or through others. */
  #reaching(file: string): Set<string> {
    const reached = new Set([file]);
    for (const url of reached) for (const importer of this.#importers.get(url) ?? []) reached.add(importer);
    return reached;
  }
}

interface Planted {
  readonly mutant: Mutant;
  /** URL of the file that has the bug. */
  readonly file: string;
  /** URLs of the modules that are loaded once more, without the tag. */
  readonly reloaded: ReadonlySet<string>;
  /** Tells the second name of a module from its first. */
  readonly tag: string;
}
