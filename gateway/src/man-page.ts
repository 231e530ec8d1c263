/**
 * The manual page `gsf(1)` in the man macros (man-pages(7), groff_man(7)), and the command
 * reference of the documentation, both generated from the command tree. `npm run cli:docs` writes
 * them, and a test holds them against the program.
 */
import { EXIT_TABLE } from "./adapters/process/exit-codes.ts";
import { type CommandEntry, leaves, type OptionEntry } from "./command-tree.ts";

export function manPage(tree: CommandEntry, version: string): string {
  const lines = [
    `.TH GSF 1 "" "gsf ${roff(version)}" "User Commands"`,
    ...[".SH NAME", `gsf \\- ${roff(firstLower(tree.description))}`],
    ...[".SH SYNOPSIS", ".B gsf", ".I command", "[\\fIoptions\\fR]"],
    ".SH COMMANDS",
    ...leaves(tree).flatMap(commandLines),
    ".SH EXIT STATUS",
    ...EXIT_TABLE.flatMap(({ code, meaning }) => [".TP", `.B ${code}`, roff(meaning)]),
    ".PP",
    "gsf drill run has its own: 0 held, 1 deviated or dirty, 2 invalid, 3 aborted by a guardrail, 4 interrupted.",
    ".SH ENVIRONMENT",
    ...[".TP", ".B GSF_CONTROL_TOKEN", "The token for the control listener, if \\-\\-token\\-file names none."],
    ...[".TP", ".B GSF_STORE", "The directory of drills and game days, if \\-\\-store names none."],
  ];
  return `${lines.join("\n")}\n`;
}

function commandLines({ usage, description, arguments: takes, options, more }: CommandEntry): string[] {
  return [
    `.SS "${roff(usage)}"`,
    `${roff(sentence(description))}`,
    ...takes.flatMap(({ name, description: text }) => [".TP", `.I ${roff(name)}`, roff(text)]),
    ...options.flatMap((option) => [".TP", `.B ${roff(option.flags)}`, roff(described(option))]),
    ...(more === "" ? [] : [".PP", ".nf", ...more.split("\n").map(roff), ".fi"]),
  ];
}

/** The commands as a page of the documentation: what each does, takes and answers. */
export function commandReference(tree: CommandEntry): string {
  const sections = leaves(tree).map(({ words, usage, description, arguments: takes, options, more }) => {
    const rows = [
      ...takes.map(({ name, description: text }) => `| \`${name}\` | ${cell(text)} |`),
      ...options.map((option) => `| \`${cell(option.flags)}\` | ${cell(described(option))} |`),
    ];
    return [
      `## gsf ${words.join(" ")}`,
      `\`${usage}\``,
      `${sentence(description)}`,
      ...(rows.length === 0 ? [] : [["| | |", "|---|---|", ...rows].join("\n")]),
      ...(more === "" ? [] : [`\`\`\`text\n${more}\n\`\`\``]),
    ].join("\n\n");
  });
  const codes = EXIT_TABLE.map(({ code, meaning }) => `| ${code} | ${meaning} |`);
  return `# Commands

Generated from the program by \`npm run cli:docs\`; \`gsf COMMAND --help\` and \`man gsf\` say the same. \`gsf completion bash\`
prints a completion script.

## Exit codes

| code | meaning |
|---|---|
${codes.join("\n")}

\`gsf drill run\` has its own: 0 held, 1 deviated or dirty, 2 invalid, 3 aborted by a guardrail, 4 interrupted.

${sections.join("\n\n")}
`;
}

function described({ description, isRequired }: OptionEntry): string {
  return isRequired && !description.endsWith("(required)") ? `${description} (required)`.trim() : description;
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("<", "&lt;").replaceAll(/\s+/g, " ");
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;
}

function firstLower(text: string): string {
  return `${text.charAt(0).toLowerCase()}${text.slice(1)}`;
}

/** Text as roff reads it: no escapes, no requests at the start of a line. */
function roff(text: string): string {
  const escaped = text.replaceAll("\\", "\\e").replaceAll("-", "\\-").replaceAll('"', "\\(dq");
  return /^[.']/.test(escaped) ? `\\&${escaped}` : escaped;
}
