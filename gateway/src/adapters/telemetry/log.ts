/**
 * The log: pino's JSON with one object per line, for machines; or one readable line each, for a
 * person at a terminal. It is written to standard error, because standard output is for a command's
 * result. Fields that could hold a secret are redacted, whatever their value. It does not rotate or
 * ship logs, and a reader that does not read cannot stop the process (`log-output.ts`).
 */
import { isatty } from "node:tty";
import { type DestinationStream, type Logger, pino } from "pino";
import { LogOutput } from "./log-output.ts";
import { visible } from "./visible.ts";

/** The logger type used throughout the gateway. */
export type Log = Logger;

export const LOG_LEVELS = ["debug", "info", "warn", "error", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface LogOptions {
  readonly level: LogLevel;
  /** True: JSON, one object per line. False: lines for people. */
  readonly json: boolean;
  /** Where lines go. */
  readonly to: DestinationStream;
}

/** The log of a process, on its standard error. */
export interface ProcessLog {
  readonly log: Log;
  /** Number of lines that were not read or could not be written, since the start. */
  readonly lost: () => number;
  /** The output itself, for other lines that go the same way. */
  readonly output: LogOutput;
}

/** `json`: write JSON even if standard error is a terminal. */
export function processLog(level: LogLevel = "info", json = false): ProcessLog {
  const isJson = json || !isatty(2);
  const output = LogOutput.standardError({
    droppedLine: (lost) => {
      const line = JSON.stringify({
        level: "warn",
        time: new Date().toISOString(),
        event: "log-lines-lost",
        lost,
        msg: LOST,
      });
      return isJson ? `${line}\n` : readable(line);
    },
  });
  return { log: createLog({ level, json: isJson, to: output }), lost: () => output.dropped, output };
}

const LOST = "lines of this log were lost: nobody read them, or they could not be written";

/** Redacted at the top level and one level below. */
const SECRET_FIELDS = ["secret", "token", "authorization", "cookie"];

export function createLog({ level, json, to }: LogOptions): Log {
  return pino(
    {
      level,
      base: null,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: SECRET_FIELDS.flatMap((field) => [field, `*.${field}`]), censor: "(secret)" },
    },
    { write: (line) => to.write(json ? `${visible(line.trimEnd())}\n` : readable(line)) },
  );
}

/**
 * Formats a line as `12:03:04.567 WARN promoted backup group=atlantic epoch=2`, always on one line.
 */
function readable(line: string): string {
  const { level, time, msg, err, ...fields } = JSON.parse(line) as Record<string, unknown>;
  const rest = Object.entries(fields).map(([name, value]) => `${name}=${plain(value)}`);
  if (typeof err === "object" && err !== null && "message" in err) rest.push(`error=${plain(err.message)}`);
  const clock = String(time).slice(11, 23);
  return `${[`${clock} ${String(level).toUpperCase().padEnd(5)}`, visible(String(msg ?? "")), ...rest].join("  ")}\n`;
}

function plain(value: unknown): string {
  return typeof value === "string" && /^[\w./:@+-]+$/.test(value) ? value : visible(JSON.stringify(value));
}
