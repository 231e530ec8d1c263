/**
 * The picture of the last seconds: what is drawn, what is left out and said to be, and that it fits
 * a terminal.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Trace, type TraceRecord } from "../kernel/trace.ts";
import type { DiagramOptions } from "./sequence-diagram.ts";
import { mermaidDiagram, sequenceDiagram } from "./sequence-diagram.ts";

function recorded(run: (trace: Trace) => void): readonly TraceRecord[] {
  const trace = new Trace({ keep: Number.POSITIVE_INFINITY });
  run(trace);
  return trace.records;
}

/** The picture's lines, without the empty one at its end. */
function drawn(records: readonly TraceRecord[], options?: DiagramOptions): string[] {
  const text = sequenceDiagram(records, options);
  assert.ok(text.endsWith("\n"));
  return text.slice(0, -1).split("\n");
}

const INCIDENT = recorded((trace) => {
  trace.note(0, "gateway", "start", "incarnation 1");
  trace.note(0, "station", "start", "incarnation 1");
  trace.message(10, "send", "gateway", "station", "command 1");
  trace.message(12, "deliver", "gateway", "station", "command 1");
  trace.message(14, "deliver", "station", "gateway", "done 1");
  trace.note(30, "station", "crash", "power");
  trace.message(31, "drop", "gateway", "station", "command 2");
  trace.note(40, "gateway", "pause", "50 ms");
  trace.note(60, "world", "note", "somebody looks");
  trace.note(95, "gateway", "state", "open");
  trace.message(96, "send", "gateway", "station", "command 3");
  trace.note(2000, "station", "start", "incarnation 2");
  trace.note(2001, "world", "violation", "no-lost-command: command 2\n    at here (file.ts:1:1)");
});

test("arrows, losses, crashes, pauses and restarts are drawn, and what did not hold stands at the bottom", () => {
  assert.deepEqual(drawn(INCIDENT), [
    "       time, s   gateway  station",
    "      0.000000      ▼        │      gateway: start incarnation 1",
    "      0.000000      │        ▼      station: start incarnation 1",
    "      0.012000      ├────────▶      command 1",
    "      0.014000      ◀────────┤      done 1",
    "      0.030000      │        ✗      station: crash power",
    "      0.031000      ├──────✗        drop: command 2",
    "      0.040000      ‖               gateway: pause 50 ms",
    "      0.060000      ┊               world: note somebody looks",
    "      0.095000      •               gateway: state open",
    "      0.096000      ├╌╌╌╌╌╌▶        send: command 3",
    "             ⋮      ⋮               1.9 s",
    "      2.000000      │        ▼      station: start incarnation 2",
    "      2.001000      │        │      world: violation no-lost-command: command 2 ⏎ at here (file…",
    "",
    "✗ VIOLATION at 2.001000 s, step 0",
    "  no-lost-command: command 2",
    "      at here (file.ts:1:1)",
  ]);
});

const FOUND_AT_THE_END = recorded((trace) => {
  trace.note(0, "gateway", "start", "incarnation 1");
  trace.note(3_000, "station", "crash", "power");
  trace.message(3_100, "drop", "gateway", "station", "command 1");
  trace.message(9_000, "send", "gateway", "station", "command 2");
  trace.note(60_000, "world", "violation", "all-arrive: command 1 never did");
});

test("found wrong at the end, long after the last thing happened → what happened last is drawn, not nothing", () => {
  const [heading, ...rows] = drawn(FOUND_AT_THE_END);
  assert.match(heading ?? "", /gateway +station/);
  assert.match(rows.join("\n"), /9\.000000 .*send: command 2/);
  assert.doesNotMatch(rows.join("\n"), /crash/);
});

test("`fromMs` → the picture begins there, whatever happened since", () => {
  const text = drawn(FOUND_AT_THE_END, { fromMs: 3_000 }).join("\n");
  assert.match(text, /3\.000000 .*station: crash power/);
  assert.doesNotMatch(text, /start/);
  assert.match(text, /VIOLATION at 60\.000000 s/);
});

test("a message that is told of twice is drawn once, and one of the same words that is still under way as well", () => {
  const records = recorded((trace) => {
    trace.message(1, "send", "a", "b", "beat");
    trace.message(2, "send", "a", "b", "beat");
    trace.message(3, "deliver", "a", "b", "beat");
  });
  const arrows = drawn(records).filter((line) => /[─╌]/.test(line));
  assert.equal(arrows.length, 2);
  assert.match(arrows.join("\n"), /╌▶.*send: beat\n.*─▶.*beat/);
});

test("what happens to a message on its way is not mistaken for its end", () => {
  const records = recorded((trace) => {
    trace.message(1, "send", "a", "b", "beat");
    trace.message(2, "send", "a", "b", "beat");
    trace.message(2, "duplicate", "a", "b", "beat");
    trace.message(3, "drop (cut)", "a", "b", "beat");
    trace.message(9, "timeout", "b", "a", ":80");
  });
  const arrows = drawn(records).filter((line) => /[─╌]/.test(line));
  assert.match(
    arrows.join("\n"),
    /╌▶.* send: beat\n.*╌▶.* duplicate: beat\n.*─✗.* drop \(cut\): beat\n.*✗─.* timeout: :80$/,
  );
});

test("arrows pass over the nodes between, in both directions, and one to oneself turns round", () => {
  const records = recorded((trace) => {
    for (const name of ["a", "b", "c"]) trace.note(0, name, "start", "");
    trace.message(1, "deliver", "a", "c", "there");
    trace.message(2, "deliver", "c", "a", "back");
    trace.message(3, "reset", "c", "a", "gone");
    trace.message(4, "deliver", "b", "b", "self");
  });
  assert.deepEqual(
    drawn(records)
      .slice(4)
      .map((line) => line.slice(16)),
    [
      "    ├───────────────▶     there",
      "    ◀───────────────┤     back",
      "    │ ✗─────────────┤     reset: gone",
      "    │       ↺       │     self",
    ],
  );
});

test("only the last part is shown", () => {
  const lines = drawn(INCIDENT, { lastMs: 1 });
  assert.equal(lines.filter((line) => /^\s+\d/.test(line)).length, 2);
});

test("more nodes than columns: the busiest have one, and the others are named", () => {
  const records = recorded((trace) => {
    for (let node = 0; node < 12; node++) {
      for (let count = 0; count <= node; count++) trace.note(1, `node-${node}`, "state", "");
    }
  });
  const lines = drawn(records);
  assert.equal(lines[0]?.match(/node-\d+/g)?.join(), "node-4,node-5,node-6,node-7,node-8,node-9,node-10,node-11");
  assert.equal(lines.at(-1), 'Not shown: 4 more node(s), node-0, node-1, node-2, node-3. Choose columns with "nodes".');
  assert.doesNotMatch(lines.slice(0, -1).join("\n"), /node-0/);
});

test("columns can be chosen, in any order; what concerns others is left out", () => {
  const lines = drawn(INCIDENT, { nodes: ["station"] });
  assert.doesNotMatch(lines.join("\n"), /command 1|gateway: /);
  assert.match(lines.at(-1) as string, /1 more node\(s\), gateway/);
  assert.match(drawn(INCIDENT, { nodes: ["station", "gateway"] })[0] as string, /station +gateway/);
});

test("it stays within its bounds whatever was recorded", () => {
  const long = "long name ".repeat(50);
  const records = recorded((trace) => {
    for (let index = 0; index < 3_000; index++) {
      trace.message(
        index / 10,
        index % 2 === 0 ? "deliver" : `lost ${long}`,
        `${long}${index % 9}`,
        `${long}${index % 7}`,
        long,
      );
    }
    trace.note(300, "world", "violation", `${long}\n`.repeat(100));
  });
  const lines = drawn(records);
  assert.ok(lines.length < 450, String(lines.length));
  for (const line of lines) assert.ok(line.length <= 180, line);
  assert.match(lines.join("\n"), /Not shown: \d+ earlier row\(s\)/);
});

test("nothing recorded is an empty picture", () => {
  assert.deepEqual(drawn([]), ["       time, s"]);
  assert.equal(mermaidDiagram([]), "sequenceDiagram\n");
});

test("the same for Mermaid", () => {
  assert.equal(
    mermaidDiagram(
      recorded((trace) => {
        trace.message(1, "deliver", "a;b", "c", "one #1; two");
        trace.message(2, "refused", "c", "a;b", "x");
        trace.note(3, "c", "crash", "kill");
        trace.note(3, "world", "violation", "bad");
      }),
    ),
    [
      "sequenceDiagram",
      "  participant n0 as a b",
      "  participant n1 as c",
      "  n0->>n1: 0.001000 one  1  two",
      "  n1-xn0: 0.002000 refused: x",
      "  Note over n1: 0.003000 c: crash kill",
      "  Note over n0,n1: 0.003000 world: violation bad",
      "",
    ].join("\n"),
  );
});
