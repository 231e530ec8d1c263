/**
 * Turns a configuration file into settings: reads YAML (and so JSON, see `yaml.ts`), fills in
 * defaults, looks up secrets, and reports all errors at once, each with its line. `schema.ts`
 * defines the fields; `hazards.ts` finds those that contradict each other. Secrets come from a file
 * or the environment and are never part of the configuration itself, because configurations get
 * copied into tickets and repositories.
 */
import { createHash } from "node:crypto";
import { dirname, resolve } from "node:path";
import type { ControlToken } from "../adapters/control/control-access.ts";
import { readAtMost } from "../adapters/process/bounded-file.ts";
import { UserError } from "../adapters/process/exit-codes.ts";
import { openTo, readSecretFile } from "../adapters/process/secret-file.ts";
import type { Certificates } from "../adapters/tls/certificates.ts";
import type { WrittenPlaces } from "../fleet/explain/governing-settings.ts";
import type { AccessLogSettings, GatewaySettings, HeartbeatSecrets } from "../fleet/settings.ts";
import { bareNumbers } from "./bare-numbers.ts";
import {
  certificateFiles,
  certificatesAgain,
  certificatesOf,
  certificateWarnings,
  MAX_PEM_BYTES,
} from "./certificates.ts";
import type { FieldPath } from "./field-path.ts";
import { groupOf } from "./group.ts";
import { reportHazards } from "./hazards.ts";
import { whyNoField } from "./incident-lessons.ts";
import { type ConfigurationProblem, ConfigurationProblems, problemAt, shownProblem } from "./problems.ts";
import { configurationSchema, type WrittenConfiguration } from "./schema.ts";
import {
  controlTokenFiles,
  controlTokens,
  heartbeatSecretFiles,
  heartbeatSecrets,
  readAgain,
  readTokensAgain,
  reasonOf,
  type SecretSources,
} from "./secrets.ts";
import { stateOf, type WrittenState } from "./state.ts";
import type { LocatedTiming } from "./timing.ts";
import { locatedTimings } from "./timing-lines.ts";
import { MAX_PROBLEMS } from "./values.ts";
import { writtenPlaces } from "./written-places.ts";
import { readYaml } from "./yaml.ts";

/** A valid configuration. */
export interface Configuration {
  readonly settings: GatewaySettings;
  /** Tokens of the control listener; none: only this machine has access. */
  readonly controlTokens: {
    readonly now: readonly ControlToken[];
    /** Files from which they are read. */
    readonly files: readonly string[];
    /** Reads them again. Throws a {@link UserError} that says why one cannot be used. */
    read(): readonly ControlToken[];
  };
  /** The longest takeover of each group, term by term. */
  readonly timing: readonly LocatedTiming[];
  /** Problems that should be fixed but do not prevent a start; one sentence each. */
  readonly warnings: readonly string[];
  /** Where fields are written, for explanations. */
  readonly written: WrittenPlaces;
  readonly heartbeatSecrets: {
    /** Files from which they are read. Secrets from the environment cannot change. */
    readonly files: readonly string[];
    /** Reads them again. Throws a {@link UserError} that says why a secret cannot be used. */
    read(): HeartbeatSecrets;
  };
  readonly certificates: {
    readonly first: Certificates;
    /** Files from which they are read. */
    readonly files: readonly string[];
    /** Reads them again. Throws a {@link UserError} that says why one cannot be used. */
    read(): Certificates;
  };
}

/** A configuration that was read from a file. */
export interface LoadedConfiguration extends Configuration {
  /** Beginning of the SHA-256 of the file's text, in hexadecimal digits. */
  readonly digest: string;
}

/** A larger file is refused unread. A thousand groups with all fields take a fifth of this. */
const MAX_FILE_BYTES = 4 * 1024 ** 2;

/**
 * Reads the file at `path`; paths in the file are relative to it. `isAgain`: the process serves, so
 * that a pipe is refused, as it is for whatever is read again later. Throws
 * {@link ConfigurationProblems}.
 */
export function loadConfiguration(
  path: string,
  environment: SecretSources["environment"],
  isAgain = false,
): LoadedConfiguration {
  const directory = dirname(resolve(path));
  let mayWait = !isAgain;
  const source = readText(path, mayWait);
  const at = (name: string): string => resolve(directory, name);
  const read = parseConfiguration(source, path, {
    environment,
    stateOf: (written) => stateOf(written, path, environment),
    readFile: (name) => readSecretFile(at(name), mayWait),
    openTo: (name) => openTo(at(name)),
    readPem: (name) => readPem(at(name), mayWait),
  });
  mayWait = false;
  const files = read.heartbeatSecrets.files.map(at);
  const settings = { ...read.settings, accessLog: withPath(read.settings.accessLog, at) };
  const { controlTokens: tokens } = read;
  return {
    ...read,
    settings,
    controlTokens: { ...tokens, files: tokens.files.map(at) },
    digest: digestOfText(source),
    heartbeatSecrets: { ...read.heartbeatSecrets, files },
    certificates: { ...read.certificates, files: read.certificates.files.map(at) },
  };
}

function withPath(accessLog: AccessLogSettings | undefined, at: (name: string) => string): AccessLogSettings {
  const settings = accessLog as AccessLogSettings;
  return settings.to.includes("/") ? { ...settings, to: at(settings.to) } : settings;
}

/** What a configuration refers to. */
interface ConfigurationSources extends SecretSources {
  /** Where state is kept. Default: nowhere, because there is no place of the file. */
  readonly stateOf?: (written: WrittenState) => GatewaySettings["state"];
}

/** As {@link loadConfiguration}, but from the text of a file called `name`. */
export function parseConfiguration(source: string, name: string, secrets: ConfigurationSources): Configuration {
  const { data, document, lines } = readYaml(source, name);
  const problems: ConfigurationProblem[] = [];
  let found = 0;
  const report = (path: FieldPath, sentence: string, at?: "name" | "value"): void => {
    if (++found <= MAX_PROBLEMS) problems.push(problemAt(document, lines, path, sentence, at));
  };
  const written = readFields(data, report);
  const heartbeats = heartbeatSecrets(written, secrets, report);
  const tokens = controlTokens(written, secrets, report);
  const { readPem = unread } = secrets;
  const certificates = certificatesOf(written, readPem, report);
  const timing = locatedTimings(written, data, document, lines);
  if (found > 0) throw new ConfigurationProblems(name, problems, { count: found, timing });
  const files = heartbeatSecretFiles(written);
  const tokenFiles = controlTokenFiles(written);
  const named = certificateFiles(written);
  const openFiles = new Set([...files, ...tokenFiles, ...named.keys]);
  const open = [...openFiles].map((file) => secrets.openTo?.(file)).filter((warning) => warning !== undefined);
  const bare = bareNumbers(data)
    .slice(0, MAX_PROBLEMS)
    .map(({ path, sentence }) => shownProblem(name, problemAt(document, lines, path, sentence)));
  return {
    settings: { ...settingsOf(written, heartbeats), state: secrets.stateOf?.(written.state) },
    controlTokens: { now: tokens, files: tokenFiles, read: () => readTokensAgain(written, secrets) },
    timing,
    warnings: [...open, ...certificateWarnings(certificates, () => Date.now()), ...bare],
    written: writtenPlaces(name, document, lines),
    heartbeatSecrets: { files, read: () => readAgain(written, secrets) },
    certificates: { first: certificates, files: named.all, read: () => certificatesAgain(written, readPem) },
  };
}

type Report = (path: FieldPath, sentence: string, at?: "name" | "value") => void;

/** The fields that can be read; the others are reported. */
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
      for (const [place, key] of issue.keys.entries()) {
        const path = [...issue.path, key];
        report(path, [sentences[place], whyNoField(path)].filter((part) => part !== undefined).join(". "), "name");
      }
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
    controlTls: written.control.tls,
    heartbeats: heartbeats === undefined ? undefined : { listen: heartbeats.listen, secrets },
    callers: written.callers,
    accessLog: written.accessLog,
    agentCheck: written.agentCheck,
    drainDelayMs: written.drainDelay,
    drainMs: written.drain,
  };
}

function readPem(path: string, mayWait: boolean): string {
  const bytes = readAtMost(path, MAX_PEM_BYTES, mayWait);
  if (bytes === undefined) throw new RangeError(`it has more than ${MAX_PEM_BYTES} bytes`);
  return bytes.toString("latin1");
}

/** Where no files can be read. */
function unread(): never {
  throw new Error("certificates are not read here");
}

/** The digest of a file as it is now; undefined if it cannot be read, or could keep us waiting. */
export function digestOf(path: string): string | undefined {
  try {
    return digestOfText(readText(path, false));
  } catch {
    return undefined;
  }
}

function digestOfText(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}

/**
 * The text of the file at `path`. `mayWait`: see {@link readAtMost}. Throws a {@link UserError} if
 * it cannot be read.
 */
export function readText(path: string, mayWait = true): string {
  let bytes: Buffer | undefined;
  try {
    bytes = readAtMost(path, MAX_FILE_BYTES, mayWait);
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
