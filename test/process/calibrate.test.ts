/**
 * `gsf calibrate` as a process: good traces, broken, empty and hostile ones, and a trace recorded
 * from a real gateway that a real station beats for. What it prints is checked as its reader uses
 * it: exit code, sentences, JSON, picture, and a configuration that the gateway takes.
 */
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { seededRandom } from "ground-station-failover";
import { parseConfiguration } from "../../gateway/src/config/config.ts";
import { Folder, GsfProcess, gsf } from "./gsf-process.ts";

/** Beats of about 50 ms with some jitter, as CSV with a header. */
function csv(beats: number, nodes: readonly string[] = ["primary"]): string {
  const random = seededRandom("calibrate");
  const lines = ["node,arrival,sequence,sent"];
  for (const node of nodes) {
    let atMs = 1_000_000;
    for (let beat = 0; beat < beats; beat++) {
      atMs += 35 + 30 * random.next();
      if (random.next() > 0.001) lines.push(`${node},${atMs.toFixed(3)},${beat},${50 * beat}`);
    }
  }
  return `${lines.join("\n")}\n`;
}

const GOAL = ["--detect-within", "1s", "--false-alarms", "1/hour"];

/** The configuration of a whole gateway with the fragment in its only group. */
function configured(yaml: string): string {
  return `
groups:
  - name: atlantic
    listen: 127.0.0.1:0
    stations:
      - { name: primary, url: "http://127.0.0.1:9001" }
      - { name: backup, url: "http://127.0.0.1:9002" }
${yaml.replace(/^(?=.)/gm, "    ")}
control: { listen: "127.0.0.1:0" }
heartbeats: { listen: "127.0.0.1:0", secretEnv: BEATS }
`;
}

const SECRETS = { environment: { BEATS: "0123456789abcdef" }, readFile: () => "" };

test("[D10] a good trace: what the traffic looks like, a recommendation that the gateway takes, and the picture", async () => {
  using folder = new Folder();
  const trace = folder.file("beats.csv", csv(30_000));
  const svg = join(folder.path, "out.svg");
  const { code, stdout, stderr } = await gsf(["calibrate", "--trace", trace, ...GOAL, "--svg", svg]);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /beats\.csv: 29,9\d\d heartbeats of 1 node in 29,9\d\d lines/);
  assert.match(stdout, /a heartbeat every 50ms/);
  assert.match(stdout, /gaps +p50 [\d.]+ms, p99 [\d.]+ms, p99\.9 [\d.]+ms, longest/);
  assert.match(stdout, /lost +\d+ \(0\.\d+ %\) in \d+ runs/);
  assert.match(stdout, /Recommended: \w+ model, window \d+, threshold [\d.]+/);
  assert.match(
    stdout,
    /NOT PROVEN by this trace: 25m with 0 false alarms show only that there are at most [\d.]+\/hour \(95 %\)/,
  );
  assert.match(stdout, /3h without a false alarm, all nodes added up, would be proof/);
  const yaml = /^heartbeat:\n[\s\S]+/m.exec(stdout)?.[0] ?? "";
  const [group] = parseConfiguration(configured(yaml), "fleet.yaml", SECRETS).settings.groups;
  assert.equal(group?.detector.ceilingMs, 1_000);
  assert.equal(group?.heartbeat.intervalMs, 50);
  assert.match(readFileSync(svg, "utf8"), /^<svg [\s\S]*recommended: [\s\S]*<\/svg>\n$/);
});

test("[D10] --json says the same to programs, several nodes are added up, and --node looks at one", async () => {
  using folder = new Folder();
  const trace = folder.file("beats.csv", csv(8_000, ["primary", "backup"]));
  const { code, stdout } = await gsf(["calibrate", "--trace", trace, ...GOAL, "--json"]);
  assert.equal(code, 0);
  const answer = JSON.parse(stdout);
  assert.equal(answer.verdict, "recommended");
  assert.equal(answer.proven, false);
  assert.equal(answer.traffic.nodes, 2);
  assert.equal(answer.goal.falseAlarmsPerDay, 24);
  assert.ok(answer.evidence.silence.p99Ms <= 1_000);
  assert.ok(answer.tradeOff.length > 5);
  const [group] = parseConfiguration(configured(answer.yaml), "fleet.yaml", SECRETS).settings.groups;
  assert.equal(group?.detector.threshold, answer.configuration.detector.threshold);
  const one = JSON.parse((await gsf(["calibrate", "--trace", trace, ...GOAL, "--json", "--node", "backup"])).stdout);
  assert.equal(one.traffic.nodes, 1);
  assert.ok(Math.abs(one.trace.otherNodes - 8_000) < 30);
});

test("[D10] JSON lines, seconds and dates are traces too", async () => {
  using folder = new Folder();
  const rows = csv(3_000)
    .trim()
    .split("\n")
    .slice(1)
    .map((line) => line.split(","));
  const startMs = Date.UTC(2027, 1, 3, 11, 23);
  const files: ReadonlyArray<readonly [name: string, text: string, ...flags: string[]]> = [
    [
      "a.jsonl",
      rows
        .map(([node, arrival, sequence]) =>
          JSON.stringify({ node, arrival: Number(arrival), sequence: Number(sequence) }),
        )
        .join("\n"),
    ],
    ["b.csv", rows.map(([node, arrival]) => `${node},${Number(arrival) / 1_000}`).join("\r\n"), "--unit", "s"],
    [
      "c.csv",
      `\ufefftime,node\n${rows.map(([node, arrival]) => `${new Date(startMs + Number(arrival)).toISOString()},"${node}"`).join("\n")}`,
    ],
  ];
  const answers = await Promise.all(
    files.map(([name, text, ...flags]) =>
      gsf([
        "calibrate",
        "--trace",
        folder.file(name, text),
        ...flags,
        "--detect-within",
        "1s",
        "--false-alarms",
        "10/hour",
        "--json",
      ]),
    ),
  );
  for (const { code, stdout, stderr } of answers) {
    assert.equal(code, 0, stderr + stdout);
    assert.equal(JSON.parse(stdout).traffic.intervalMs, 50);
  }
});

test("[D10] broken lines are counted and told with their numbers, and are not fatal", async () => {
  using folder = new Folder();
  const lines = csv(3_000).split("\n");
  lines.splice(5, 0, "primary,soon,3", "nonsense", ",1,2", '"primary,1050000,2');
  lines.splice(100, 0, ...Array.from({ length: 20 }, () => "primary,,"));
  const { code, stdout } = await gsf([
    ...["calibrate", "--trace", folder.file("beats.csv", lines.join("\n"))],
    ...["--detect-within", "1s", "--false-alarms", "10/hour"],
  ]);
  assert.equal(code, 0, stdout);
  assert.match(stdout, /24 broken lines left out:\n {4}line 6: arrival is neither a number nor a date/);
  assert.match(stdout, /line 7: it has 1 columns/);
  assert.match(stdout, /line 8: node is not/);
  assert.match(stdout, /line 9: a quote is not closed/);
  assert.match(stdout, /… and 19 more/);
});

test("[D10] a trace that cannot be used: exit code 2, and what, where and what is allowed", async () => {
  using folder = new Folder();
  mkdirSync(join(folder.path, "folder"));
  const packed = join(folder.path, "packed.csv");
  writeFileSync(packed, gzipSync(csv(1_000)));
  const cases: ReadonlyArray<readonly [path: string, says: RegExp, ...flags: string[]]> = [
    [join(folder.path, "missing.csv"), /missing\.csv: there is no such file/],
    [folder.file("empty.csv", ""), /empty\.csv: it is empty; allowed is CSV with the columns node, arrival/],
    [folder.file("header.csv", "node,arrival\n"), /header\.csv: it is empty; allowed is CSV/],
    [join(folder.path, "folder"), /folder: it is a directory/],
    [packed, /packed\.csv: it is compressed; unpack it first/],
    [folder.file("binary.csv", "\u0000\u0001\u0002"), /binary\.csv: it is not text/],
    [
      folder.file("prose.csv", "Dear operator,\nthe beats are well.\n"),
      /none of its 2 lines can be read; allowed is[\s\S]*line 1: /,
    ],
    [folder.file("few.csv", csv(50)), /few\.csv: .*has \d+ gaps.*at least 200/],
    [folder.file("nodes.csv", csv(500, ["a", "b"])), /no heartbeat of node "c"; it has some of a, b/, "--node", "c"],
    [
      folder.file("twice.csv", csv(500).replace("arrival,sequence", "arrival,timestamp")),
      /twice\.csv: line 1: its header has two columns for arrival, "arrival" and "timestamp"; rename/,
    ],
    ["/dev/zero", /it is a device/],
  ];
  const ended = await Promise.all(
    cases.map(([path, , ...flags]) => gsf(["calibrate", "--trace", path, ...GOAL, ...flags])),
  );
  for (const [place, { code, stdout, stderr }] of ended.entries()) {
    assert.equal(code, 2, stderr);
    assert.match(stderr, (cases[place] as (typeof cases)[number])[1]);
    assert.doesNotMatch(stderr, /\n {4}at /);
    assert.equal(stdout, "");
  }
});

test("[G6] hostile traces: no line without an end fills the memory, no id reaches the terminal raw, ids without number are refused", async () => {
  using folder = new Folder();
  const good = csv(3_000);
  const endless = folder.file("endless.csv", `${good}${"9".repeat(20_000_000)}\nprimary,9999999,99999\n`);
  const escapes = folder.file("escapes.csv", `${good}\u001b[2Jevil,5,1\n`);
  const strangers = Array.from({ length: 25_000 }, (_, place) => `node-${place},5`).join("\n");
  const many = folder.file("many.csv", `node,arrival,sequence\n${good.split("\n").slice(1).join("\n")}${strangers}\n`);
  const jumps = folder.file(
    "jumps.csv",
    `${good}primary,1e300,1\nprimary,5,9007199254740991\nprimary,-1e15,9007199254740990\n__proto__,1,1\nprimary,2000000,1e15\n`,
  );
  const goal = ["--detect-within", "1s", "--false-alarms", "10/hour"];
  const ended = await Promise.all(
    [endless, escapes, many, jumps].map((path) => gsf(["calibrate", "--trace", path, ...goal])),
  );
  for (const { code, stderr, stdout } of ended) {
    assert.ok(code === 0 || code === 1, stderr);
    assert.ok(!(stdout + stderr).includes("\u001b[2J"));
    assert.doesNotMatch(stdout + stderr, /NaN|fault of ours/);
  }
  assert.match(ended[0]?.stdout ?? "", /longer than 4096 characters/);
  assert.match(ended[1]?.stdout ?? "", /node is not 1 to 200 printable characters/);
  assert.match(ended[2]?.stdout ?? "", /further node; allowed are 20000/);
});

test("[D10] what is not possible: exit code 1, the reason, and what would help", async () => {
  using folder = new Folder();
  const trace = folder.file("beats.csv", csv(20_000));
  const cases: ReadonlyArray<readonly [within: string, alarms: string, says: RegExp[], ...flags: string[]]> = [
    [
      "80ms",
      "1/hour",
      [/heartbeats come every 50ms, and two of them do not fit into 80ms/, /needs 25ms heartbeats, or faster/],
    ],
    [
      "101ms",
      "1/week",
      [
        /\d+ silences? of nodes that lived lasted 101ms or longer/,
        /allow \d+ms to detect/,
        /allow [\d.]+\/\w+ false alarms/,
      ],
    ],
    ["1s", "1/year", [/it watches 16\.7m, less than a thousandth/, /needs a trace of at least 8\.76h/]],
    [
      "1s",
      "1/hour",
      [/Recommended/, /Refused: --proven asks for more than this trace shows; needs a trace of at least 3h/],
      "--proven",
    ],
  ];
  const ended = await Promise.all(
    cases.map(([within, alarms, , ...flags]) =>
      gsf(["calibrate", "--trace", trace, "--detect-within", within, "--false-alarms", alarms, ...flags]),
    ),
  );
  for (const [place, { code, stdout, stderr }] of ended.entries()) {
    assert.equal(code, 1, stderr + stdout);
    for (const says of (cases[place] as (typeof cases)[number])[2]) assert.match(stdout, says);
  }
  const json = await gsf([
    "calibrate",
    "--trace",
    trace,
    "--detect-within",
    "80ms",
    "--false-alarms",
    "1/hour",
    "--json",
  ]);
  const answer = JSON.parse(json.stdout);
  assert.deepEqual(
    [json.code, answer.verdict, answer.why, answer.needs.intervalMs],
    [1, "impossible", "interval-too-long", 25],
  );
});

test("[G6] wrong usage: exit code 2, the option named, and what is allowed", async () => {
  const cases: ReadonlyArray<readonly [args: string[], says: RegExp]> = [
    [[], /give --trace <file>, or --record <file> --group <name>/],
    [["--trace", "x"], /give both --detect-within <duration> and --false-alarms <rate>/],
    [["--trace", "x", "--detect-within", "1s"], /give both/],
    [
      ["--trace", "x", "--detect-within", "soon", "--false-alarms", "1/week"],
      /--detect-within.*allowed is a duration from 10ms/,
    ],
    [
      ["--trace", "x", "--detect-within", "1s", "--false-alarms", "never"],
      /--false-alarms.*allowed is a number above 0 per second/,
    ],
    [["--trace", "x", ...GOAL, "--unit", "fortnight"], /--unit.*Allowed choices are s, ms, us, ns/],
    [["--trace", "x", ...GOAL, "--outages-from", "500ms"], /--outages-from must be longer than --detect-within/],
    [["--trace", "x", "--record", "y", ...GOAL], /exclude each other/],
    [["--record", "/nowhere/x.csv"], /--record needs --group/],
    [["--record", "/nowhere/x.csv", "--group", "a"], /cannot record to \/nowhere\/x\.csv/],
  ];
  const ended = await Promise.all(cases.map(([args]) => gsf(["calibrate", ...args])));
  for (const [place, { code, stderr }] of ended.entries()) {
    assert.equal(code, 2, stderr);
    assert.match(stderr, (cases[place] as (typeof cases)[number])[1]);
  }
  const help = await gsf(["calibrate", "--help"]);
  assert.match(help.stdout, /Exit codes: 0 there is a recommendation/);
});

test("[D10] long work says on standard error how far it has come", async () => {
  using folder = new Folder();
  const pipe = join(folder.path, "beats.csv");
  execFileSync("mkfifo", [pipe]);
  await using run = new GsfProcess(["calibrate", "--trace", pipe, ...GOAL, "--json"]);
  const told = run.saying(/gsf: [\d,]+ lines read\n/);
  let isWaiting = true;
  const noLonger = (): void => {
    isWaiting = false;
  };
  told.then(noLonger, noLonger);
  // The trace goes on for as long as nothing is said, however quick the machine is.
  const beats = csv(1_000_000).split("\n");
  const trace = await open(pipe, "w");
  for (let at = 0; isWaiting && at < beats.length; at += 2_000) {
    await trace.write(`${beats.slice(at, at + 2_000).join("\n")}\n`);
    await setTimeout(20);
  }
  await trace.close();
  await told;
  const { code, stderr } = await run.ended;
  assert.equal(code, 0, stderr);
});

/** A gateway whose secret lies in the folder. */
function gatewayIn(folder: Folder): GsfProcess {
  folder.file("secret", "0123456789abcdef");
  const config = folder.file("fleet.yaml", configured("").replace("secretEnv: BEATS", "secretFile: secret"));
  return new GsfProcess(["run", "--config", config, "--json"]);
}

/**
 * Where that gateway is asked once it is ready, and the arguments of a station that beats for it
 * every 10 ms.
 */
async function readyFor(
  gateway: GsfProcess,
  folder: Folder,
): Promise<{ readonly control: string; readonly station: (name: string) => string[] }> {
  const secret = join(folder.path, "secret");
  const [ready] = await gateway.saying(/^\{"ready":true.*$/m);
  const { control, heartbeats } = JSON.parse(ready) as { control: string; heartbeats: string };
  const beating = ["--group", "atlantic", "--heartbeat-to", heartbeats, "--secret-file", secret, "--interval", "10ms"];
  const station = (name: string): string[] => ["station", "--name", name, "--listen", "127.0.0.1:0", ...beating];
  return { control, station };
}

test("[D10] a running gateway's heartbeats are recorded, and the recording is a trace", async () => {
  using folder = new Folder();
  await using gateway = gatewayIn(folder);
  const { control, station } = await readyFor(gateway, folder);
  await using primary = new GsfProcess(station("primary"));
  await using backup = new GsfProcess(station("backup"));
  await Promise.all([primary.saying(/beating every/), backup.saying(/beating every/)]);
  const out = join(folder.path, "beats.csv");
  const record = ["calibrate", "--control", control, "--group", "atlantic"];
  const { code, stdout, stderr } = await gsf([...record, "--record", out, "--for", "3s"]);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /beats\.csv: \d+ heartbeats of 2 stations in [\d.]+s/);
  const lines = readFileSync(out, "utf8").trimEnd().split("\n");
  assert.equal(lines[0], "node,arrival,sequence,sent,incarnation");
  assert.ok(lines.length > 300, `${lines.length} lines`);
  assert.match(lines[1] as string, /^(primary|backup),[\d.]+,\d+,[\d.]+,\d+$/);

  const found = await gsf([
    "calibrate",
    "--trace",
    out,
    "--detect-within",
    "2s",
    "--false-alarms",
    "1/minute",
    "--json",
  ]);
  assert.ok(found.code === 0 || found.code === 1, found.stderr);
  const { traffic, trace } = JSON.parse(found.stdout);
  assert.deepEqual([traffic.nodes, trace.broken.count, traffic.restarts], [2, 0, 0]);
  assert.ok(traffic.intervalMs >= 9.5 && traffic.intervalMs < 20, `${traffic.intervalMs}`);

  const again = await gsf([...record, "--record", out]);
  assert.deepEqual([again.code, /it exists already; choose another name/.test(again.stderr)], [2, true]);
  const nobody = join(folder.path, "nobody.csv");
  const unknown = await gsf(["calibrate", "--control", control, "--group", "pacific", "--record", nobody]);
  assert.deepEqual([unknown.code, /no group "pacific"; there are atlantic/.test(unknown.stderr)], [2, true]);
  assert.equal(existsSync(nobody), false);

  // The gateway stops in the middle: what was recorded until then is kept.
  const cut = join(folder.path, "cut.csv");
  await using cutShort = new GsfProcess([...record, "--record", cut, "--for", "10m"]);
  while (!existsSync(cut) && cutShort.child.exitCode === null) await new Promise(setImmediate);
  gateway.child.kill("SIGTERM");
  const ended = await cutShort.ended;
  assert.equal(ended.code, 5, ended.stderr);
  const after = await gsf([...record, "--record", nobody]);
  assert.deepEqual([after.code, /is the gateway running\?/.test(after.stderr)], [5, true]);
  assert.equal(existsSync(nobody), false);
});

/** A gateway that records 200 heartbeats at once, and then says nothing more. */
async function talkative(): Promise<AsyncDisposable & { readonly port: number }> {
  const server = createServer((_request, response) => {
    response.write(`${JSON.stringify({ recording: "atlantic" })}\n`);
    for (let beat = 0; beat < 200; beat++)
      response.write(`${JSON.stringify({ node: "primary", arrival: beat * 50 })}\n`);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

test("[D10] the disk is full in the middle of a recording → it says so, and the file holds whole lines", async () => {
  await using gateway = await talkative();
  using folder = new Folder();
  const out = join(folder.path, "beats.csv");
  // Four blocks of 512 bytes, or of 1,024: less than 200 heartbeats take. At its end it writes, and
  // has no room.
  const limited = `ulimit -f 4; exec "$0" "$@"`;
  const program = join(import.meta.dirname, "../../gateway/bin/gsf.js");
  const options = [
    "--control",
    `http://127.0.0.1:${gateway.port}`,
    "--group",
    "atlantic",
    "--record",
    out,
    "--for",
    "1s",
  ];
  const child = spawn("sh", ["-c", limited, process.execPath, program, "calibrate", ...options], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  child.stderr.on("data", (piece: Buffer) => {
    said += piece;
  });
  const [code] = (await once(child, "close")) as [number | null];
  assert.equal(code, 1, said);
  const kept = Number(
    /cannot write .*beats\.csv: EFBIG.*; .*beats\.csv holds the (\d+) heartbeats until then/.exec(said)?.[1],
  );
  const lines = readFileSync(out, "utf8").split("\n");
  assert.deepEqual([lines.length, lines.at(-1)], [kept + 2, ""], said);
  for (const line of lines.slice(1, -1)) assert.match(line, /^primary,\d+,,,$/);
  assert.ok(kept > 50 && kept < 200, `${kept}`);
});

test("[D10] Ctrl-C ends a recording, and what was recorded is kept", async () => {
  using folder = new Folder();
  await using gateway = gatewayIn(folder);
  const { control, station } = await readyFor(gateway, folder);
  await using primary = new GsfProcess(station("primary"));
  await primary.saying(/beating every/);
  const out = join(folder.path, "beats.csv");
  await using recording = new GsfProcess([
    "calibrate",
    "--control",
    control,
    "--group",
    "atlantic",
    "--record",
    out,
    "--for",
    "10m",
    "--json",
  ]);
  await recording.saying(/heartbeats recorded/);
  recording.child.kill("SIGINT");
  const { code, stdout } = await recording.ended;
  assert.equal(code, 0);
  const { recorded } = JSON.parse(stdout);
  assert.equal(readFileSync(out, "utf8").trimEnd().split("\n").length, recorded.beats + 1);
});
