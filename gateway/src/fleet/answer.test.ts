/**
 * What a command's caller gets, whatever happens on the way: a group on a virtual clock, and
 * stations without sockets.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { seededRandom } from "ground-station-failover";
import { VirtualClock } from "ground-station-failover/sim";
import { groupSettings } from "../../../test/process/proxy-rig.ts";
import type { Answer } from "./answer.ts";
import { answerTo, withoutReply } from "./answer.ts";
import { Group } from "./group.ts";
import { INTERNAL, RefusedRequest, refusal } from "./problem.ts";
import type { CommandReply, CommandRequest, SendContext } from "./uplink.ts";

type Serve = (request: CommandRequest, context: SendContext) => Promise<CommandReply>;

const DONE: CommandReply = {
  status: 200,
  statusText: "OK",
  headers: [["x-own", "kept"]],
  body: { kind: "bytes", bytes: new Uint8Array([1, 2, 3]) },
  json: undefined,
  trailers: [],
};

function asked(method: string, changes: Partial<CommandRequest> = {}): CommandRequest {
  return { method, target: "/", headers: [], body: { kind: "none" }, ...changes };
}

/** Never answers; ends when nobody waits for it any more. */
const silence: Serve = (_request, { signal }) =>
  new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));

/** A group whose stations serve alike, and how often they were asked. */
class Setting {
  readonly clock: VirtualClock = new VirtualClock();
  readonly group: Group;
  sent = 0;

  constructor(serve: Serve) {
    this.group = new Group({
      settings: groupSettings([1, 2]),
      clock: this.clock,
      random: seededRandom(1),
      uplinkOf: ({ name }) => ({
        name,
        send: (request, context) => {
          this.sent++;
          return serve(request, context);
        },
        probe: () => Promise.resolve(200),
      }),
    });
    for (const { name } of this.group.settings.stations) this.group.noteHeartbeat(name, { sequence: 1 }, 0);
  }

  answer(request: CommandRequest, caller: AbortSignal = new AbortController().signal): Promise<Answer> {
    return this.clock.runUntilSettled(answerTo(this.group, request, caller));
  }
}

describe("what a command's caller gets", () => {
  test("the station's reply, as it came", async () => {
    const at = new Setting(() => Promise.resolve(DONE));
    assert.deepEqual(await at.answer(asked("POST")), { type: "reply", reply: DONE });
    assert.equal(at.sent, 1);
  });

  test("[G6] terms that cannot be read are the request's own fault: 400 with the field, and nothing is sent", async () => {
    const at = new Setting(() => Promise.resolve(DONE));
    const answer = await at.answer(asked("POST", { headers: [["X-Time-Left-Ms", "soon"]] }));
    assert.ok(answer.type === "problem" && answer.error instanceof RefusedRequest);
    assert.deepEqual([answer.problem.status, answer.problem.code], [400, "BAD_HEADER"]);
    assert.match(answer.problem.detail, /^x-time-left-ms: "soon" is not allowed/);
    assert.equal(at.sent, 0);
  });

  test("an asterisk asks us, and not a station", async () => {
    const at = new Setting(() => Promise.resolve(DONE));
    const answer = await at.answer(asked("OPTIONS", { target: "*" }));
    assert.ok(answer.type === "reply");
    assert.equal(answer.reply.status, 204);
    assert.equal(at.sent, 0);
  });

  test("[R4] a problem at its deadline, which says that the command may have been executed, and the error for a log", async () => {
    const at = new Setting(silence);
    const answer = await at.answer(asked("POST", { headers: [["x-time-left-ms", "300"]] }));
    assert.ok(answer.type === "problem");
    const { status, code, outcomeUnknown } = answer.problem;
    assert.deepEqual([status, code, outcomeUnknown], [504, "DEADLINE_EXCEEDED", true]);
    assert.equal(at.clock.nowMs(), 300);
    assert.equal((answer.error as Error & { code: string }).code, "DEADLINE_EXCEEDED");
  });

  test("[F4] a problem where an unkeyed command was lost with the connection, and it is sent once", async () => {
    const at = new Setting(() => Promise.reject(Object.assign(new Error("socket hang up"), { code: "ECONNRESET" })));
    const answer = await at.answer(asked("POST"));
    assert.ok(answer.type === "problem");
    assert.equal(answer.problem.status, 502);
    assert.equal(answer.problem.outcomeUnknown, true);
    assert.equal(at.sent, 1);
  });

  test("nothing, where the caller has hung up", async () => {
    const at = new Setting(silence);
    const caller = new AbortController();
    at.clock.at(100, () => caller.abort(new Error("the caller hung up")));
    assert.equal((await at.answer(asked("POST"), caller.signal)).type, "caller-gone");
    assert.equal(at.clock.nowMs(), 100);
  });

  test("the refusal, where the request went wrong on its way to a station", async () => {
    const at = new Setting(silence);
    const caller = new AbortController();
    at.clock.at(100, () => caller.abort(new RefusedRequest(refusal(413, "REQUEST_TOO_LARGE", "too long"))));
    const answer = await at.answer(asked("POST"), caller.signal);
    assert.ok(answer.type === "problem");
    assert.equal(answer.problem.status, 413);
  });

  test("a fault of ours is told as such, without its words", () => {
    const fault = new TypeError("ours");
    assert.deepEqual(withoutReply(fault), { type: "problem", problem: INTERNAL, error: fault });
  });
});
