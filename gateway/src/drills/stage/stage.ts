/**
 * The system under test of a drill, as the runner sees it: it is started in a process of its own
 * (`system-process.ts`), which starts and kills all others. The runner holds a channel to it, the
 * values for the drill's file, and the id of the process group, by which everything is killed at
 * last, also what is stopped by a signal.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "ground-station-failover";
import { request } from "undici";
import { PROGRAM } from "../../adapters/process/children.ts";
import { UserError } from "../../adapters/process/exit-codes.ts";
import { machineNowMs } from "../../adapters/process/machine-time.ts";
import type { DrillExpectation, JsonObject } from "../experiment/experiment.ts";
import { lacksLibrary } from "../injectors/clock.ts";
import type { FaultWindow, Mark, Measured, Signals, Stage, StageContext, Stages } from "../run/hooks.ts";
import { compileCacheEnvironment } from "./compile-cache.ts";
import type { Asked, StageMeasured } from "./measured.ts";
import { readStageSettings } from "./settings-schema.ts";
import type { SystemOrder, SystemReport } from "./system-process.ts";

const ASK_EVERY_MS = 200;
/** A measurement is a few sums over what was observed. */
const ANSWER_LIMIT_MS = 30_000;
/** The stage ends its processes within this time, in ms; after it, they are killed from here. */
const END_LIMIT_MS = 5_000;
/** A killed process is gone a moment later; it is looked again for 5 s. */
const LOOK_EVERY_MS = 20;
const MAX_LOOKS = 250;

/** The stages that the runner starts. */
export const stages: Stages = {
  problems(settings) {
    const read = readStageSettings(settings);
    return "problems" in read ? read.problems : [];
  },
  async missing(settings) {
    if (process.platform === "win32") return "a stage needs a POSIX system";
    const read = readStageSettings(settings);
    const needsClock = !("problems" in read) && read.value.gateway.ownClock;
    return needsClock ? lacksLibrary() : undefined;
  },
  async start(settings, context) {
    const read = readStageSettings(settings);
    if ("problems" in read) throw new UserError("usage", read.problems.join("; "));
    const stage = new RunningStage(context);
    try {
      await stage.open({
        type: "open",
        options: { settings: read.value, seed: context.seed, directory: stage.directory },
      });
      return stage;
    } catch (error) {
      await stage.stop();
      throw error;
    }
  },
};

class RunningStage implements Stage {
  readonly directory: string;
  readonly #process: ChildProcess;
  readonly #ended: Promise<void>;
  readonly #context: StageContext;
  readonly #marks: Mark[] = [];
  readonly #opened: PromiseWithResolvers<JsonObject> = Promise.withResolvers();
  readonly #answers: Map<number, (measured: StageMeasured) => void> = new Map();
  readonly #lastResort = (): void => {
    this.#killAll();
  };
  #values: JsonObject = {};
  #asked = 0;

  constructor(context: StageContext) {
    this.#context = context;
    this.directory = mkdtempSync(join(tmpdir(), "gsf-stage-"));
    process.on("exit", this.#lastResort);
    this.#process = spawn(process.execPath, [PROGRAM, "drill-stage"], {
      // A group of its own: a Ctrl-C is for the runner, which ends the drill in its order.
      detached: true,
      stdio: ["ignore", "ignore", "inherit", "ipc"],
      env: { ...process.env, ...compileCacheEnvironment() },
    });
    const ended = Promise.withResolvers<void>();
    this.#ended = ended.promise;
    this.#process.once("exit", () => ended.resolve());
    this.#process.once("error", (error) => {
      this.#opened.reject(error);
      if (this.#process.pid === undefined) ended.resolve();
    });
    this.#ended.then(() => this.#opened.reject(new Error("the stage's process ended")));
    this.#opened.promise.catch(() => undefined);
    this.#process.on("message", (report: SystemReport) => this.#heard(report));
  }

  get values(): JsonObject {
    return this.#values;
  }

  get signalsUrl(): string | undefined {
    return String(this.#values["signals_url"]);
  }

  async open(order: SystemOrder): Promise<void> {
    const { signal } = this.#context;
    signal.throwIfAborted();
    const abort = (): void => this.#opened.reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    this.#send(order);
    try {
      this.#values = await this.#opened.promise;
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  async signals(): Promise<Signals> {
    const { body } = await request(String(this.#values["signals_url"]), { headersTimeout: 5_000, bodyTimeout: 5_000 });
    return (await body.json()) as Signals;
  }

  mark(mark: Mark): void {
    this.#marks.push(mark);
  }

  async measure(window: FaultWindow | undefined, expect: DrillExpectation, signal: AbortSignal): Promise<Measured> {
    // The stage's instants are on the clock that all processes of the machine share.
    const aheadMs = machineNowMs() - systemClock.nowMs();
    const fault =
      window === undefined
        ? null
        : {
            askedAtMs: window.askedAtMs + aheadMs,
            faultAtMs: window.faultAtMs + aheadMs,
            liftedAtMs: window.liftedAtMs === undefined ? null : window.liftedAtMs + aheadMs,
          };
    let found = await this.#ask({ fault, expect }, signal);
    while (!found.isFinal) {
      await systemClock.sleepUntil(systemClock.nowMs() + ASK_EVERY_MS, signal);
      found = await this.#ask({ fault, expect }, signal);
    }
    const { mttdMs, mttrMs, falseAlarm, broken, marks } = found;
    const ownMarks = marks.map(({ atMs, kind, text }) => ({ atMs: atMs - aheadMs, kind, text }));
    return { mttdMs, mttrMs, broken, falseAlarm: falseAlarm ?? undefined, marks: ownMarks };
  }

  async stop(): Promise<void> {
    if (this.#process.connected) this.#process.disconnect();
    const late = Promise.withResolvers<void>();
    const timer = systemClock.at(systemClock.nowMs() + END_LIMIT_MS, () => late.resolve());
    await Promise.race([this.#ended, late.promise]);
    timer[Symbol.dispose]();
    for (let looks = 0; this.#killAll() && looks < MAX_LOOKS; looks++)
      await systemClock.sleepUntil(systemClock.nowMs() + LOOK_EVERY_MS);
    process.off("exit", this.#lastResort);
  }

  #heard(report: SystemReport): void {
    if (report.type === "told") this.#context.tell(report.line);
    else if (report.type === "open") this.#opened.resolve(report.values);
    else if (report.type === "failed") this.#opened.reject(new Error(report.message));
    else this.#answers.get(report.id)?.(report.measured);
  }

  /** Rejects if there is no answer: the stage is gone or stands still, or `signal` is aborted. */
  async #ask(asked: Asked, signal: AbortSignal): Promise<StageMeasured> {
    signal.throwIfAborted();
    const id = this.#asked++;
    const answer = Promise.withResolvers<StageMeasured>();
    this.#answers.set(id, answer.resolve);
    const timer = systemClock.at(systemClock.nowMs() + ANSWER_LIMIT_MS, () =>
      answer.reject(new Error(`the stage did not answer within ${ANSWER_LIMIT_MS / 1_000} s`)),
    );
    const abort = (): void => answer.reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    this.#ended.then(() => answer.reject(new Error("the stage's process ended before it had measured")));
    this.#send({ type: "measure", id, asked });
    try {
      return await answer.promise;
    } finally {
      timer[Symbol.dispose]();
      signal.removeEventListener("abort", abort);
      this.#answers.delete(id);
    }
  }

  #send(order: SystemOrder): void {
    if (this.#process.connected) this.#process.send(order, () => undefined);
  }

  /** Kills whatever is left of the process group, and removes its files. True if there was any. */
  #killAll(): boolean {
    rmSync(this.directory, { recursive: true, force: true });
    const { pid } = this.#process;
    if (pid === undefined) return false;
    try {
      return process.kill(-pid, "SIGKILL");
    } catch {
      // Nothing is left, which is the rule.
      return false;
    }
  }
}
