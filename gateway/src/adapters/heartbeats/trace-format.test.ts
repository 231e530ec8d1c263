/** Lines of a trace: what is read of each notation, and the reason where nothing can be. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { TraceFormat, type TraceLine } from "./trace-format.ts";

function read(lines: readonly string[], unitMs = 1): Array<Partial<TraceLine> | string> {
  const format = new TraceFormat(unitMs);
  const found: Array<Partial<TraceLine> | string> = [];
  for (const line of lines) {
    const reading = format.read(line);
    if (reading === true)
      found.push(Object.fromEntries(Object.entries(format.line).filter(([, value]) => value !== undefined)));
    else if (reading !== undefined) found.push(typeof reading === "string" ? reading : reading.unusable);
  }
  return found;
}

test("[D10] CSV without a header: node, arrival, sequence, sent, incarnation, in milliseconds", () => {
  assert.deepEqual(read(["a,100", "a,150.5,3,7,2", "# a comment", "", ' "b, c" , 1e3 ,4']), [
    { node: "a", arrivalMs: 100 },
    { node: "a", arrivalMs: 150.5, sequence: 3, sentAtMs: 7, incarnation: 2 },
    { node: "b, c", arrivalMs: 1_000, sequence: 4 },
  ]);
});

test("[D10] a header names the columns in any order, their units, and others that are left alone", () => {
  assert.deepEqual(read(["seq,colour,Arrival_s,station,sent_us", "1,red,2.5,a,4000"]), [
    { node: "a", arrivalMs: 2_500, sequence: 1, sentAtMs: 4 },
  ]);
  assert.deepEqual(read(["timestamp", "5"]), [{ node: "trace", arrivalMs: 5 }]);
  assert.deepEqual(read(["arrivalMs,node", "5,a"], 1_000), [{ node: "a", arrivalMs: 5 }]);
});

test("[D10] a header that cannot be used → the whole file is refused, with the columns that it names", () => {
  const refusal = (header: string): unknown => new TraceFormat(1).read(header);
  for (const [header, says] of [
    ["node,arrival,timestamp", /two columns for arrival, "arrival" and "timestamp"; rename .* "other_timestamp"/],
    ["station,node,arrival", /two columns for node, "station" and "node"/],
    ["arrival_ms,arrival_s,node", /two columns for arrival, "arrival_ms" and "arrival_s"/],
    ["node,sequence", /no column for arrival: "node", "sequence"/],
    ['node,"arrival,sequence', /in its header a quote is not closed/],
  ] as const) {
    const found = refusal(header);
    assert.ok(typeof found === "object", header);
    assert.match((found as { unusable: string }).unusable, says);
  }
});

test("[D10] a renamed column, as the refusal says, is left alone", () => {
  assert.deepEqual(read(["node,arrival,other_timestamp", "a,5,9"]), [{ node: "a", arrivalMs: 5 }]);
});

test("[D10] an open quote, or text beside a quote → a broken line, and never a node's name", () => {
  const odd = ['"a,1', '"a""b,1', 'a"b,1', '"a"b,1', 'a,"1', 'a,1,"2', '"', 'a,1,2,3,"'];
  for (const [place, reason] of read(["a,1", ...odd]).entries())
    if (place > 0) assert.match(String(reason), /quote is not closed/, odd[place - 1]);
  assert.deepEqual(read(['"a ""b""","1",""']), [{ node: 'a "b"', arrivalMs: 1 }]);
});

test("[D10] a JSON line with two fields for one column → the reason names both", () => {
  const [first, second] = read(['{"arrival":1,"timestamp":2}', '{"arrival":1,"timestamp":null}']);
  assert.match(String(first), /two fields for arrival, "arrival" and "timestamp"/);
  assert.deepEqual(second, { node: "trace", arrivalMs: 1 });
});

test("[D10] JSON lines, a gateway's stream among them", () => {
  assert.deepEqual(
    read([
      '{"recording":"atlantic","kind":"udp","intervalMs":50}',
      '{"node":"a","arrival":5,"sequence":1,"sent":2,"incarnation":3}',
      '{"id":7,"time":"6","sequence":null,"more":{}}',
      '{"node":"a"}',
      "[1]",
      "{",
      '{"node":["a"],"arrival":1}',
    ]),
    [
      { node: "a", arrivalMs: 5, sequence: 1, sentAtMs: 2, incarnation: 3 },
      { node: "7", arrivalMs: 6 },
      "there is no arrival",
      "it is not a JSON object",
      "it is not JSON",
      "node is not text",
    ],
  );
});

test("[D10] dates of ISO 8601 with a zone; numbers and dates do not mix", () => {
  const noonMs = Date.UTC(2702, 1, 3, 12);
  assert.deepEqual(
    read(["a,2702-02-03T12:00:00.250Z", "a,2702-02-03 13:00:00+01:00", "a,2702-02-03T12:00:00", "a,17"]),
    [
      { node: "a", arrivalMs: noonMs + 250 },
      { node: "a", arrivalMs: noonMs },
      "arrival is neither a number nor a date such as 2027-02-03T11:23:00.120Z",
      "arrival is a number, and the lines before have dates",
    ],
  );
  assert.deepEqual(read(["a,17", "a,2702-02-03T12:00:00Z"])[1], "arrival is a date, and the lines before have numbers");
});

test("[D10] what is no number, no count, no node has its reason", () => {
  const odd = ["a,", "a,0x10", "a,Infinity", "a,NaN", "a,1e400", "a,12 34", ",5", `${"x".repeat(201)},5`, "a\u0007,5"];
  for (const [place, reason] of read(["a,1", ...odd]).entries()) {
    if (place > 0) assert.equal(typeof reason, "string", odd[place - 1]);
  }
  assert.match(String(read(["a,1,2.5"])[0]), /sequence/);
  assert.match(String(read(["a,1,-1"])[0]), /sequence/);
  assert.match(String(read(["a,1,,x"])[0]), /sent/);
  assert.match(String(read(["a,1,,,x"])[0]), /incarnation/);
  assert.match(String(read(["just text"])[0]), /1 columns/);
});
