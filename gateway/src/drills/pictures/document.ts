/**
 * A report as data, written as HTML or as Markdown. All texts are escaped here, in one place for
 * each format, so a report cannot forget it. Pictures are in the HTML only; beside each stands a
 * table with the same numbers, for Markdown and for readers who cannot see pictures.
 */
import { htmlText, markdownText, plainText } from "./escaping.ts";
import { htmlFigure, htmlPage, htmlTable } from "./page.ts";

export type Block =
  | { readonly kind: "text"; readonly text: string }
  /** Something that a reader must not miss. */
  | { readonly kind: "warning"; readonly text: string }
  | { readonly kind: "list"; readonly items: readonly string[] }
  | { readonly kind: "code"; readonly lines: readonly string[] }
  | {
      readonly kind: "table";
      readonly caption: string;
      readonly head: readonly string[];
      readonly rows: ReadonlyArray<readonly string[]>;
      /** Closed at first, because it is long. */
      readonly isLong?: boolean;
    }
  /** `svg` is written by the pictures of this room, which escape their texts. */
  | { readonly kind: "figure"; readonly svg: string; readonly caption: string };

export interface Section {
  readonly title: string;
  readonly blocks: readonly Block[];
}

export interface Report {
  readonly title: string;
  /** Before the first section. */
  readonly opening: readonly Block[];
  readonly sections: readonly Section[];
}

/** Longest text of a cell and of a paragraph, in characters. */
const MAX_CELL = 4_000;

export function reportHtml({ title, opening, sections }: Report): string {
  return htmlPage(title, [
    `<h1>${htmlText(title)}</h1>`,
    ...opening.map(blockHtml),
    ...sections.flatMap((section) => [
      `<section><h2>${htmlText(section.title)}</h2>`,
      ...section.blocks.map(blockHtml),
      "</section>",
    ]),
  ]);
}

function blockHtml(block: Block): string {
  switch (block.kind) {
    case "text":
      return `<p>${htmlText(block.text, MAX_CELL)}</p>`;
    case "warning":
      return `<p class="warning"><strong>Attention:</strong> ${htmlText(block.text, MAX_CELL)}</p>`;
    case "list":
      return `<ul>${block.items.map((item) => `<li>${htmlText(item, MAX_CELL)}</li>`).join("")}</ul>`;
    case "code":
      return `<pre>${block.lines.map((line) => htmlText(line, MAX_CELL)).join("\n")}</pre>`;
    case "figure":
      return htmlFigure(block.svg, block.caption);
    case "table": {
      const rows = block.rows.map((row) => row.map((cell) => htmlText(cell, MAX_CELL)));
      const table = htmlTable(block.caption, block.head, rows);
      return block.isLong ? `<details><summary>${htmlText(block.caption)}</summary>${table}</details>` : table;
    }
  }
}

export function reportMarkdown({ title, opening, sections }: Report): string {
  const parts = [
    `# ${markdownText(title)}`,
    ...opening.map(blockMarkdown),
    ...sections.flatMap((section) => [`## ${markdownText(section.title)}`, ...section.blocks.map(blockMarkdown)]),
  ];
  return `${parts.filter((part) => part !== "").join("\n\n")}\n`;
}

function blockMarkdown(block: Block): string {
  switch (block.kind) {
    case "text":
      return markdownText(block.text, MAX_CELL);
    case "warning":
      return `> **Attention:** ${markdownText(block.text, MAX_CELL)}`;
    case "list":
      return block.items.map((item) => `- ${markdownText(item, MAX_CELL)}`).join("\n");
    case "code":
      return codeMarkdown(block.lines.map((line) => plainText(line, MAX_CELL)));
    case "figure":
      return "";
    case "table": {
      const row = (cells: readonly string[]): string =>
        `| ${cells.map((cell) => markdownText(cell, MAX_CELL)).join(" | ")} |`;
      const table = [row(block.head), `|${block.head.map(() => "---").join("|")}|`, ...block.rows.map(row)].join("\n");
      return block.isLong
        ? `<details><summary>${htmlText(block.caption)}</summary>\n\n${table}\n\n</details>`
        : `${markdownText(block.caption)}:\n\n${table}`;
    }
  }
}

/** The fence is longer than every run of backticks inside. */
function codeMarkdown(lines: readonly string[]): string {
  const longest = Math.max(2, ...lines.flatMap((line) => [...line.matchAll(/`+/g)].map(([run]) => run.length)));
  const fence = "`".repeat(longest + 1);
  return [fence, ...lines, fence].join("\n");
}
