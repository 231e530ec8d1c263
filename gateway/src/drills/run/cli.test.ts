/**
 * `gsf drill` as a user meets it: the real program, its exit codes, its files, and what is left of
 * a run that a signal stops at a random instant: no fault, no process, no undo journal.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { seededRandom } from "ground-station-failover";
import { IDLE, placeholder, stateOf, until, Victim } from "../../../../test/drills/lifting.ts";
import { Diary } from "../../../../test/drills/plays.ts";
import { type Ended, Folder, GsfProcess, gsf } from "../../../../test/process/gsf-process.ts";
import { FaultProxies } from "../../proxy/index.ts";
import type { Journal } from "../injection.ts";

const PUBLISHED = fileURLToPath(new URL("../experiment/published/", import.meta.url));

/** A published experiment with its parts replaced: addresses and files of this machine. */
function published(name: string, replaced: ReadonlyArray<readonly [string, string]>): string {
  let text = readFileSync(join(PUBLISHED, name), "utf8");
  for (const [from, to] of replaced) text = text.replaceAll(from, to);
  return text;
}

/** Runs `gsf drill run FILE` with a store and a journal in `folder`. */
async function drillRun(
  folder: Folder,
  file: string,
  more: readonly string[] = [],
  environment = {},
): Promise<Ended & { readonly journal: Journal }> {
  const journal = join(folder.path, "journal.json");
  const args = ["drill", "run", file, "--store", join(folder.path, "store"), "--journal", journal, ...more];
  const ended = await gsf(args, environment);
  return {
    ...ended,
    journal: existsSync(journal)
      ? (JSON.parse(readFileSync(journal, "utf8")) as Journal)
      : assert.fail(ended.stdout + ended.stderr),
  };
}

/** A server that answers 200 on a free port. */
async function page(): Promise<{ readonly port: number } & AsyncDisposable> {
  const server = createServer((_request, answer) => answer.end("well")).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

describe("[X2] experiments published by others", () => {
  test("a latency toxic of Toxiproxy → in force during the method, deleted by the rollback, held", async () => {
    await using site = await page();
    await using proxies = await FaultProxies.start({ api: {} });
    const cache = await proxies.create({ name: "cache", upstream: `127.0.0.1:${site.port}` });
    using folder = new Folder();
    const file = folder.file(
      "latency.json",
      published("toxiproxy-latency.json", [
        ["http://localhost:8080/", `http://127.0.0.1:${cache.port}/`],
        ['"toxiproxy_host": "127.0.0.1"', `"toxiproxy_url": "${proxies.url}"`],
        ['"latency": 2000', '"latency": 300'],
      ]),
    );
    const { code, journal } = await drillRun(folder, file);
    assert.equal(code, 0);
    assert.deepEqual(
      journal.run.map(({ status, output }) => [status, output]),
      [["succeeded", true]],
    );
    assert.deepEqual(
      journal.rollbacks.map(({ status, output }) => [status, output]),
      [["succeeded", true]],
    );
    // The page was slow only while the toxic was there.
    assert.ok((journal.steady_states.after?.probes[0]?.duration ?? 0) >= 0.2);
    assert.ok((journal.steady_states.before?.probes[0]?.duration ?? 1) < 0.2);
  });

  test("a proxy that is made, hurt and switched off → through the API, reset by the rollback", async () => {
    await using site = await page();
    await using proxies = await FaultProxies.start({ api: {} });
    using folder = new Folder();
    const file = folder.file(
      "proxies.yml",
      published("toxiproxy-proxies.yml", [
        ["http://127.0.0.1:8474", String(proxies.url)],
        [`"${placeholder("pause")}"`, "0.1"],
        ["listen_port: 0", "listen_port: 0, listen_host: 127.0.0.1"],
      ]),
    );
    const environment = { DATABASE_HOST: "127.0.0.1", DATABASE_PORT: String(site.port) };
    const { code, journal } = await drillRun(folder, file, ["--hypothesis-strategy", "after-method-only"], environment);
    assert.equal(code, 0, JSON.stringify(journal.run, undefined, 2));
    assert.deepEqual(
      journal.run.map(({ status }) => status),
      ["succeeded", "succeeded", "succeeded"],
    );
    assert.equal(journal.rollbacks[0]?.output, true);
  });

  for (const signal of ["SIGTERM", "SIGKILL"] as const)
    test(`${signal} while toxics of chaostoxi are in force → they are gone, those of others are not`, async () => {
      await using site = await page();
      await using proxies = await FaultProxies.start({ api: {} });
      await proxies.create({ name: "cache", upstream: `127.0.0.1:${site.port}` });
      const api = async (path: string, body?: object): Promise<unknown> => {
        const init = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
        return await (await fetch(`${proxies.url}${path}`, init)).json();
      };
      await api("/proxies/cache/toxics", { name: "of-others", type: "latency" });
      const toxics = async (): Promise<string[]> =>
        ((await api("/proxies/cache/toxics")) as readonly { readonly name: string }[]).map(({ name }) => name);
      const hurt = (func: string, args: object): object => ({
        ...{ type: "action", name: func, pauses: { after: func === "disable_proxy" ? 600 : 0 } },
        provider: {
          ...{ type: "python", func, arguments: args },
          module: func === "disable_proxy" ? "chaostoxi.proxy.actions" : "chaostoxi.toxic.actions",
        },
      });
      using folder = new Folder();
      const store = join(folder.path, "store");
      const experiment = {
        ...{ title: "t", description: "d", configuration: { toxiproxy_url: proxies.url } },
        method: [
          hurt("create_latency_toxic", { for_proxy: "cache", toxic_name: "of-others", latency: 5 }),
          hurt("create_latency_toxic", { for_proxy: "cache", toxic_name: "late", latency: 5 }),
          hurt("disable_proxy", { proxy_name: "cache" }),
        ],
      };
      const file = folder.file("hurt.json", JSON.stringify(experiment));
      const args = ["drill", "run", file, "--store", store, "--journal", join(folder.path, "j.json")];
      await using run = new GsfProcess(args);
      await run.saying(/pause of 600 s/);
      assert.deepEqual((await toxics()).sort(), ["late", "of-others"]);
      run.child.kill(signal);
      await run.ended;
      // After SIGKILL the watchdog lifts, and removes the undo journal when it is sure.
      await until(() => readdirSync(join(store, "undo")).length === 0);
      assert.deepEqual(await toxics(), ["of-others"]);
      assert.equal(((await api("/proxies/cache")) as { readonly enabled: boolean }).enabled, true);
    });

  test("a file that nobody writes again → deviated, exit code 1", async () => {
    using folder = new Folder();
    const file = folder.file(
      "file.json",
      published("file-must-exist.json", [
        ["some.file", join(folder.path, "some.file")],
        ['"after": 5', '"after": 0.1'],
      ]),
    );
    folder.file("some.file", "here");
    const { code, journal } = await drillRun(folder, file);
    assert.deepEqual([code, journal.status, journal.deviated], [1, "completed", true]);
    assert.deepEqual(
      journal.run.map(({ status, output }) => [status, output]),
      [
        ["succeeded", null],
        ["succeeded", false],
      ],
    );
  });

  test("Python that cannot be played → refused by its name, exit code 2, nothing is run", async () => {
    using folder = new Folder();
    const ended = await gsf(["drill", "run", join(PUBLISHED, "kubernetes-pod-loss.json"), "--store", folder.path]);
    assert.equal(ended.code, 2);
    assert.ok(`${ended.stdout}${ended.stderr}`.includes("chaosk8s"));
    assert.deepEqual(readdirSync(folder.path), []);
  });
});

describe("gsf drill", () => {
  test("validate → every problem with its file and place, exit code 2; 0 where there is none", async () => {
    using folder = new Folder();
    using diary = new Diary();
    const good = folder.file("good.yaml", experimentWith(diary, ""));
    const bad = folder.file(
      "bad.yaml",
      "title: t\nmethod:\n  - {type: action, name: a, provider: {type: signal, arguments: {do: sned}}}\n",
    );
    const wrong = folder.file(
      "wrong.yaml",
      `title: t\ndescription: d\nmethod:\n  - {type: action, name: a, provider: {type: signal, arguments: {do: sned}}}\n`,
    );
    assert.equal((await gsf(["drill", "validate", good])).code, 0);
    const ended = await gsf(["drill", "validate", good, bad, wrong]);
    assert.equal(ended.code, 2);
    const lines = ended.stdout.split("\n");
    assert.ok(
      lines.some((line) => line.startsWith(`${bad}:1:1: description: `)),
      ended.stdout,
    );
    assert.ok(
      lines.some((line) => line.startsWith(`${wrong}: method[0].provider.arguments: `)),
      ended.stdout,
    );
    assert.equal((await gsf(["drill", "validate", join(folder.path, "nowhere.yaml")])).code, 2);
  });

  test("run --all → each experiment of the directory, a broken one is invalid, JSON on standard output", async () => {
    using folder = new Folder();
    using diary = new Diary();
    mkdirSync(join(folder.path, "drills", "deep"), { recursive: true });
    writeFileSync(join(folder.path, "drills", "deep", "good.yaml"), experimentWith(diary, ""));
    writeFileSync(join(folder.path, "drills", "needs.yaml"), experimentWith(diary, "requires: [gsf-no-such-program]"));
    const all = ["drill", "run", "--all", join(folder.path, "drills"), "--store", join(folder.path, "store"), "--json"];
    const ended = await gsf([...all, "--seed", "5"]);
    assert.equal(ended.code, 0, ended.stderr);
    const { results } = JSON.parse(ended.stdout);
    assert.deepEqual(
      results.map((one: { id: string; outcome: string }) => [one.id, one.outcome]),
      [
        ["good", "held"],
        ["needs", "skipped"],
      ],
    );
    const journals = readdirSync(join(folder.path, "store", "journals")).sort();
    assert.deepEqual(
      journals.map(
        (name) => (JSON.parse(readFileSync(join(folder.path, "store", "journals", name), "utf8")) as Journal).gsf?.seed,
      ),
      [5, 5],
    );
    writeFileSync(join(folder.path, "drills", "broken.yaml"), "title: t\ndescription: d\nmethod: 1\n");
    assert.equal((await gsf(all)).code, 2);
    assert.equal((await gsf([...all, "--only", "good"])).code, 0);
    assert.equal((await gsf([...all, "--only", "god"])).code, 2);
  });

  test("wrong usage → exit code 2, nothing is run", async () => {
    using folder = new Folder();
    const cases = [
      ["run"],
      ["run", join(folder.path, "nowhere.yaml")],
      ["run", "--all", folder.path],
      ["run", "x.yaml", "--all"],
      ["run", "x.yaml", "--seed", "-1"],
      ["run", "x.yaml", "--rollback-strategy", "sometimes"],
      ["run", "x.yaml", "--only", "a"],
      ["list", join(folder.path, "nowhere")],
    ];
    for (const args of cases) assert.equal((await gsf(["drill", ...args])).code, 2, args.join(" "));
  });

  test("a secret → in nothing that is printed or kept", async () => {
    using folder = new Folder();
    const token = "tok-2217-very-secret";
    const file = folder.file(
      "secret.yaml",
      `
title: t
description: d
secrets: {api: {token: {type: env, key: API_TOKEN}}}
method:
  - {type: action, name: tells, provider: {type: process, path: echo, arguments: ["${placeholder("token")}"]}}
  - {type: action, name: asks, provider: {type: http, url: "http://127.0.0.1:1/${placeholder("token")}"}}
`,
    );
    const { code, stdout, stderr, journal } = await drillRun(folder, file, [], { API_TOKEN: token });
    assert.equal(code, 0);
    assert.equal(journal.run[0]?.status, "succeeded");
    const [kept = ""] = readdirSync(join(folder.path, "store", "journals"));
    const inStore = readFileSync(join(folder.path, "store", "journals", kept), "utf8");
    assert.ok(![stdout, stderr, JSON.stringify(journal), inStore].some((text) => text.includes(token)));
    const dry = await gsf(["drill", "run", file, "--dry-run", "--store", folder.path], { API_TOKEN: token });
    assert.equal(dry.code, 0);
    assert.ok(!`${dry.stdout}${dry.stderr}`.includes(token));
  });
});

/** A drill whose id is `good`, or `needs` if it requires something. */
function experimentWith(diary: Diary, more: string): string {
  return `
title: t
description: d
method:
  - {type: action, name: one, provider: ${diary.writes("one")}}
extensions:
  - {name: gsf, id: ${more === "" ? "good" : "needs"}, category: time, ${more}}
`;
}

/** The processes whose command line has `mark`. */
function processesWith(mark: string): readonly string[] {
  return readdirSync("/proc").filter((name) => {
    if (!/^\d+$/.test(name) || [undefined, "Z"].includes(stateOf(Number(name)))) return false;
    try {
      return readFileSync(`/proc/${name}/cmdline`, "utf8").includes(mark);
    } catch {
      return false;
    }
  });
}

describe("a signal to gsf drill run", () => {
  const SIGNALS = ["SIGINT", "SIGTERM", "SIGUSR1", "SIGUSR2", "SIGHUP"] as const;

  /** Stops `pid`, has children in front and behind, and takes some seconds. */
  function longDrill(pid: number, mark: string, diary: Diary): string {
    const sleeper = (name: string, seconds: number, more = ""): string =>
      `  - {type: action, name: ${name}, ${more} provider: {type: process, path: sh, arguments: ["-c", "sleep ${seconds} & wait # ${mark}"]}}`;
    const stopped = `{type: signal, arguments: {do: send, pid: ${pid}, signal: SIGSTOP}}`;
    return `
title: t
description: d
method:
${sleeper("behind", 600, "background: true,")}
  - {type: action, name: stop, pauses: {before: 0.1, after: 0.2}, provider: ${stopped}}
${sleeper("front", 600)}
rollbacks:
  - {type: action, name: back, provider: ${diary.writes("back")}}
${sleeper("back-slow", 0.3)}
extensions:
  - {name: gsf, id: long, category: infrastructure, guardrails: {baselineMs: 0}}
`;
  }

  /** What must hold when the program has ended, whenever the signal came. */
  async function assertNothingLeft(victim: Victim, mark: string, store: string): Promise<void> {
    await until(() => stateOf(victim.pid) !== "T");
    await until(() => processesWith(mark).length === 0);
    const undo = join(store, "undo");
    assert.deepEqual(existsSync(undo) ? readdirSync(undo).filter((name) => !name.startsWith(".")) : [], []);
  }

  test("at seeded instants → exit code 4, nothing is in force, no process is left", async (t) => {
    const seed = 20_261_201;
    t.diagnostic(`seed ${seed}`);
    const random = seededRandom(seed).fork("signals");
    for (let round = 0; round < 8; round += 1) {
      await using victim = new Victim(IDLE);
      await victim.line();
      using diary = new Diary();
      using folder = new Folder();
      const mark = `gsf-test-${process.pid}-${round}`;
      const file = folder.file("long.yaml", longDrill(victim.pid, mark, diary));
      const store = join(folder.path, "store");
      const journal = join(folder.path, "journal.json");
      await using run = new GsfProcess(["drill", "run", file, "--store", store, "--journal", journal]);
      // Its first line says that it handles signals.
      await run.saying(/seed/);
      const signal = SIGNALS[Math.floor(random.next() * SIGNALS.length)] ?? "SIGINT";
      const atMs = random.next() * 2_500;
      await new Promise((resolve) => setTimeout(resolve, atMs));
      run.child.kill(signal);
      const { code, stdout, stderr } = await run.ended;
      const what = `round ${round}: ${signal} after ${atMs.toFixed(0)} ms\n${stdout}${stderr}`;
      assert.equal(code, 4, what);
      await assertNothingLeft(victim, mark, store);
      const written = JSON.parse(readFileSync(journal, "utf8")) as Journal;
      assert.deepEqual([written.status, written.gsf?.outcome], ["interrupted", "interrupted"], what);
      if (signal !== "SIGUSR1") assert.ok(!diary.words.includes("back"), what);
    }
  });

  test("SIGUSR1 in the method → rollbacks are played; a second signal cuts them, not the lift", async () => {
    await using victim = new Victim(IDLE);
    await victim.line();
    using diary = new Diary();
    using folder = new Folder();
    const mark = `gsf-test-${process.pid}-twice`;
    const text = longDrill(victim.pid, mark, diary).replace("sleep 0.3 &", "sleep 600 &");
    const file = folder.file("long.yaml", text);
    const store = join(folder.path, "store");
    await using run = new GsfProcess([
      "drill",
      "run",
      file,
      "--store",
      store,
      "--journal",
      join(folder.path, "j.json"),
    ]);
    await until(() => stateOf(victim.pid) === "T");
    run.child.kill("SIGUSR1");
    await until(() => diary.words.includes("back"));
    assert.notEqual(stateOf(victim.pid), "T");
    run.child.kill("SIGTERM");
    assert.equal((await run.ended).code, 4);
    await assertNothingLeft(victim, mark, store);
  });

  test("standard output is closed → the run goes on and lifts", async () => {
    await using victim = new Victim(IDLE);
    await victim.line();
    using diary = new Diary();
    using folder = new Folder();
    const mark = `gsf-test-${process.pid}-pipe`;
    const text = longDrill(victim.pid, mark, diary).replaceAll("sleep 600 &", "sleep 1 &");
    const store = join(folder.path, "store");
    await using run = new GsfProcess([
      "drill",
      "run",
      folder.file("long.yaml", text),
      "--store",
      store,
      "--journal",
      join(folder.path, "j.json"),
    ]);
    await run.saying(/seed/);
    run.child.stdout?.destroy();
    // On a machine that is starved the watchdog may be late, and then the guardrails stop the run.
    const { code } = await run.ended;
    const { gsf: record } = JSON.parse(readFileSync(join(folder.path, "j.json"), "utf8")) as Journal;
    const isLate = record?.trips.some(({ rule }) => rule === "watchdog") === true;
    assert.equal(code, isLate ? 3 : 0, record?.reason);
    await assertNothingLeft(victim, mark, store);
  });
});
