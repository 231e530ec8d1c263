/**
 * `gsf explain` and `gsf events` against a real gateway: what an operator reads after a takeover,
 * after a refusal, and after a restart of the gateway.
 */
import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import type { Chapter, Explanation } from "../../gateway/src/fleet/explain/explanation.ts";
import { GsfProcess, gsf } from "./gsf-process.ts";
import { ServedPair } from "./served-pair.ts";

const STRICT = "accessLog: { to: off }";

/** The services; `hung` ones take requests and answer none. */
function served(hung: Set<unknown>): Parameters<typeof ServedPair.open>[0] {
  return (request, response) => {
    if (hung.has((request.socket as Socket & { server?: unknown }).server)) return;
    request.resume().once("end", () => response.end("served"));
  };
}

async function explained(pair: ServedPair, ...args: readonly string[]): Promise<Explanation> {
  const { code, stdout, stderr } = await gsf(["explain", ...args, "--json", "--control", pair.control]);
  assert.ok(code === 0 || code === 1, stderr);
  return JSON.parse(stdout) as Explanation;
}

function chapter({ chapters }: Explanation, kind: Chapter["kind"]): Chapter {
  const found = chapters.find((one) => one.kind === kind);
  assert.ok(found !== undefined, `no chapter ${kind} in ${JSON.stringify(chapters)}`);
  return found;
}

function typesIn({ steps }: Chapter): unknown[] {
  return steps.map(({ event }) => (event as { type?: string } | undefined)?.type);
}

test("[F9] silence → the last switch from the last heartbeat to the ramp, with levels, thresholds and lines", async () => {
  const hung = new Set<unknown>();
  await using pair = await ServedPair.open(served(hung), STRICT);
  hung.add(pair.primary.server);
  await pair.gateway?.saying(/backup is active in place of primary/);
  const found = await explained(pair);
  const { steps, numbers, next } = chapter(found, "switch");
  assert.deepEqual(
    [numbers["from"], numbers["to"], numbers["cause"], numbers["epoch"]],
    ["primary", "backup", "failure", 2],
  );
  const types = typesIn(chapter(found, "switch"));
  const [missing, suspected] = [types.indexOf("heartbeats-missing"), types.indexOf("declaration")];
  const [down, promoted] = [types.lastIndexOf("declaration", types.indexOf("promoted")), types.indexOf("promoted")];
  assert.ok(0 < missing && missing < suspected && suspected < down && down < promoted, JSON.stringify(types));
  assert.deepEqual(
    steps.map(({ unixMs }) => unixMs ?? 0),
    steps.map(({ unixMs }) => unixMs ?? 0).toSorted((one, other) => one - other),
  );
  const tookMs = Number(numbers["tookMs"]);
  assert.ok(tookMs > 200 && tookMs < 3_000, `${tookMs}`);
  const threshold = steps[down]?.settings.find(({ field }) => field === "groups[0].detector.threshold");
  assert.deepEqual([threshold?.value, threshold?.line, threshold?.default], ["12", undefined, "adaptive 12, else 8"]);
  const interval = chapter(found, "now");
  assert.equal(interval.steps.length, 2);
  assert.match(next[0]?.sentence ?? "", /gsf switchover atlantic --to primary/);

  const shown = await gsf(["explain", "--control", pair.control]);
  assert.equal(shown.code, 0, shown.stderr);
  assert.match(shown.stdout, /^atlantic: backup serves, epoch 2/);
});

test("[F9] a moved command and a refused one → what each station answered, the settings with their lines, what next", async () => {
  await using pair = await ServedPair.open(served(new Set()), STRICT, "    commands: { deadline: 2s, maxWait: 700ms }");
  await pair.primary.die();
  const headers = { "x-request-id": "moved/1", "idempotency-key": "k1" };
  assert.equal((await fetch(`${pair.group}/a?secret=1`, { method: "POST", body: "x", headers })).status, 200);
  const moved = chapter(await explained(pair, "atlantic", "moved/1"), "request");
  assert.deepEqual([moved.numbers["status"], moved.numbers["attempts"]], [200, 2]);
  assert.ok(moved.steps.some(({ because }) => because.some((fact) => fact.includes("connection refused"))));
  assert.doesNotMatch(JSON.stringify(moved), /secret=1/);
  await pair.backup.die();
  const refused = (await (await fetch(`${pair.group}/b`)).json()) as {
    requestId: string;
    code: string;
    explain: string;
  };
  assert.equal(refused.code, "NO_ELIGIBLE_STATION");
  const found = chapter(await explained(pair, "atlantic", refused.requestId), "request");
  const wait = found.steps
    .flatMap(({ settings }) => settings)
    .find(({ field }) => field === "groups[0].commands.maxWait");
  assert.deepEqual([wait?.value, wait?.line, wait?.file?.endsWith("fleet.yaml")], ["700ms", 8, true]);
  assert.equal(found.next.length, 2);
  assert.equal(refused.explain, `gsf explain atlantic ${refused.requestId}`);
  // The id alone is enough where there is one group.
  assert.equal((await explained(pair, refused.requestId)).found, true);
  const unknown = await gsf(["explain", "atlantic", "never", "--control", pair.control]);
  assert.deepEqual([unknown.code, /nothing is remembered/.test(unknown.stderr)], [1, true]);
  const wrong = await gsf(["explain", "pacific", "--control", pair.control]);
  assert.deepEqual([wrong.code, /there are atlantic/.test(wrong.stderr)], [1, true]);
});

test("[F9] gsf events lists by time, type and group, and follows; wrong questions are refused", async () => {
  await using pair = await ServedPair.open(served(new Set()), STRICT);
  const list = async (...args: readonly string[]) => gsf(["events", "--control", pair.control, ...args]);
  await using follower = new GsfProcess(["events", "--since", "1h", "--follow", "--json", "--control", pair.control]);
  await follower.saying(/backup is alive/);
  await pair.primary.die();
  await follower.saying(/"type":"promoted"/);
  const all = follower.stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { id: string; type: string });
  assert.deepEqual(
    all.map(({ id }) => id),
    all.map(({ id }) => id).toSorted(),
  );
  const promoted = await list("--since", "1m", "--type", "promoted", "--group", "atlantic", "--json");
  assert.equal(promoted.code, 0, promoted.stderr);
  assert.deepEqual(
    promoted.stdout
      .trim()
      .split("\n")
      .map((line) => (JSON.parse(line) as { type: string }).type),
    ["promoted"],
  );
  assert.match((await list("--type", "promoted")).stdout, /WARN {3}atlantic {2}promoted: backup is active/);
  assert.equal((await list("--until", "1h")).stdout, "");
  const wrong = await list("--since", "yesterday");
  assert.deepEqual([wrong.code, /since: "yesterday" is not allowed/.test(wrong.stderr)], [1, true]);
  for (const query of ["limit=0", "limit=1e3", "sinze=1h", "since=1h&since=2h", "after=x", "until=2026-13-45"])
    assert.equal((await fetch(`${pair.control}/v1/events?${query}`)).status, 400, query);
  const page = (await (await fetch(`${pair.control}/v1/events?since=1h&limit=2`)).json()) as {
    events: { id: string }[];
    next: string;
  };
  const after = (await (await fetch(`${pair.control}/v1/events?after=${page.next}&limit=1`)).json()) as {
    events: { id: string }[];
  };
  assert.deepEqual([page.events.length, page.events[1]?.id, after.events[0]?.id], [2, all[1]?.id, all[2]?.id]);
});

test("[F9] the gateway is killed and started again → events and the last switch of before are still explained", async () => {
  await using pair = await ServedPair.open(served(new Set()), STRICT);
  const answer = await fetch(`${pair.control}/v1/events`, { headers: { accept: "text/event-stream" } });
  const reader = (answer.body as ReadableStream<Uint8Array>).getReader();
  await pair.primary.die();
  await pair.gateway?.saying(/primary is down/);
  let told = "";
  while (!/event: promoted/.test(told)) told += new TextDecoder().decode((await reader.read()).value);
  const [first] = /^id: (.*)$/m.exec(told)?.slice(1) ?? [];
  const promotedId = /^id: (.*)\nevent: promoted/m.exec(told)?.[1];
  // Events are stored within a second.
  await pause(1_500);
  await pair.end("SIGKILL");
  await reader.cancel().catch(() => undefined);
  await pair.primary.listen();
  await pair.start();
  const found = chapter(await explained(pair), "switch");
  assert.deepEqual([found.numbers["from"], found.numbers["to"], found.numbers["epoch"]], ["primary", "backup", 2]);
  const again = await fetch(`${pair.control}/v1/events`, { headers: { "last-event-id": first as string } });
  const resumed = (again.body as ReadableStream<Uint8Array>).getReader();
  let past = "";
  while (!/backup is alive/.test(past)) past += new TextDecoder().decode((await resumed.read()).value);
  assert.ok(past.includes(`id: ${promotedId}\n`) && !past.includes("event: gap"), past);
  await resumed.cancel();
  const ids = [...past.matchAll(/^id: (.*)$/gm)].map(([, id]) => id as string);
  assert.deepEqual(ids, ids.toSorted());
});
