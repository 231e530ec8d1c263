/**
 * From a configuration file to settings: reads YAML (and so JSON), fills in defaults, looks secrets up, and refuses
 * what is wrong, all of it at once and each at its line. What fields there are is in `config-schema.ts`, which of them
 * contradict each other in `config-hazards.ts`. Secrets come from a file or the environment and never stand in the
 * configuration itself, which gets copied into tickets and repositories.
 */
import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { type Document, LineCounter, parseDocument } from "yaml";
import { UserError } from "./adapters/exit-codes.ts";
import { groupOf } from "./config-group.ts";
import { type FieldPath, reportHazards } from "./config-hazards.ts";
import { type ConfigurationProblem, ConfigurationProblems, problemAt } from "./config-problems.ts";
import { configurationSchema, type WrittenConfiguration } from "./config-schema.ts";
import type { GatewaySettings } from "./fleet/settings.ts";

/** A configuration that can be run. */
export interface Configuration {
  readonly settings: GatewaySettings;
  /** What callers of the control listener must show; undefined where they need nothing. */
  readonly controlToken: string | undefined;
}

/** Where secrets are looked up. */
export interface SecretSources {
  /** Reads a text file, given as it stands in the configuration. */
  readonly readFile: (path: string) => string;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** A larger file is refused unread: a thousand groups written in full are a tenth of it. */
const MAX_FILE_BYTES = 16 * 1024 ** 2;
/** HMAC-SHA256 keys and bearer tokens below 128 bits can be guessed. */
const MIN_SECRET_BYTES = 16;
/** How often anchors may be used, for example by each of 10,000 groups. Bounds what a file can expand to. */
const MAX_ALIASES = 100_000;

/** Reads the file at `path`; paths in it are relative to it. Throws {@link ConfigurationProblems}. */
export function loadConfiguration(path: string, environment: SecretSources["environment"]): Configuration {
  const directory = dirname(resolve(path));
  const source = readText(path);
  return parseConfiguration(source, path, {
    environment,
    readFile: (name) => readFileSync(resolve(directory, name), "utf8"),
  });
}

/** As {@link loadConfiguration}, from the text of a file called `name`. */
export function parseConfiguration(source: string, name: string, secrets: SecretSources): Configuration {
  const lines = new LineCounter();
  const document = parseDocument(source, { lineCounter: lines, prettyErrors: false, merge: true });
  if (document.errors.length > 0) {
    const problems = document.errors.map(({ pos, code, message }) => {
      const { line, col } = lines.linePos(pos[0]);
      const sentence = code === "DUPLICATE_KEY" ? saidTwice(source.slice(pos[0])) : `this is not YAML: ${message}`;
      return { field: "", line, column: col, sentence };
    });
    throw new ConfigurationProblems(name, problems);
  }
  const problems: ConfigurationProblem[] = [];
  const report = (path: FieldPath, sentence: string, at?: "name" | "value"): void => {
    problems.push(problemAt(document, lines, path, sentence, at));
  };
  const written = readFields(plainData(document, name), report);
  const secret = heartbeatSecret(written, secrets, report);
  const controlToken = tokenOf(written, secrets, report);
  if (problems.length > 0) throw new ConfigurationProblems(name, problems);
  return { settings: settingsOf(written, secret), controlToken };
}

/** The sentence for a field that its section has already; `source` begins with the field's name. */
function saidTwice(source: string): string {
  const name = /^"[^"\n]*"|^'[^'\n]*'|^[^\s:,]+/.exec(source)?.[0] ?? "a field";
  return `${name} stands twice in the same section; keep one of them`;
}

/** The document without its notation; anchors are resolved here. */
function plainData(document: Document, name: string): unknown {
  try {
    return document.toJS({ maxAliasCount: MAX_ALIASES });
  } catch (error) {
    const sentence = `this is not YAML: ${(error as Error).message}`;
    throw new ConfigurationProblems(name, [{ field: "", line: undefined, column: undefined, sentence }]);
  }
}

type Report = (path: FieldPath, sentence: string, at?: "name" | "value") => void;

/** The fields as far as they can be read; what cannot is reported. */
function readFields(document: unknown, report: Report): WrittenConfiguration {
  let partly: unknown;
  const schema = configurationSchema.superRefine(
    (written) => {
      partly = written;
    },
    { when: () => true },
  );
  const result = schema.safeParse(document);
  for (const issue of result.error?.issues ?? []) {
    if (issue.code !== "unrecognized_keys") report(issue.path, issue.message);
    else {
      const sentences = issue.message.split("\n");
      for (const [place, key] of issue.keys.entries()) report([...issue.path, key], sentences[place] as string, "name");
    }
  }
  const written = partly as WrittenConfiguration;
  const unknown = (result.error?.issues ?? []).flatMap((issue) =>
    issue.code === "unrecognized_keys" ? issue.keys : [],
  );
  reportHazards(written, unknown, report);
  return written;
}

function heartbeatSecret(written: WrittenConfiguration, secrets: SecretSources, report: Report): string {
  const { secretFile, secretEnv } = written?.heartbeats ?? {};
  return lookUp("heartbeats", { file: secretFile, env: secretEnv }, "secret", secrets, report) ?? "";
}

function tokenOf(written: WrittenConfiguration, secrets: SecretSources, report: Report): string | undefined {
  const { tokenFile, tokenEnv } = written?.control ?? {};
  const token = lookUp("control", { file: tokenFile, env: tokenEnv }, "token", secrets, report);
  if (token !== undefined && !/^[A-Za-z0-9._~+/-]+=*$/.test(token)) {
    const field = tokenFile === undefined ? "tokenEnv" : "tokenFile";
    report(["control", field], "the token may hold only letters, digits and . _ ~ + / - (RFC 6750), = at its end");
  }
  return token;
}

/** The secret that a section's `…File` or `…Env` leads to. Its text appears in no message. */
function lookUp(
  section: string,
  { file, env }: { readonly file: unknown; readonly env: unknown },
  word: "secret" | "token",
  sources: SecretSources,
  report: Report,
): string | undefined {
  let found: string | undefined;
  const field = [section, typeof file === "string" ? `${word}File` : `${word}Env`];
  if (typeof file === "string") {
    try {
      found = sources.readFile(file);
    } catch (error) {
      const remedy = isMissing(error)
        ? `; make it (its path is relative to this configuration), for example with: openssl rand -hex 32 > ${file}`
        : "";
      report(field, `cannot read ${file}: ${reasonOf(error)}${remedy}`);
      return undefined;
    }
  } else if (typeof env === "string") {
    found = sources.environment[env];
    if (found === undefined) {
      report(
        field,
        `there is no environment variable ${env}; set it, for example with: export ${env}="$(openssl rand -hex 32)"`,
      );
      return undefined;
    }
  } else return undefined;
  const trimmed = found.trim();
  const bytes = Buffer.byteLength(trimmed);
  if (bytes < MIN_SECRET_BYTES)
    report(
      field,
      `it has ${bytes} bytes; allowed are at least ${MIN_SECRET_BYTES}, for example from: openssl rand -hex 32`,
    );
  return trimmed;
}

function settingsOf(written: WrittenConfiguration, secret: string): GatewaySettings {
  const { heartbeats } = written;
  return {
    groups: written.groups.map(groupOf),
    control: written.control.listen,
    heartbeats: heartbeats === undefined ? undefined : { listen: heartbeats.listen, secret },
    callers: written.callers,
    drainDelayMs: written.drainDelay,
    drainMs: written.drain,
  };
}

function readText(path: string): string {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw new UserError("configuration", `cannot read ${path}: ${reasonOf(error)}`);
  }
  if (bytes.length > MAX_FILE_BYTES)
    throw new UserError("configuration", `${path} has ${bytes.length} bytes; allowed are at most ${MAX_FILE_BYTES}`);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new UserError("configuration", `${path} is not text in UTF-8`);
  }
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "ENOENT";
}

function reasonOf(error: unknown): string {
  if (isMissing(error)) return "there is no such file";
  const { code } = error as NodeJS.ErrnoException;
  if (code === "EACCES") return "this user may not read it";
  if (code === "EISDIR") return "it is a directory";
  return error instanceof Error ? error.message : String(error);
}
