/**
 * Secrets that a configuration refers to: those that sign heartbeats, for all stations or for one,
 * and the tokens of the control listener. They are stored in files or the environment. No secret
 * appears in a message. Those in files can be read again while the gateway runs, so that they
 * can be rotated.
 */
import type { ControlToken } from "../adapters/control/control-access.ts";
import { UserError } from "../adapters/process/exit-codes.ts";
import { MIN_SECRET_BYTES, secretIn } from "../adapters/process/secret-file.ts";
import type { HeartbeatSecrets } from "../fleet/settings.ts";
import type { FieldPath } from "./field-path.ts";
import { shownPath } from "./field-path.ts";
import type { WrittenConfiguration } from "./schema.ts";

/** Where secrets are looked up. */
export interface SecretSources {
  /**
   * Reads a file; the path is as written in the configuration. Throws the operating system's error
   * if it cannot.
   */
  readonly readFile: (path: string) => Uint8Array | string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /**
   * Why users other than its owner can read a file, and the remedy; undefined if they cannot.
   * Default: they cannot.
   */
  readonly openTo?: (path: string) => string | undefined;
  /** Reads a certificate or a key. Default: none can be read. */
  readonly readPem?: (path: string) => string;
}

/** Reports a secret that cannot be used, at the field that refers to it. */
type Report = (path: FieldPath, sentence: string) => void;

/** Fields of a section that name files or variables, if they could be read. */
interface Named {
  readonly path: FieldPath;
  readonly word: "secret" | "token";
  readonly files: readonly string[];
  readonly variables: readonly string[];
}

/** The secrets that sign heartbeats; those that cannot be used are reported. */
export function heartbeatSecrets(
  written: WrittenConfiguration,
  sources: SecretSources,
  report: Report,
): HeartbeatSecrets {
  const shared = lookUp(sharedOf(written), sources, report);
  const own = new Map(
    ownOf(written).map(([station, named]): [string, Uint8Array[]] => [station, lookUp(named, sources, report)]),
  );
  return { shared, own };
}

/**
 * The same secrets, read from their files again. Throws a {@link UserError} that says why a secret
 * cannot be used.
 */
export function readAgain(written: WrittenConfiguration, sources: SecretSources): HeartbeatSecrets {
  return heartbeatSecrets(written, sources, (path, sentence) => {
    throw new UserError("configuration", `${shownPath(path)}: ${sentence}`);
  });
}

/** The files with heartbeat secrets, as written in the configuration. */
export function heartbeatSecretFiles(written: WrittenConfiguration): string[] {
  return [sharedOf(written), ...ownOf(written).map(([, named]) => named)].flatMap(({ files }) => files);
}

/** The control listener's tokens; those that cannot be used are reported. */
export function controlTokens(
  written: WrittenConfiguration,
  sources: SecretSources,
  report: Report,
): readonly ControlToken[] {
  const byValue = new Map<string, ControlToken>();
  for (const { path, name, may, tokenFile, tokenEnv } of writtenTokens(written)) {
    const field = [...path, tokenFile === undefined ? "tokenEnv" : "tokenFile"];
    const [bytes] = lookUp({ path, word: "token", ...both(tokenFile, tokenEnv) }, sources, report);
    if (bytes === undefined) continue;
    const value = Buffer.from(bytes).toString("utf8");
    if (!/^[A-Za-z0-9._~+/-]+=*$/.test(value))
      report(field, "the token may hold only letters, digits and . _ ~ + / - (RFC 6750), = at its end");
    const same = byValue.get(value);
    if (same !== undefined) report(field, `it is the token of ${same.name}, too; tokens must differ`);
    byValue.set(value, { name, may, value });
  }
  return [...byValue.values()];
}

/** The control tokens, read from their files again. Throws a {@link UserError}. */
export function readTokensAgain(written: WrittenConfiguration, sources: SecretSources): readonly ControlToken[] {
  return controlTokens(written, sources, (path, sentence) => {
    throw new UserError("configuration", `${shownPath(path)}: ${sentence}`);
  });
}

/** The files with control tokens, as written in the configuration. */
export function controlTokenFiles(written: WrittenConfiguration): string[] {
  return writtenTokens(written).flatMap(({ tokenFile }) => (typeof tokenFile === "string" ? [tokenFile] : []));
}

/** Name of the token that has none of its own. */
export const UNNAMED_TOKEN = "operator";

interface PlacedToken {
  readonly path: FieldPath;
  readonly name: string;
  readonly may: ControlToken["may"];
  readonly tokenFile?: string | undefined;
  readonly tokenEnv?: string | undefined;
}

function writtenTokens(written: WrittenConfiguration): readonly PlacedToken[] {
  const { tokenFile, tokenEnv, tokens } = written?.control ?? {};
  const unnamed: PlacedToken = { path: ["control"], name: UNNAMED_TOKEN, may: "operate", tokenFile, tokenEnv };
  const named = Array.isArray(tokens) ? [...(tokens as NonNullable<typeof tokens>).entries()] : [];
  return [
    unnamed,
    ...named
      .filter(([, token]) => typeof token === "object" && token !== null)
      .map(([place, token]): PlacedToken => ({ ...token, path: ["control", "tokens", place] })),
  ];
}

function sharedOf(written: WrittenConfiguration): Named {
  const { secretFile, secretEnv } = written?.heartbeats ?? {};
  return { path: ["heartbeats"], word: "secret", ...both(secretFile, secretEnv) };
}

/** By `group/station`: stations that have their own secrets. */
function ownOf(written: WrittenConfiguration): [string, Named][] {
  if (!Array.isArray(written?.groups)) return [];
  return [...(written as WrittenConfiguration).groups.entries()].flatMap(([groupPlace, group]) => {
    if (!Array.isArray(group?.stations)) return [];
    return [...group.stations.entries()].flatMap(([place, station]): [string, Named][] => {
      const named = both(station?.secretFile, station?.secretEnv);
      if (named.files.length + named.variables.length === 0) return [];
      const path = ["groups", groupPlace, "stations", place];
      return [[`${group.name}/${station.name}`, { path, word: "secret", ...named }]];
    });
  });
}

/** If both are given, one of them is reported elsewhere. */
function both(files: unknown, variables: unknown): { files: string[]; variables: string[] } {
  const texts = (value: unknown): string[] =>
    (Array.isArray(value) ? value : [value]).filter((text) => typeof text === "string");
  return { files: texts(files), variables: texts(variables) };
}

function lookUp({ path, word, files, variables }: Named, sources: SecretSources, report: Report): Uint8Array[] {
  const secrets: Uint8Array[] = [];
  const take = (field: FieldPath, bytes: Uint8Array | undefined): void => {
    if (bytes === undefined) return;
    const secret = secretIn(bytes);
    if (secret.length < MIN_SECRET_BYTES)
      report(
        field,
        `it has ${secret.length} bytes; allowed are at least ${MIN_SECRET_BYTES}, for example from: openssl rand -hex 32`,
      );
    secrets.push(secret);
  };
  const at = (field: string, all: readonly string[], place: number): FieldPath =>
    all.length === 1 ? [...path, field] : [...path, field, place];
  for (const [place, file] of files.entries()) {
    const field = at(`${word}File`, files, place);
    take(
      field,
      fileBytes(file, sources, (sentence) => report(field, sentence)),
    );
  }
  for (const [place, variable] of variables.entries()) {
    const field = at(`${word}Env`, variables, place);
    take(
      field,
      variableBytes(variable, sources, (sentence) => report(field, sentence)),
    );
  }
  return secrets;
}

function fileBytes(
  file: string,
  { readFile }: SecretSources,
  report: (sentence: string) => void,
): Uint8Array | undefined {
  try {
    return Buffer.from(readFile(file) as string);
  } catch (error) {
    const remedy = isMissing(error)
      ? `; make it (its path is relative to this configuration), for example with: (umask 077; openssl rand -hex 32 > ${file})`
      : "";
    report(`cannot read ${file}: ${reasonOf(error)}${remedy}`);
    return undefined;
  }
}

function variableBytes(
  name: string,
  { environment }: SecretSources,
  report: (sentence: string) => void,
): Uint8Array | undefined {
  const text = environment[name];
  if (text === undefined)
    report(
      `there is no environment variable ${name}; set it to the secret that the stations have, for example with: ` +
        `export ${name}="$(cat heartbeat.secret)"; a new one: (umask 077; openssl rand -hex 32 > heartbeat.secret)`,
    );
  // Node replaces bytes that are not UTF-8 by this character, so different secrets would become
  // equal.
  else if (text.includes("\uFFFD")) report(`${name} does not hold text in UTF-8; give a file instead`);
  else return Buffer.from(text, "utf8");
  return undefined;
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "ENOENT";
}

/** Why a file cannot be read, in words. */
export function reasonOf(error: unknown): string {
  if (isMissing(error)) return "there is no such file";
  const { code } = error as NodeJS.ErrnoException;
  if (code === "EACCES") return "this user may not read it";
  if (code === "EISDIR") return "it is a directory";
  return error instanceof Error ? error.message : String(error);
}
