/**
 * The log: pino's JSON, one object a line, for machines; one readable line for a person at a terminal. It goes to
 * standard error, because standard output belongs to a command's result. Fields that could hold a secret are struck
 * out whatever their value. It does not rotate or ship anything.
 */
import { type DestinationStream, destination, type Logger, pino } from "pino";

/** The log that everything writes to. */
export type Log = Logger;

export const LOG_LEVELS = ["debug", "info", "warn", "error", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface LogOptions {
  readonly level: LogLevel;
  /** True: JSON, one object a line. False: lines for a person. */
  readonly json: boolean;
  /** Where lines go. Default: standard error. */
  readonly to?: DestinationStream;
}

/** Struck out wherever they stand, at the top or one level down. */
const SECRET_FIELDS = ["secret", "token", "authorization", "cookie"];

export function createLog({ level, json, to }: LogOptions): Log {
  // Written at once: a line that explains why the process ended must not be lost with it.
  const stderr = to ?? destination({ fd: 2, sync: true });
  return pino(
    {
      level,
      base: null,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: SECRET_FIELDS.flatMap((field) => [field, `*.${field}`]), censor: "(secret)" },
    },
    json ? stderr : { write: (line) => stderr.write(readable(line)) },
  );
}

/** `12:03:04.567 WARN  promoted backup  group=atlantic epoch=2`, whatever the fields hold. */
function readable(line: string): string {
  const { level, time, msg, err, ...fields } = JSON.parse(line) as Record<string, unknown>;
  const rest = Object.entries(fields).map(([name, value]) => `${name}=${plain(value)}`);
  if (typeof err === "object" && err !== null && "message" in err) rest.push(`error=${plain(err.message)}`);
  const clock = String(time).slice(11, 23);
  return `${[`${clock} ${String(level).toUpperCase().padEnd(5)}`, visible(String(msg ?? "")), ...rest].join("  ")}\n`;
}

function plain(value: unknown): string {
  return typeof value === "string" && /^[\w./:@+-]+$/.test(value) ? value : JSON.stringify(value);
}

/** A message may quote what came over the network: control characters could rewrite the terminal. */
function visible(message: string): string {
  return message.replace(/\p{Cc}/gu, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`);
}
