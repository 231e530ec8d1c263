/**
 * Completion scripts for bash, zsh and fish, generated from the command tree. All words are in the
 * script, so that a key press starts no process. Options with a fixed list of values complete the
 * values; everything else that takes a value completes file names, as shells do anyway.
 */
import type { CommandEntry, OptionEntry } from "./command-tree.ts";

export const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof SHELLS)[number];

export function completionScript(shell: Shell, tree: CommandEntry): string {
  return { bash: bashScript, zsh: zshScript, fish: fishScript }[shell](tree);
}

/** `gsf` itself and every command below it. */
function all(entry: CommandEntry): CommandEntry[] {
  return [entry, ...entry.commands.flatMap(all)];
}

function lastWord({ words }: CommandEntry): string {
  return words.at(-1) ?? "gsf";
}

function wordsAfter(entry: CommandEntry): string[] {
  const options = entry.options.flatMap(({ name, short }) => (short === undefined ? [name] : [name, short]));
  return [...entry.commands.map(lastWord), ...options, "--help"];
}

function withChoices(entry: CommandEntry): OptionEntry[] {
  return entry.options.filter(({ choices }) => choices.length > 0);
}

/** Every word here is of letters, digits and hyphens, so nothing needs to be quoted. */
function bashScript(tree: CommandEntry): string {
  const entries = all(tree);
  const paths = entries.filter(({ words }) => words.length > 0).map(({ words }) => words.join(" "));
  return `# bash completion of gsf; made by: gsf completion bash
_gsf() {
  local word path="" next previous="\${COMP_WORDS[COMP_CWORD-1]}"
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    next="\${path:+$path }$word"
    case "$next" in
      ${paths.map((path) => `"${path}"`).join("|")}) path="$next" ;;
    esac
  done
  local words=""
  case "$path $previous" in
${entries
  .flatMap((entry) => withChoices(entry).map((option) => [entry, option] as const))
  .map(([{ words }, { name, choices }]) => `    "${words.join(" ")} ${name}") words="${choices.join(" ")}" ;;`)
  .join("\n")}
    *)
      case "$path" in
${entries.map((entry) => `        "${entry.words.join(" ")}") words="${wordsAfter(entry).join(" ")}" ;;`).join("\n")}
      esac ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _gsf gsf
`;
}

/** zsh reads completions of bash. */
function zshScript(tree: CommandEntry): string {
  return `#compdef gsf
# zsh completion of gsf; made by: gsf completion zsh
autoload -U +X bashcompinit && bashcompinit
${bashScript(tree).split("\n").slice(1).join("\n")}`;
}

function fishScript(tree: CommandEntry): string {
  const lines = all(tree).flatMap((entry) => {
    const { words, commands, options } = entry;
    const seen = words.map((word) => `__fish_seen_subcommand_from ${word}`);
    const deeper = commands.map(lastWord);
    const not = deeper.length === 0 ? [] : [`not __fish_seen_subcommand_from ${deeper.join(" ")}`];
    const when = [...seen, ...not].join("; and ");
    const condition = when === "" ? "" : ` -n '${when}'`;
    return [
      ...commands.map((one) => `complete -c gsf -f${condition} -a ${lastWord(one)} -d ${quoted(one.description)}`),
      ...options.map((option) => `complete -c gsf${condition} ${fishOption(option)} -d ${quoted(option.description)}`),
    ];
  });
  return `# fish completion of gsf; made by: gsf completion fish\n${lines.join("\n")}\n`;
}

function fishOption({ name, short, takesValue, choices }: OptionEntry): string {
  const parts = [
    ...(name.startsWith("--") ? [`-l ${name.slice(2)}`] : []),
    ...(short === undefined ? [] : [`-s ${short.slice(1)}`]),
    ...(takesValue ? ["-r"] : []),
    ...(choices.length === 0 ? [] : [`-f -a '${choices.join(" ")}'`]),
  ];
  return parts.join(" ");
}

/** A text of fish in single quotes. */
function quoted(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
