/** Injectors against the system that a drill starts: what a stage's values lead to can be hurt. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { contextOf, lift, until } from "../../../../test/drills/lifting.ts";
import { UserError } from "../../adapters/process/exit-codes.ts";
import type { Json, JsonObject } from "../experiment/experiment.ts";
import type { PreparedInjection } from "../injection.ts";
import { stages } from "../stage/stage.ts";
import { chaos } from "./chaos.ts";
import { load } from "./load.ts";
import { signal } from "./signal.ts";

async function settled(prepared: PreparedInjection): Promise<void> {
  await until(async () => (await prepared.felt()) !== undefined);
  assert.notDeepEqual(await prepared.remaining(), []);
  await lift(prepared.inverses);
  await lift(prepared.inverses);
  await until(async () => (await prepared.remaining()).length === 0);
}

test("a stage → its services, its load and its processes are hurt and come back", { timeout: 120_000 }, async () => {
  const tell = (): void => undefined;
  const never = new AbortController().signal;
  const stage = await stages.start({}, { seed: 1, runId: "injectors", signal: never, tell });
  try {
    const value = (name: string): string => String(stage.values[name]);
    const url = value("primary_mode_url");
    const modeNow = async (): Promise<Json> => ((await (await fetch(url)).json()) as { mode: Json }).mode;
    const before = await modeNow();
    const errors = await chaos.prepare({ do: "mode", url, answer: "error", share: 0.5, isStation: true }, contextOf());
    assert.deepEqual(await modeNow(), before);
    assert.deepEqual(
      errors.targets.map(({ isStation, share }) => [isStation, share]),
      [[true, 0.5]],
    );
    await errors.inject();
    await settled(errors);
    assert.deepEqual(await modeNow(), before);

    const short = await chaos.prepare({ do: "mode", url, health: "error", expiresAfterMs: 400 }, contextOf());
    await short.inject();
    await until(async () => (await short.remaining()).length === 0);
    await assert.rejects(chaos.prepare({ do: "mode", url }, contextOf()), UserError);
    await assert.rejects(
      chaos.prepare({ do: "mode", url: value("control_url"), answer: "error" }, contextOf()),
      UserError,
    );

    const more = { do: "source", stageUrl: value("stage_url"), name: "extra", perSecond: 5 };
    const source = await load.prepare(more, contextOf());
    await source.inject();
    await assert.rejects(load.prepare(more, contextOf()), UserError);
    await settled(source);

    const restart = { url: `${value("stage_url")}/processes/backup/start` };
    const pidUrl = value("backup_process_url");
    const kill = await signal.prepare({ do: "send", signal: "SIGKILL", pidUrl, restart }, contextOf());
    await kill.inject();
    await settled(kill);
  } finally {
    await stage.stop();
  }
});

test("wrong modes → each problem names its field", () => {
  const fields = (args: JsonObject): string[] => chaos.problems(args).map((one) => one.split(":")[0] as string);
  assert.deepEqual(fields({ do: "mode", url: "http://127.0.0.1:1/mode", answer: "eror" }), ["answer"]);
  assert.deepEqual(fields({ do: "mode", delayMs: -1 }), ["url", "delayMs"]);
});
