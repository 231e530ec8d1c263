/**
 * The gateway's own shortages: no descriptors, no name server. They are no station's failure, so
 * nobody is replaced; what can still be answered is answered; and the log names what is short.
 */
import http from "node:http";
import { sleep } from "../processes.ts";
import { ask, type Reply, traffic } from "./client.ts";
import { allAre, atMost, type Check, codeOf, isTrue, slowest, staged } from "./finding.ts";

const DESCRIPTORS = 60;
const CONNECTIONS = 200;
const SHORT_FOR_MS = 5_000;
const SOON_MS = 100;
/**
 * Addresses may be used for a while without a look-up; the check lasts longer than any sensible
 * while.
 */
const AFTER_NAMES_MS = 40_000;

/** A refusal of the gateway's own that says so: never a station that "was lost". */
function isHonestRefusal(reply: Reply): boolean {
  return reply.status === 503 && codeOf(reply) !== undefined && !/\blost\b/.test(reply.body);
}

const descriptors: Check = {
  name: `ulimit -n ${DESCRIPTORS}, ${CONNECTIONS} connections`,
  run: (gateway) =>
    staged(
      gateway,
      async (stage) => {
        const endMs = performance.now() + SHORT_FOR_MS;
        const caller = async (): Promise<Reply[]> => {
          const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
          const replies: Reply[] = [];
          while (performance.now() < endMs) {
            replies.push(
              await ask(stage.address, { path: "/work?ms=20", agent, timeoutMs: endMs - performance.now() + 500 }),
            );
            await sleep(250);
          }
          agent.destroy();
          return replies;
        };
        const replies = (await Promise.all(Array.from({ length: CONNECTIONS }, caller))).flat();
        await sleep(1_000);
        const after = await ask(stage.address, { path: "/work", timeoutMs: 5_000 });
        const answered = replies.filter(({ status }) => status > 0);
        const isHonest = (reply: Reply): boolean => reply.status === 200 || isHonestRefusal(reply);
        return [
          allAre("answers: 200, or 503 with a code that blames nobody", answered, isHonest),
          isTrue(
            "some are served meanwhile",
            answered.some(({ status }) => status === 200),
            `${answered.length} answers`,
          ),
          isTrue("the log names the shortage", speaksOf(stage.log(), /EMFILE|ENFILE|descriptor|open files/i)),
          allAre("a request afterwards: 200", [after], ({ status }) => status === 200),
          atMost("a request afterwards", after.tookMs, SOON_MS, " ms"),
        ];
      },
      { descriptorLimit: DESCRIPTORS },
    ),
};

const names: Check = {
  name: "the name server is dead, addresses are known",
  run: (gateway) =>
    staged(
      gateway,
      async (stage) => {
        const question = (): { path: string } => ({ path: "/work?ms=5&close" });
        const before = await traffic(stage.address, 20, 1_000, question);
        stage.failNames();
        const after = await traffic(stage.address, 10, AFTER_NAMES_MS, question);
        return [
          allAre("before: 200", before, ({ status }) => status === 200),
          allAre("afterwards: 200", after, ({ status }) => status === 200),
          atMost("afterwards: p99", slowest(after, 0.99), 1_000, " ms"),
          isTrue(
            "the log names the shortage",
            speaksOf(stage.log(), /EAI_AGAIN|ENOTFOUND|name server|look(ed)? ?-?up|resolve/i),
          ),
        ];
      },
      { hasNames: true },
    ),
};

/** Said where somebody looks: a line of level warn or worse, or an event. */
function speaksOf(lines: readonly { level: string; event?: string; msg: string }[], words: RegExp): boolean {
  return lines.some((line) => (line.level !== "info" || line.event !== undefined) && words.test(JSON.stringify(line)));
}

export const shortageChecks: readonly Check[] = [descriptors, names];
