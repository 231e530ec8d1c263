/**
 * The drills of a directory: each experiment (JSON or YAML) with the extension "gsf". Only what a
 * rotation needs is read; whether the experiment can be played is `gsf drill validate`'s question.
 * A file that cannot be read is named and skipped.
 */
import { type Dirent, readdirSync } from "node:fs";
import { join, relative } from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import { UserError } from "../../adapters/process/exit-codes.ts";
import { CATEGORIES, type Category } from "../experiment/experiment.ts";
import { plainText } from "../pictures/escaping.ts";
import { regularFile } from "./journals.ts";

const MAX_FILE_BYTES = 1024 * 1024;
const MAX_FILES = 2_000;
const MAX_DEPTH = 4;

/** A drill of the catalogue. */
export interface CatalogueDrill {
  readonly id: string;
  readonly title: string;
  readonly category: Category;
  readonly weight: number;
  /** Path of the file; undefined: known from a journal only. */
  readonly file: string | undefined;
}

export interface Catalogue {
  readonly drills: readonly CatalogueDrill[];
  readonly problems: ReadonlyArray<{ readonly file: string; readonly problem: string }>;
}

const extensionSchema = z.object({
  name: z.literal("gsf"),
  id: z.string().regex(/^[a-z0-9][a-z0-9-]{0,99}$/, "must be lower-case letters, digits and hyphens"),
  category: z.enum(CATEGORIES),
  weight: z.number().min(1).max(10).default(1),
});

/** Reads one experiment: its drill, undefined if it has no extension "gsf", or what is wrong. */
export function readDrillFile(file: string): CatalogueDrill | undefined | { readonly problem: string } {
  const content = regularFile(file, MAX_FILE_BYTES);
  if (typeof content !== "string") return content;
  let parsed: unknown;
  try {
    parsed = /\.json$/i.test(file) ? JSON.parse(content) : parse(content, { maxAliasCount: 100 });
  } catch (error) {
    return { problem: plainText(`it cannot be parsed: ${(error as Error).message}`, 200) };
  }
  if (typeof parsed !== "object" || parsed === null) return undefined;
  const { title, extensions } = parsed as Readonly<Record<string, unknown>>;
  const written: unknown = Array.isArray(extensions)
    ? extensions.find((one: unknown) => (one as { name?: unknown } | null)?.name === "gsf")
    : undefined;
  if (written === undefined) return undefined;
  const read = extensionSchema.safeParse(written);
  if (!read.success) {
    const [issue] = read.error.issues;
    return { problem: plainText(`extension "gsf", ${issue?.path.map(String).join(".")}: ${issue?.message}`, 200) };
  }
  const { id, category, weight } = read.data;
  return { id, category, weight, title: plainText(typeof title === "string" ? title : id, 200), file };
}

/** The drills below `directory`. Throws a `UserError` if it is no directory, or holds too much. */
export function readCatalogue(directory: string): Catalogue {
  const drills = new Map<string, CatalogueDrill>();
  const problems: Array<{ file: string; problem: string }> = [];
  const files = filesBelow(directory, 0);
  for (const file of files) {
    const read = readDrillFile(file);
    if (read === undefined) continue;
    const shown = relative(directory, file);
    if ("problem" in read) problems.push({ file: shown, problem: read.problem });
    else if (drills.has(read.id))
      problems.push({
        file: shown,
        problem: `its id ${read.id} is that of ${relative(directory, drills.get(read.id)?.file ?? "")}; this file is left out`,
      });
    else drills.set(read.id, read);
  }
  return { drills: [...drills.values()], problems };
}

function filesBelow(directory: string, depth: number): string[] {
  let entries: Dirent[];
  try {
    entries = readdirSync(directory, { withFileTypes: true });
  } catch (error) {
    if (depth > 0) return [];
    throw new UserError(
      "usage",
      `${directory} is no directory of drills that can be read (${(error as NodeJS.ErrnoException).code ?? "unknown"})`,
    );
  }
  const files: string[] = [];
  for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(directory, entry.name);
    if (entry.name.startsWith(".") || entry.name === "node_modules") continue;
    if (entry.isDirectory() && depth < MAX_DEPTH) files.push(...filesBelow(path, depth + 1));
    else if (!entry.isDirectory() && /\.(json|ya?ml)$/i.test(entry.name)) files.push(path);
    if (files.length > MAX_FILES)
      throw new UserError("usage", `${directory} holds more than ${MAX_FILES} files; name the directory of the drills`);
  }
  return files;
}
