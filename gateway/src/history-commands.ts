/**
 * `gsf explain` and `gsf events`: why things are as they are, and what happened, asked of a running
 * gateway. The output is read during an incident, so it has one fact a line, each with its time.
 * For programs there is `--json`.
 */
import { type Command, InvalidArgumentError, Option } from "commander";
import { type ControlAddress, strange, tokenOf } from "./adapters/control/control-address.ts";
import { askControl, withControl } from "./adapters/control/control-request.ts";
import { EventStream } from "./adapters/control/event-stream.ts";
import { UserError } from "./adapters/process/exit-codes.ts";
import { print } from "./control-commands.ts";
import type { Chapter, Explanation, GoverningSetting } from "./fleet/explain/explanation.ts";

interface ControlOptions extends ControlAddress {
  readonly json: boolean;
}

export function registerHistoryCommands(program: Command): void {
  withControl(program.command("explain"))
    .description("say why a group is as it is: its last switch, its circuits, what was refused; or one request")
    .argument("[group]", "the group; may be left out if there is only one")
    .argument("[request]", "id of a request: x-request-id of its response")
    .addHelpText(
      "after",
      `
Examples:
  $ gsf explain                          the last switch, step by step
  $ gsf explain atlantic 5f0c61d2a9b3-7  what happened to one request`,
    )
    .action(explain);
  withControl(program.command("events"))
    .description("list what happened, also before a restart of the gateway")
    .addOption(
      new Option("--since <time>", "from then on: 90s, 15m, 2h, 3d ago, or a time such as 2026-12-01T03:00Z")
        .argParser(text("--since"))
        .default(undefined, "the newest 100 events"),
    )
    .addOption(new Option("--until <time>", "up to then").argParser(text("--until")))
    .option("--group <name>", "events of this group only")
    .addOption(new Option("--type <type...>", "events of these types only, such as promoted or breaker"))
    .option("--follow", "go on with what happens from now on, until stopped", false)
    .addHelpText(
      "after",
      `
With --json, one object a line.

Examples:
  $ gsf events --since 1h --group atlantic
  $ gsf events --type promoted declaration --follow`,
    )
    .action(events);
}

function text(name: string): (given: string) => string {
  return (given) => {
    if (given.trim() === "") throw new InvalidArgumentError(`${name} needs a time or a duration.`);
    return given.trim();
  };
}

// ── gsf explain ────────────────────────────────────────────────────────────────────────────────

async function explain(group: string | undefined, request: string | undefined, options: ControlOptions): Promise<void> {
  // An id that the gateway made is recognized where the group was left out.
  if (request === undefined && group !== undefined && /^[0-9a-f]{12}-[0-9a-z]+$/.test(group))
    return explain(undefined, group, options);
  const name = group ?? (await onlyGroup(options));
  const query = request === undefined ? "" : `?request=${encodeURIComponent(request)}`;
  const found = (await askControl(
    options,
    "GET",
    `/v1/groups/${encodeURIComponent(name)}/explain${query}`,
  )) as Explanation;
  if (!Array.isArray(found.chapters)) throw strange(options.control);
  if (options.json) return print(JSON.stringify(found));
  print(...linesOf(found));
  if (!found.found) throw new UserError("promiseBroken", `nothing is remembered of request ${request}`);
}

async function onlyGroup(options: ControlOptions): Promise<string> {
  const { groups } = (await askControl(options, "GET", "/v1/status")) as { groups?: Record<string, unknown> };
  if (groups === undefined) throw strange(options.control);
  const [only, ...others] = Object.keys(groups);
  if (only !== undefined && others.length === 0) return only;
  throw new UserError("usage", `name a group: there are ${Object.keys(groups).slice(0, 20).join(", ")}`);
}

function linesOf({ group, active, epoch, chapters, unixMs }: Explanation): string[] {
  return [
    `${group}: ${active} serves, epoch ${epoch}, at ${timeOf(unixMs)}`,
    ...chapters.flatMap((chapter) => ["", ...chapterLines(chapter)]),
  ];
}

function chapterLines({ title, steps, next }: Chapter): string[] {
  // A setting is shown where it first matters.
  const shown = new Set<string>();
  const isNew = ({ field }: GoverningSetting): boolean => !shown.has(field) && shown.add(field) !== undefined;
  return [
    title,
    ...steps.flatMap(({ unixMs, sentence, because, settings }) => [
      `  ${unixMs === undefined ? "".padEnd(24) : timeOf(unixMs)}  ${sentence}`,
      ...because.map((fact) => `      because ${fact}`),
      ...settings.filter(isNew).map((setting) => `      by ${shownSetting(setting)}`),
    ]),
    ...next.map(({ sentence, unixMs }) => `  next: ${sentence}${unixMs === undefined ? "" : `, at ${timeOf(unixMs)}`}`),
  ];
}

/** `groups[0].detector.threshold = 9 (fleet.yaml:12), default 12`. */
function shownSetting({ field, value, file, line, default: byDefault }: GoverningSetting): string {
  const words = byDefault === undefined ? "" : `default ${byDefault}`;
  if (line === undefined || file === undefined) return `${field} = ${value} (${words === "" ? "not set" : words})`;
  return `${field} = ${value} (${file}:${line})${words === "" ? "" : `, ${words}`}`;
}

function timeOf(unixMs: number): string {
  return new Date(unixMs).toISOString();
}

// ── gsf events ─────────────────────────────────────────────────────────────────────────────────

interface EventsOptions extends ControlOptions {
  readonly since?: string;
  readonly until?: string;
  readonly group?: string;
  readonly type?: readonly string[];
  readonly follow: boolean;
}

interface Page {
  readonly events?: readonly TimedEvent[];
  readonly next: string | null;
  readonly newest: string | null;
  readonly complete: boolean;
}

interface TimedEvent {
  readonly id: string;
  readonly at: string;
  readonly type: string;
  readonly severity: string;
  readonly sentence: string;
  readonly group?: string;
}

const PAGE = "1000";

async function events(options: EventsOptions): Promise<void> {
  const { since, until, follow } = options;
  if (follow && until !== undefined) throw new UserError("usage", "--follow and --until exclude each other");
  let after: string | undefined;
  let newest: string | null;
  do {
    const page = await pageOf(options, after);
    if (page.events === undefined) throw strange(options.control);
    if (!page.complete && after === undefined)
      process.stderr.write("gsf: the history begins later: older events are forgotten\n");
    show(page.events, options);
    newest = page.newest;
    after = page.next ?? undefined;
  } while (after !== undefined && since !== undefined);
  if (follow) await followFrom(newest ?? undefined, options);
}

async function pageOf(options: EventsOptions, after: string | undefined): Promise<Page> {
  const { since, until, group, type } = options;
  const query = new URLSearchParams();
  if (after !== undefined) query.set("after", after);
  else if (since !== undefined) query.set("since", since);
  if (since !== undefined || after !== undefined) query.set("limit", PAGE);
  else query.set("limit", "100");
  if (until !== undefined) query.set("until", until);
  if (group !== undefined) query.set("group", group);
  for (const one of type ?? []) query.append("type", one);
  return (await askControl(options, "GET", `/v1/events?${query}`)) as Page;
}

function show(list: readonly TimedEvent[], { json }: EventsOptions): void {
  if (list.length > 0) print(...list.map((event) => (json ? JSON.stringify(event) : inOneLine(event))));
}

function inOneLine({ at, severity, group = "", type, sentence }: TimedEvent): string {
  return `${at}  ${severity.toUpperCase().padEnd(5)}  ${group}  ${type}: ${sentence}`;
}

async function followFrom(newest: string | undefined, options: EventsOptions): Promise<void> {
  const stream = new EventStream(options.control, tokenOf(options), newest);
  const types = new Set((options.type ?? []).flatMap((one) => one.split(",")));
  for await (const event of stream.events(process.stderr)) {
    const timed = event as TimedEvent;
    const fits =
      (types.size === 0 || types.has(timed.type)) && (options.group === undefined || timed.group === options.group);
    if (fits) show([timed], options);
  }
}
