/**
 * `gsf run` is killed with SIGKILL again and again while callers send orders under idempotency
 * keys, and the primary dies in some rounds. Afterwards every order that was answered is answered
 * again, alike and without a station; every other one is executed once. The stations remember keys.
 * 30 kills by default; more with `GSF_KILLS=500 node --conditions=@gsf/source --test` and this
 * file.
 */
import assert from "node:assert/strict";
import type { RequestListener } from "node:http";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { seededRandom } from "ground-station-failover";
import { ServedPair } from "./served-pair.ts";

const KILLS = Number(process.env["GSF_KILLS"] ?? 30);
const SEED = process.env["GSF_SEED"] ?? "1";
const CALLERS = 8;
/** Requests at once when everything is sent again. */
const AT_ONCE = 25;
const random = seededRandom(`answered-keys/${SEED}`);

/** What both stations share: each key is executed once, and its answer remembered. */
class Orders {
  /** Requests by key, and executions. */
  readonly requests: Map<string, number> = new Map();
  readonly executions: Map<string, number> = new Map();
  readonly #answers: Map<string, Promise<string>> = new Map();
  #number = 0;

  readonly serve: RequestListener = (message, response) => {
    const key = message.headers["idempotency-key"];
    if (typeof key !== "string") return void response.end("healthy");
    this.requests.set(key, (this.requests.get(key) ?? 0) + 1);
    message.resume().once("end", async () => {
      const known = this.#answers.get(key);
      const answer = known ?? this.#execute(key);
      this.#answers.set(key, answer);
      const text = await answer;
      // In two ways, because both are common: with a length, and in chunks.
      response.statusCode = 201;
      response.setHeader("content-type", "text/plain");
      if (text.length % 2 === 0) response.setHeader("content-length", text.length);
      response.write(text);
      response.end();
    });
  };

  async #execute(key: string): Promise<string> {
    await new Promise((resolve) => setTimeout(resolve, 15 * random.next()));
    this.executions.set(key, (this.executions.get(key) ?? 0) + 1);
    return `order ${++this.#number} of ${key}`;
  }
}

interface Answered {
  readonly status: number;
  readonly text: string;
  readonly isReplayed: boolean;
}

async function order(base: string, key: string, body = key): Promise<Answered> {
  const headers = { "idempotency-key": key, "content-type": "text/plain", authorization: "Bearer of the caller" };
  const answer = await fetch(`${base}/orders`, { method: "POST", headers, body });
  return {
    status: answer.status,
    text: await answer.text(),
    isReplayed: answer.headers.get("gsf-replayed") === "true",
  };
}

class Campaign {
  readonly orders: Orders = new Orders();
  readonly answered: Map<string, string> = new Map();
  readonly doubtful: Set<string> = new Set();
  replays = 0;
  #sent = 0;

  /** Sends orders until `isOver`. */
  async load(base: string, isOver: () => boolean): Promise<void> {
    const caller = async (): Promise<void> => {
      while (!isOver()) {
        const key = `key-${++this.#sent}`;
        this.doubtful.add(key);
        const { status, text } = await order(base, key).catch(() => ({ status: 0, text: "" }));
        if (status !== 201) continue;
        this.answered.set(key, text);
        this.doubtful.delete(key);
      }
    };
    await Promise.all(Array.from({ length: CALLERS }, caller));
  }

  /**
   * Everything that was answered in the last round, or at random before, is answered again alike.
   */
  async verify(base: string, keys: readonly string[]): Promise<void> {
    for (let from = 0; from < keys.length; from += AT_ONCE) {
      await Promise.all(keys.slice(from, from + AT_ONCE).map((key) => this.#verifyOne(base, key)));
    }
  }

  async #verifyOne(base: string, key: string): Promise<void> {
    const requests = this.orders.requests.get(key);
    const again = await order(base, key);
    assert.deepEqual([again.status, again.text, again.isReplayed], [201, this.answered.get(key), true], key);
    assert.equal(this.orders.requests.get(key), requests, `${key} went to a station again`);
    this.replays++;
  }

  /** Orders whose callers got no answer are sent again, and are executed once in all. */
  async settle(base: string): Promise<void> {
    const settleOne = async (key: string): Promise<void> => {
      const { status, text } = await order(base, key);
      assert.equal(status, 201, text);
      this.answered.set(key, text);
    };
    await Promise.all([...this.doubtful].map(settleOne));
    this.doubtful.clear();
  }
}

test(`[G1] ${KILLS} kills under load → what was answered is answered again, nothing is executed twice`, async () => {
  const campaign = new Campaign();
  await using pair = await ServedPair.open(campaign.orders.serve);
  for (let kill = 1; kill <= KILLS; kill++) {
    const before = campaign.answered.size;
    const losesPrimary = random.next() < 0.3;
    let isOver = false;
    const loading = campaign.load(pair.group, () => isOver);
    const dying = losesPrimary ? sleep(100 * random.next()).then(() => pair.primary.die()) : undefined;
    await sleep(20 + 380 * random.next());
    await pair.end("SIGKILL");
    isOver = true;
    await loading;
    await dying;
    if (losesPrimary) await pair.primary.listen();
    await pair.start();
    const all = [...campaign.answered.keys()];
    const older = Array.from({ length: 5 }, () => all[Math.floor(random.next() * all.length)]);
    await campaign.verify(pair.group, [
      ...all.slice(Math.max(before, all.length - 20)),
      ...older.filter((key) => key !== undefined),
    ]);
    await campaign.settle(pair.group);
  }
  await campaign.verify(pair.group, [...campaign.answered.keys()].slice(-1_000));
  const [anyKey] = campaign.answered.keys();
  assert.equal((await order(pair.group, anyKey as string, "another order")).status, 422);
  for (const [key, executions] of campaign.orders.executions) assert.equal(executions, 1, key);
  for (const key of campaign.answered.keys()) assert.equal(campaign.orders.executions.get(key), 1, key);
  assert.ok(campaign.answered.size > KILLS && campaign.replays > KILLS, `${campaign.answered.size} orders`);
});
