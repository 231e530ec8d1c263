/**
 * Feeds a parser mutated inputs until its time is over. Each input comes from the seed and its own
 * number alone, so that one line replays it. A failure is an unexpected exception, a broken round
 * trip (the target throws), or an input that takes too long. The failing input is made shorter
 * before it is reported. It does not measure coverage: mutations start from valid inputs instead.
 */
import { type Random, seededRandom } from "ground-station-failover";

/** A parser under test. */
export interface FuzzTarget {
  readonly name: string;
  /** Valid inputs, from which mutations start. */
  readonly corpus: readonly Buffer[];
  /** Throws if `input` is not handled as documented. */
  readonly check: (input: Buffer) => void;
}

/** An input that is not handled as documented. */
export interface FuzzFinding {
  readonly run: number;
  readonly input: Buffer;
  readonly reason: string;
}

/** Longest time for one input, in milliseconds: far above a pause of a busy machine. */
const MAX_INPUT_MS = 2_000;
const MAX_INPUT_BYTES = 65_536;
const MAX_MUTATIONS = 4;
const SHRINK_CHECKS = 2_000;
const PIECES = ["\0", "\r\n", ",", ";", '"', ":", "-1", "1e999", "__proto__", "[[[[", "{", "&a *a", "\ufeff", "\ud800"];

/** Input number `run` of `seed`. */
export function inputOf(target: FuzzTarget, seed: number, run: number): Buffer {
  const random = seededRandom(`${seed}/${target.name}/${run}`);
  let input: Buffer = Buffer.from(pick(random, target.corpus));
  for (let left = below(random, MAX_MUTATIONS + 1); left > 0; left--) input = mutated(random, input, target.corpus);
  return input.subarray(0, MAX_INPUT_BYTES);
}

/** Why `input` is not handled as documented; undefined if it is. */
export function failureOf({ check }: FuzzTarget, input: Buffer): string | undefined {
  const startMs = performance.now();
  try {
    check(Buffer.from(input));
  } catch (error) {
    return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  }
  const tookMs = performance.now() - startMs;
  return tookMs > MAX_INPUT_MS ? `took ${Math.round(tookMs)} ms; at most ${MAX_INPUT_MS} are allowed` : undefined;
}

/** Checks inputs from number `first` on, for `budgetMs`. */
export function fuzz(
  target: FuzzTarget,
  seed: number,
  budgetMs: number,
  first = 0,
): { runs: number; finding: FuzzFinding | undefined } {
  const endMs = performance.now() + budgetMs;
  let run = first;
  do {
    const input = inputOf(target, seed, run);
    const reason = failureOf(target, input);
    if (reason !== undefined) return { runs: run - first + 1, finding: { run, input: shrunk(target, input), reason } };
    run++;
  } while (performance.now() < endMs);
  return { runs: run - first, finding: undefined };
}

/** A shorter input that still fails. */
function shrunk(target: FuzzTarget, input: Buffer): Buffer {
  let best = input;
  let left = SHRINK_CHECKS;
  for (let size = Math.ceil(best.length / 2); size >= 1; size = Math.floor(size / 2)) {
    for (let at = 0; at < best.length && left > 0; left--) {
      const shorter = Buffer.concat([best.subarray(0, at), best.subarray(at + size)]);
      if (failureOf(target, shorter) === undefined) at += size;
      else best = shorter;
    }
  }
  return best;
}

function mutated(random: Random, input: Buffer, corpus: readonly Buffer[]): Buffer {
  const at = below(random, input.length + 1);
  const end = Math.min(input.length, at + 1 + below(random, 16));
  const [head, tail] = [input.subarray(0, at), input.subarray(at)];
  const kind = below(random, 6);
  if (kind === 0) return head;
  if (kind === 1) return Buffer.concat([head, input.subarray(end)]);
  if (kind === 2) return Buffer.concat([head, Buffer.from(pick(random, PIECES)), tail]);
  if (kind === 3) return Buffer.concat([head, input.subarray(at, end), tail]);
  if (kind === 4) return Buffer.concat([head, pick(random, corpus).subarray(at)]);
  const changed = Buffer.from(input);
  if (at < changed.length) changed[at] = below(random, 256);
  return changed;
}

function below(random: Random, end: number): number {
  return Math.floor(random.next() * end);
}

function pick<T>(random: Random, list: readonly T[]): T {
  return list[below(random, list.length)] as T;
}
