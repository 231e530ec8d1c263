/**
 * The pictures and the two formats of a report: whatever texts and numbers come in, what comes out
 * is well-formed, lies inside, and has no markup of others in it.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { coverageBars } from "./coverage-bars.ts";
import { type Block, reportHtml, reportMarkdown } from "./document.ts";
import { readDuration, readInstant, shownDuration } from "./durations.ts";
import { htmlText, markdownText, plainText, shellWord } from "./escaping.ts";
import { stripPlot } from "./strip-plot.ts";
import type { Shape } from "./svg.ts";
import { timeScale } from "./time-scale.ts";
import { timeline } from "./timeline.ts";
import { trendPlot } from "./trend-plot.ts";

const HOSTILE = `</title><script>alert(1)</script> & "q" 'a' | \u001b[31m\u202e\n# h @all https://evil.example ![x](y)`;
const SHAPES: Shape[] = ["good", "slow", "bad", "stopped", "absent", "system"];

/** Every opened element is closed, in order; attributes are quoted. Returns how many there are. */
function wellFormed(markup: string): number {
  const open: string[] = [];
  let count = 0;
  const rest = markup.replaceAll(
    /<(\/?)([a-z][\w-]*)((?: [\w:-]+="[^"<>]*")*)(\/?)>/g,
    (_, close: string, name: string, __, empty: string) => {
      count++;
      if (close === "/") assert.equal(open.pop(), name);
      else if (empty !== "/") open.push(name);
      return "";
    },
  );
  assert.deepEqual(open, []);
  assert.ok(!/[<>]/.test(rest), rest.slice(0, 200));
  return count;
}

const text = fc.oneof(fc.string({ maxLength: 30 }), fc.string({ unit: "binary", maxLength: 30 }), fc.constant(HOSTILE));
const ms = fc.oneof(fc.constant(null), fc.double({ min: 0, max: 1e12, noNaN: true }));
const points = fc.array(fc.record({ ms, shape: fc.constantFrom(...SHAPES), title: text }), { maxLength: 15 });

/** All coordinates of points lie in the frame. */
function assertInside(svg: string): void {
  const [width = 0, height = 0] = (/viewBox="0 0 ([\d. ]+)"/.exec(svg)?.[1] ?? "").split(" ").map(Number);
  const places = [
    ...[...svg.matchAll(/translate\(([-\d.]+) ([-\d.]+)\)/g)].map(([, x, y]) => [Number(x), Number(y)]),
    ...[...svg.matchAll(/cx="([-\d.]+)" cy="([-\d.]+)"/g)].map(([, x, y]) => [Number(x), Number(y)]),
  ] as Array<[number, number]>;
  for (const [x, y] of places)
    assert.ok(x >= 0 && x <= width && y >= 0 && y <= height, `${x} ${y} of ${width} ${height}`);
}

test("any points and texts → each plot is well-formed and everything lies inside", () => {
  const target = fc.oneof(fc.constant(undefined), fc.double({ min: 0, max: 1e9, noNaN: true }));
  const rows = fc.array(fc.record({ group: text, label: text, targetMs: target, points }), { maxLength: 6 });
  fc.assert(
    fc.property(rows, text, (made, title) => {
      for (const svg of [
        stripPlot({ title, absent: "not detected", rows: made }),
        trendPlot(title, made, 10, "no time"),
        timeline({
          title,
          bands: [{ fromMs: 1e12, toMs: null, text: title }],
          lanes: made.map(({ label, points: marks }) => ({
            label,
            marks: marks.map(({ ms: afterMs, shape, title: said }) => ({
              atMs: 1e12 + (afterMs ?? 0),
              shape,
              text: said,
            })),
          })),
        }),
      ]) {
        assert.ok(wellFormed(svg) > 0);
        assertInside(svg);
        assert.ok(
          !/NaN|Infinity|undefined/.test(svg.replaceAll(/>[^<]*</g, "><").replaceAll(/aria-label="[^"]*"/g, "")),
        );
      }
    }),
    { numRuns: 60 },
  );
});

test("every mark of a run → one point in the strip plot, also those that were not detected", () => {
  const svg = stripPlot({
    title: "t",
    absent: "not detected",
    rows: [
      {
        group: "g",
        label: "l",
        targetMs: 1_000,
        points: [1, 10, null, 100, null].map((one) => ({ ms: one, shape: "good" as const, title: `${one}` })),
      },
    ],
  });
  const inLegend = 5;
  assert.equal(svg.match(/class="shape/g)?.length, 5 + inLegend);
});

test("the parts of a coverage bar → as long as their weights, together the whole bar", () => {
  const svg = coverageBars("t", [
    { label: "network", held: 1, slow: 2, deviated: 3, absent: 4, text: "score 33, 6 of 10" },
  ]);
  const widths = [...svg.matchAll(/<rect class="bar (\w[\w-]*)" x="[\d.]+" y="14" width="([\d.]+)"/g)].map(
    ([, kind, width]) => [kind, Number(width)],
  );
  assert.deepEqual(widths, [
    ["held", 38],
    ["slow", 76],
    ["deviated", 114],
    ["not-run", 152],
  ]);
});

test("durations over nine decades → the scale holds them all, in order", () => {
  const scale = timeScale([5, 3_000_000_000]);
  const places = [5, 100, 10_000, 3_000_000_000].map((one) => scale.position(one));
  assert.deepEqual(
    places,
    places.toSorted((a, b) => a - b),
  );
  assert.ok(places.every((place) => place >= 0 && place <= 1));
  assert.equal(timeScale([]).position(1_000), 0.5);
});

test("any text → no markup and no line of its own, in HTML, in Markdown and on a terminal", () => {
  fc.assert(
    fc.property(text, (said) => {
      assert.ok(!/[\p{Cc}\u2028\u2029\u202e]/u.test(plainText(said)));
      assert.ok(!/[<>"']/.test(htmlText(said)));
      const markdown = markdownText(said);
      assert.ok(!/(?<!\\)(?:\\\\)*[<>|`*_[\]]/.test(markdown), markdown);
      assert.ok(!/\n|@\w|(?<!\\):\/\//.test(markdown));
    }),
  );
});

test("hostile texts in every place of a report → the same elements as with plain ones", () => {
  const blocks = (said: string): Block[] => [
    { kind: "text", text: said },
    { kind: "warning", text: said },
    { kind: "list", items: [said] },
    { kind: "code", lines: [said, "```"] },
    { kind: "table", caption: said, head: [said, "b"], rows: [[said, said]] },
    { kind: "table", caption: said, head: [said], rows: [[said]], isLong: true },
    { kind: "figure", svg: "", caption: said },
  ];
  const report = (said: string) => ({
    title: said,
    opening: blocks(said),
    sections: [{ title: said, blocks: blocks(said) }],
  });
  const tags = (html: string): string[] => html.match(/<\/?[a-z][^>]*>/g) ?? [];
  const plain = report("plain");
  const hostile = report(HOSTILE);
  assert.deepEqual(tags(reportHtml(hostile)), tags(reportHtml(plain)));
  const lines = (markdown: string): number => markdown.split("\n").length;
  assert.equal(lines(reportMarkdown(hostile)), lines(reportMarkdown(plain)));
  const cells = (markdown: string): number[] =>
    markdown.split("\n").flatMap((line) => (line.startsWith("|") ? (line.match(/(?<!\\)\|/g)?.length ?? 0) : []));
  assert.deepEqual(cells(reportMarkdown(hostile)), cells(reportMarkdown(plain)));
  assert.ok(reportMarkdown(hostile).includes("````\n"), "the fence is longer than what is inside");
});

test("a word for a shell → comes out of a shell as it went in", () => {
  assert.equal(shellWord("drills/kill.yaml"), "drills/kill.yaml");
  assert.equal(shellWord("a b"), "'a b'");
  assert.equal(shellWord("it's $(x)"), "'it'\\''s $(x)'");
});

test("durations and instants as people write them", () => {
  assert.deepEqual(["500ms", "1.5s", "2m", "2min", "3h", "30d", "5", "-1s", "1e3s", ""].map(readDuration), [
    500,
    1_500,
    120_000,
    120_000,
    10_800_000,
    2_592_000_000,
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
  assert.deepEqual(
    [
      "2026-12-01",
      "2026-12-01T10:00Z",
      "2026-12-01T12:00+02:00",
      "2026-12-01T10:00",
      "2026-02-30",
      "yesterday",
      "2026-13-01",
    ].map(readInstant),
    [Date.UTC(2026, 11, 1), ...[0, 0, 0].map(() => Date.UTC(2026, 11, 1, 10)), undefined, undefined, undefined],
  );
  assert.deepEqual([0, 850, 1_234, 90_000, 150_000, 7_200_000, 400_000_000, -500].map(shownDuration), [
    "0 ms",
    "850 ms",
    "1.23 s",
    "90 s",
    "2.5 min",
    "2 h",
    "4.63 d",
    "−500 ms",
  ]);
});
