/**
 * Reads the configuration file again on request, and says which one is in force. A file that is not
 * valid, or that the gateway cannot follow now, is refused whole: the settings in force stay. The
 * requests are served one after the other; those that come while one waits share its answer,
 * because the file is read after they came.
 */
import { statSync } from "node:fs";
import { ConfigurationError } from "ground-station-failover";
import type { ConfigurationStatus, ReloadControl, ReloadOutcome } from "../adapters/control/reload-order.ts";
import { UserError } from "../adapters/process/exit-codes.ts";
import type { Log } from "../adapters/telemetry/log.ts";
import { changeInWords, changesOf, isSame, lostBy } from "../fleet/settings-change.ts";
import { digestOf, type LoadedConfiguration, loadConfiguration } from "./config.ts";
import { ConfigurationProblems } from "./problems.ts";

export interface ReloaderOptions {
  readonly path: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The configuration in force. */
  readonly loaded: LoadedConfiguration;
  readonly log: Log;
  /** Follows a configuration. Rejects, and has changed nothing, if that is not possible now. */
  readonly follow: (next: LoadedConfiguration) => Promise<void>;
}

/** The log names no more changed values than these. */
const MAX_LOGGED = 200;

export class Reloader implements ReloadControl {
  readonly #options: ReloaderOptions;
  #loaded: LoadedConfiguration;
  #loadedAt: Date = new Date();
  #counts: { reloads: number; refused: number } = { reloads: 0, refused: 0 };
  #lastRefusal: ConfigurationStatus["lastRefusal"] = undefined;
  #last: Promise<unknown> = Promise.resolve();
  /** The request that has not begun yet. */
  #waiting: Promise<ReloadOutcome> | undefined = undefined;
  /** What the file looked like when its digest was taken last. */
  #seen: { mark: string; digest: string | undefined };

  constructor(options: ReloaderOptions) {
    this.#options = options;
    this.#loaded = options.loaded;
    this.#seen = { mark: markOf(options.path), digest: options.loaded.digest };
  }

  get status(): ConfigurationStatus {
    return {
      file: this.#options.path,
      digest: this.#loaded.digest,
      loadedAt: this.#loadedAt.toISOString(),
      hasChangedOnDisk: this.#digestOnDisk() !== this.#loaded.digest,
      ...this.#counts,
      lastRefusal: this.#lastRefusal,
    };
  }

  reload(): Promise<ReloadOutcome> {
    if (this.#waiting !== undefined) return this.#waiting;
    const outcome = this.#last.then(() => {
      this.#waiting = undefined;
      return this.#reload();
    });
    this.#waiting = outcome;
    this.#last = outcome.catch(() => undefined);
    return outcome;
  }

  async #reload(): Promise<ReloadOutcome> {
    const { path, environment, log, follow } = this.#options;
    const before = this.#loaded;
    try {
      const next = loadConfiguration(path, environment, true);
      const changes = changesOf(before.settings, next.settings);
      await follow(next);
      this.#loaded = next;
      this.#loadedAt = new Date();
      this.#seen = { mark: markOf(path), digest: next.digest };
      this.#counts.reloads++;
      this.#lastRefusal = undefined;
      const words = changes.map(changeInWords);
      if (!isSame(next.controlTokens.now, before.controlTokens.now))
        words.push("control tokens: (not shown) → (not shown)");
      for (const change of words.slice(0, MAX_LOGGED)) log.info({ change }, "a setting has changed");
      if (words.length > MAX_LOGGED) log.info({ more: words.length - MAX_LOGGED }, "more settings have changed");
      for (const warning of next.warnings) log.warn(warning);
      log.info({ file: path, digest: next.digest, changes: words.length }, "the configuration was read again");
      return {
        type: "done",
        changes: words,
        lost: lostBy(changes),
        warnings: next.warnings,
        configuration: this.status,
      };
    } catch (error) {
      return this.#refused(error);
    }
  }

  #refused(error: unknown): ReloadOutcome {
    const isInvalid = error instanceof ConfigurationProblems;
    // Anything else is a fault of ours; the gateway serves on with what it has.
    const isKnown = isInvalid || error instanceof UserError || error instanceof ConfigurationError;
    const { path, log } = this.#options;
    const detail = isKnown ? error.message : `a fault in the gateway: ${String(error)}`;
    this.#counts.refused++;
    this.#lastRefusal = { at: new Date().toISOString(), detail };
    const message = "the configuration is refused, and nothing has changed";
    log.error(isKnown ? { file: path, why: detail } : { file: path, err: error }, message);
    const why = isInvalid || (error instanceof UserError && error.ending === "configuration") ? "invalid" : "not-now";
    return { type: "refused", why, detail, problems: isInvalid ? error.problems : [] };
  }

  /** Undefined if the file cannot be read. It is read again only if it looks different. */
  #digestOnDisk(): string | undefined {
    const mark = markOf(this.#options.path);
    if (mark !== this.#seen.mark) this.#seen = { mark, digest: digestOf(this.#options.path) };
    return this.#seen.digest;
  }
}

/** A value that differs after the file was written or replaced. */
function markOf(path: string): string {
  try {
    const { dev, ino, size, mtimeMs, ctimeMs } = statSync(path);
    return `${dev} ${ino} ${size} ${mtimeMs} ${ctimeMs}`;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? "";
  }
}
