/**
 * Connections of an attacker: one that writes and reports how it was answered, one that sends a
 * byte now and then, and one that asks and never reads. All end with their signal, and every socket
 * is closed before the work returns.
 */
import { connect, type Socket } from "node:net";
import { systemClock } from "ground-station-failover";
import { pause } from "./fields.ts";
import type { HostileRequest } from "./hostile-requests.ts";

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** Bytes of an answer that are kept to read its status. */
const MAX_KEPT = 4_096;

/** After an answer, so long is waited for one more: to a request that was smuggled in. */
const ONE_MORE_MS = 150;

/**
 * How a connection was answered: the status ("400"), all of them ("200+404") if more requests were
 * seen in the bytes than one, "closed" without a status, "reset", "silent" (no
 * answer in time), "cut" (the drill ended), or the code of the error that kept it from connecting.
 */
export async function answerTo(
  at: Address,
  { pieces, endsAtOnce }: HostileRequest,
  waitMs: number,
  signal: AbortSignal,
): Promise<string> {
  const answer = new Answer(at, signal);
  const late = systemClock.at(systemClock.nowMs() + waitMs, () => answer.end("silent"));
  try {
    await answer.write(pieces);
    if (endsAtOnce) answer.socket.end();
    return await answer.outcome;
  } finally {
    late[Symbol.dispose]();
    answer.socket.destroy();
  }
}

class Answer {
  readonly socket: Socket;
  readonly outcome: Promise<string>;
  readonly #ended: PromiseWithResolvers<string> = Promise.withResolvers();
  #isOver = false;
  #text = "";
  #more: Disposable | undefined;

  constructor(at: Address, signal: AbortSignal) {
    this.outcome = this.#ended.promise;
    this.socket = connect(at);
    if (signal.aborted) this.end("cut");
    const cut = (): void => this.end("cut");
    signal.addEventListener("abort", cut, { once: true });
    this.socket
      .on("data", (piece: Buffer) => this.#read(piece))
      .once("end", () => this.end("closed"))
      .once("error", (error: NodeJS.ErrnoException) => this.end(named(error)))
      .once("close", () => {
        signal.removeEventListener("abort", cut);
        this.end("closed");
      });
  }

  /** The first outcome counts, and an answer more than how the connection ended. */
  end(outcome: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#more?.[Symbol.dispose]();
    const statuses = [...this.#text.matchAll(/HTTP\/1\.[01] (\d{3})/g)].map(([, status]) => status);
    const answers = statuses.filter((status) => status !== "100");
    this.#ended.resolve(answers.length === 0 ? outcome : answers.join("+"));
    this.socket.destroy();
  }

  /** Writes what is taken; stops as soon as there is an outcome. */
  async write(pieces: Iterable<Buffer>): Promise<void> {
    for (const piece of pieces) {
      if (this.#isOver) return;
      if (this.socket.write(piece)) continue;
      const drained = Promise.withResolvers<void>();
      this.socket.once("drain", drained.resolve);
      await Promise.race([drained.promise, this.outcome]);
    }
  }

  #read(piece: Buffer): void {
    this.#text = (this.#text + piece.toString("latin1")).slice(0, MAX_KEPT);
    this.#more ??= systemClock.at(systemClock.nowMs() + ONE_MORE_MS, () => this.end("closed"));
  }
}

/** The error by the words of {@link answerTo}. */
function named(error: NodeJS.ErrnoException): string {
  if (error.code === "ECONNRESET" || error.code === "EPIPE") return "reset";
  return error.code ?? error.message;
}

/** What became of many connections that are held. */
export interface HeldCounts {
  opened: number;
  /** Open now. */
  open: number;
  /** Ended by the other side, before the attack was over. */
  readonly ended: Record<string, number>;
}

export interface HoldPlan {
  readonly connections: number;
  /** Written at once. */
  readonly first: string;
  /** Written each `everyMs`, if there is something. */
  readonly trickle: string;
  readonly everyMs: number;
  /** Whether answers are read. */
  readonly reads: boolean;
}

/** How many connections are opened at the same time. */
const OPENED_AT_ONCE = 50;

/**
 * Opens the connections and holds them until `signal` is aborted, or until the other side has ended
 * all of them. `onOpen`: all that could be opened have been.
 */
export async function holdConnections(
  at: Address,
  plan: HoldPlan,
  counts: HeldCounts,
  signal: AbortSignal,
  onOpen: () => void,
): Promise<void> {
  const sockets = new Set<Socket>();
  try {
    for (let one = 0; one < plan.connections && !signal.aborted; one += OPENED_AT_ONCE) {
      const lump = Math.min(OPENED_AT_ONCE, plan.connections - one);
      await Promise.all(Array.from({ length: lump }, () => open(at, plan, counts, sockets, signal)));
    }
    onOpen();
    while (!signal.aborted && sockets.size > 0) {
      await pause(plan.everyMs, signal);
      if (plan.trickle !== "") for (const socket of sockets) if (!socket.writableNeedDrain) socket.write(plan.trickle);
    }
  } finally {
    for (const socket of sockets) socket.destroy();
    counts.open = 0;
  }
}

function open(
  at: Address,
  plan: HoldPlan,
  counts: HeldCounts,
  sockets: Set<Socket>,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(at);
    let text = "";
    let code: string | undefined;
    const cut = (): void => void socket.destroy();
    signal.addEventListener("abort", cut, { once: true });
    socket.once("connect", () => {
      counts.opened++;
      counts.open++;
      sockets.add(socket);
      if (!plan.reads) socket.pause();
      socket.write(plan.first);
      resolve();
    });
    if (plan.reads) {
      socket.on("data", (piece: Buffer) => {
        text = (text + piece.toString("latin1")).slice(0, 64);
      });
    }
    socket.once("error", (error: NodeJS.ErrnoException) => {
      code = named(error);
    });
    socket.once("close", () => {
      signal.removeEventListener("abort", cut);
      if (sockets.delete(socket)) counts.open--;
      if (!signal.aborted) {
        const how = /^HTTP\/1\.[01] (\d{3})/.exec(text)?.[1] ?? code ?? "closed";
        counts.ended[how] = (counts.ended[how] ?? 0) + 1;
      }
      resolve();
    });
  });
}
