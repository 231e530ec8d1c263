/**
 * From a configuration file to settings: reads YAML (and so JSON), fills in defaults, looks secrets up, and refuses
 * what is wrong, all of it at once and each at its line. What fields there are is in `config-schema.ts`, which of them
 * contradict each other in `config-hazards.ts`. Secrets come from a file or the environment and never stand in the
 * configuration itself, which gets copied into tickets and repositories.
 */
import { dirname, resolve } from "node:path";
import { type Document, LineCounter, parseDocument } from "yaml";
import { readAtMost } from "./adapters/bounded-file.ts";
import { UserError } from "./adapters/exit-codes.ts";
import { openTo, readSecretFile } from "./adapters/secret-file.ts";
import { groupOf } from "./config-group.ts";
import { type FieldPath, reportHazards } from "./config-hazards.ts";
import { type ConfigurationProblem, ConfigurationProblems, problemAt } from "./config-problems.ts";
import { configurationSchema, type WrittenConfiguration } from "./config-schema.ts";
import {
  controlToken,
  heartbeatSecretFiles,
  heartbeatSecrets,
  readAgain,
  reasonOf,
  type SecretSources,
} from "./config-secrets.ts";
import type { GatewaySettings, HeartbeatSecrets } from "./fleet/settings.ts";

/** A configuration that can be run. */
export interface Configuration {
  readonly settings: GatewaySettings;
  /** What callers of the control listener must show; undefined where they need nothing. */
  readonly controlToken: string | undefined;
  /** What is no reason to refuse it and ought to be mended: one sentence each. */
  readonly warnings: readonly string[];
  readonly heartbeatSecrets: {
    /** Where they are read from; those of the environment cannot change. */
    readonly files: readonly string[];
    /** Reads them again. Throws a {@link UserError} that says why one cannot be used. */
    read(): HeartbeatSecrets;
  };
}

/** A larger file is refused unread: a thousand groups written in full are a tenth of it. */
const MAX_FILE_BYTES = 16 * 1024 ** 2;
/** How often anchors may be used, for example by each of 10,000 groups. Bounds what a file can expand to. */
const MAX_ALIASES = 100_000;

/** Reads the file at `path`; paths in it are relative to it. Throws {@link ConfigurationProblems}. */
export function loadConfiguration(path: string, environment: SecretSources["environment"]): Configuration {
  const directory = dirname(resolve(path));
  const source = readText(path);
  const at = (name: string): string => resolve(directory, name);
  const read = parseConfiguration(source, path, {
    environment,
    readFile: (name) => readSecretFile(at(name)),
    openTo: (name) => openTo(at(name)),
  });
  const files = read.heartbeatSecrets.files.map(at);
  return { ...read, heartbeatSecrets: { ...read.heartbeatSecrets, files } };
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
  const heartbeats = heartbeatSecrets(written, secrets, report);
  const token = controlToken(written, secrets, report);
  if (problems.length > 0) throw new ConfigurationProblems(name, problems);
  const files = heartbeatSecretFiles(written);
  const { tokenFile } = written.control;
  const openFiles = new Set(tokenFile === undefined ? files : [...files, tokenFile]);
  return {
    settings: settingsOf(written, heartbeats),
    controlToken: token,
    warnings: [...openFiles].map((file) => secrets.openTo?.(file)).filter((warning) => warning !== undefined),
    heartbeatSecrets: { files, read: () => readAgain(written, secrets) },
  };
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

function settingsOf(written: WrittenConfiguration, secrets: HeartbeatSecrets): GatewaySettings {
  const { heartbeats } = written;
  return {
    groups: written.groups.map(groupOf),
    control: written.control.listen,
    heartbeats: heartbeats === undefined ? undefined : { listen: heartbeats.listen, secrets },
    drainMs: written.drain,
  };
}

function readText(path: string): string {
  let bytes: Buffer | undefined;
  try {
    bytes = readAtMost(path, MAX_FILE_BYTES);
  } catch (error) {
    throw new UserError("configuration", `cannot read ${path}: ${reasonOf(error)}`);
  }
  if (bytes === undefined)
    throw new UserError("configuration", `${path} has more than ${MAX_FILE_BYTES} bytes, which are allowed at most`);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new UserError("configuration", `${path} is not text in UTF-8`);
  }
}
