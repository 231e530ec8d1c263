/**
 * Where the fields that explanations name are written in a configuration file, and what their
 * defaults are: "detector.threshold is 12, written in line 14" tells an operator what to change. Of
 * the file only the lines of these fields are kept. A field that comes through an alias or a merge
 * (`<<`) is found where it is written.
 */
import type { Alias, Document, LineCounter, Node, Pair } from "yaml";
import { isAlias, isMap, isScalar, isSeq, visit } from "yaml";
import { GOVERNING_FIELDS, type WrittenPlaces } from "../fleet/explain/governing-settings.ts";
import { type DescribedField, defaultOf, describedConfiguration } from "./json-schema.ts";

const NAMED: ReadonlySet<string> = new Set(GOVERNING_FIELDS);
const MERGE = "<<";

export function writtenPlaces(file: string, document: Document, lines: LineCounter): WrittenPlaces {
  const found = new Map<string, number>();
  const resolved = resolverOf(document);
  const note = (path: string, pair: Pair): void => {
    const offset = (pair.key as Node | null)?.range?.[0];
    if (offset !== undefined && NAMED.has(patternOf(path))) found.set(path, lines.linePos(offset).line);
  };
  const walk = (given: unknown, path: string, replaced: ReadonlySet<string>): void => {
    const node = resolved(given);
    if (isSeq(node)) for (const [place, item] of node.items.entries()) walk(item, `${path}[${place}]`, NOTHING);
    if (!isMap(node)) return;
    const own = new Set([...replaced, ...node.items.map(({ key }) => nameOf(key))]);
    for (const pair of node.items) {
      const name = nameOf(pair.key);
      if (name === MERGE) {
        for (const merged of mergedIn(resolved(pair.value))) walk(merged, path, own);
        continue;
      }
      if (replaced.has(name)) continue;
      const at = path === "" ? name : `${path}.${name}`;
      note(at, pair);
      walk(pair.value, at, NOTHING);
    }
  };
  walk(document.contents, "", NOTHING);
  return { file, lineOf: (field) => found.get(field), defaultOf: defaultInWords };
}

const NOTHING: ReadonlySet<string> = new Set();

/** What `<<` names: a section, or a list of sections. */
function mergedIn(node: unknown): readonly unknown[] {
  return isSeq(node) ? node.items : [node];
}

/**
 * Returns the node that an alias stands for, and any other node as it is. The anchors are collected
 * once: `Alias.resolve` walks the whole document each time.
 */
function resolverOf(document: Document): (given: unknown) => unknown {
  const targets = new Map<Alias, Node | undefined>();
  const anchors = new Map<string, Node>();
  visit(document, {
    Node(_key, node) {
      // An anchor may be set again; an alias stands for the last one before it.
      if (isAlias(node)) targets.set(node, anchors.get(node.source));
      else if (node.anchor !== undefined) anchors.set(node.anchor, node);
    },
  });
  return (given) => (isAlias(given) ? targets.get(given) : given);
}

function nameOf(key: unknown): string {
  if (!isScalar(key)) return "";
  // The parser reads the name of a merge as a symbol.
  return typeof key.value === "symbol" ? (key.value.description ?? "") : String(key.value);
}

/** `groups[3].detector.threshold` as `groups[].detector.threshold`. */
function patternOf(path: string): string {
  return path.replaceAll(/\[\d+\]/g, "[]");
}

let described: DescribedField | undefined;

function defaultInWords(field: string): string | undefined {
  described ??= describedConfiguration();
  let at: readonly DescribedField[] = [described];
  for (const name of patternOf(field).split(/\.|(?=\[\])/)) {
    const inner = at.flatMap((one) => [one, ...(one.oneOf ?? [])]);
    at = inner.map((one) => (name === "[]" ? one.items : one.properties?.[name])).filter((one) => one !== undefined);
  }
  const [found] = at;
  return found && defaultOf(found)?.replaceAll("`", "");
}
