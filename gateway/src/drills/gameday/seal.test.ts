import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { GameDayEvent, MarkKind } from "./events.ts";
import { type Head, readChain, rootHash, sealedLine } from "./seal.ts";

function note(text: string, mark: MarkKind = "note"): GameDayEvent {
  return { kind: "mark", mark, run: null, happenedAtMs: 1_000, text };
}

interface Written {
  readonly text: string;
  readonly lines: readonly string[];
  readonly head: Head;
}

/** A day with these events, as it is on the disk. */
function written(events: readonly GameDayEvent[]): Written {
  let head: Head = { lines: 0, hash: rootHash("day") };
  const lines = events.map((event, place) => {
    const line = sealedLine(head, 1_700_000_000_000 + place, "Ana", event, "");
    head = { lines: head.lines + 1, hash: line.slice(-67, -3) };
    return line;
  });
  return { text: lines.join(""), lines, head };
}

test("[X5] events written one after the other → read as they were, nothing to report", () => {
  const { text, head } = written([note("a"), note('b\n"quoted" \u001b \ud800'), note("c")]);
  const chain = readChain("day", text, head);
  assert.deepEqual(chain.problems, []);
  assert.deepEqual(
    chain.entries.map(({ number, by, isSound }) => [number, by, isSound]),
    [1, 2, 3].map((number) => [number, "Ana", true]),
  );
  assert.deepEqual(chain.head, head);
});

test("the file of one day under the name of another → every chain begins with its own day", () => {
  const { text, head } = written([note("a")]);
  assert.deepEqual(
    readChain("other", text, head).problems.map(({ kind }) => kind),
    ["broken-chain"],
  );
});

const events = fc.array(
  fc.string({ maxLength: 20 }).map((text) => note(text)),
  { minLength: 1, maxLength: 8 },
);

test("any byte of any line changed → found, and the place is named", () => {
  fc.assert(
    fc.property(events, fc.nat(), fc.integer({ min: 1, max: 255 }), (made, place, change) => {
      const { text, head } = written(made);
      const bytes = Buffer.from(text);
      const at = place % bytes.length;
      bytes[at] = (bytes[at] as number) ^ change;
      if (bytes.toString() === text) return;
      const { problems } = readChain("day", bytes.toString(), head);
      const line = bytes.subarray(0, at).filter((byte) => byte === 0x0a).length + 1;
      const named = problems.filter(({ kind }) => kind !== "torn").map((problem) => problem.line);
      // A line feed that was hit, or put in, moves the lines behind it by one.
      assert.ok(
        named.some((one) => Math.abs(one - line) <= 1),
        `${JSON.stringify(problems)} at line ${line}`,
      );
    }),
  );
});

test("any lines removed, doubled, swapped or written anew → found", () => {
  const change = fc.constantFrom("remove", "double", "swap", "forge", "cut");
  fc.assert(
    fc.property(events, change, fc.nat(), (made, how, place) => {
      const { lines, head } = written(made);
      const at = place % lines.length;
      const changed = [...lines];
      if (how === "remove") changed.splice(at, 1);
      else if (how === "double") changed.splice(at, 0, lines[at] as string);
      else if (how === "cut") changed.splice(at);
      else if (how === "swap") {
        if (lines.length < 2) return;
        const other = (at + 1) % lines.length;
        [changed[at], changed[other]] = [lines[other] as string, lines[at] as string];
      } else {
        // A line with a right hash of its own, in the place of another.
        const before = { lines: at, hash: at === 0 ? rootHash("day") : (lines[at - 1] as string).slice(-67, -3) };
        changed[at] = sealedLine(before, 1_700_000_000_000, "Mallory", note("never happened", "detected"), "");
      }
      const { problems } = readChain("day", changed.join(""), head);
      assert.ok(problems.length > 0, how);
      assert.ok(problems.every(({ kind }) => kind !== "torn"));
    }),
  );
});

test("a last line that was being written when its process died, at any byte → torn, the rest is whole", () => {
  const { text, lines, head } = written([note("a"), note("b")]);
  const last = lines[1] as string;
  const known = { lines: 1, hash: (lines[0] as string).slice(-67, -3) };
  for (let kept = 1; kept < last.length - 1; kept++) {
    const chain = readChain("day", text.slice(0, text.length - last.length + kept), known);
    assert.deepEqual(
      [chain.entries.length, chain.problems.map(({ kind, line }) => `${kind} ${line}`)],
      [1, ["torn 2"]],
      `${kept} bytes`,
    );
  }
  // Without its line feed only, it is whole.
  const whole = readChain("day", text.slice(0, -1), head);
  assert.deepEqual([whole.entries.length, whole.problems], [2, []]);
});

test("a line after a torn one → says so, and both are as they should be", () => {
  const { text, head } = written([note("a")]);
  const piece = '{"number":2,"at":"2026';
  const next = sealedLine(head, 1, "Ana", note("after"), piece);
  const after = { lines: 2, hash: next.slice(-67, -3) };
  assert.deepEqual(
    readChain("day", `${text}${piece}\n${next}`, after).problems.map(({ kind, line }) => [kind, line]),
    [["torn", 2]],
  );
  // Another piece in its place is not what was torn.
  assert.deepEqual(
    readChain("day", `${text}${piece}0\n${next}`, after).problems.map(({ kind, line }) => [kind, line]),
    [["unreadable", 2]],
  );
});

test("no head beside a file with events → named, since lines may have been cut off", () => {
  const { lines } = written([note("a"), note("b")]);
  assert.deepEqual(
    readChain("day", lines[0] as string, undefined).problems.map(({ kind }) => kind),
    ["no-head"],
  );
});

test("any text as a file → never an exception", () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.string(), fc.json())), (lines) => {
      const { entries, problems } = readChain("day", lines.join("\n"), undefined);
      assert.equal(entries.length, 0);
      assert.ok(lines.join("\n") === "" || problems.length > 0);
    }),
  );
});
