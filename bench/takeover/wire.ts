/**
 * What goes to the stations, read from the loopback interface by tcpdump: every POST and every
 * connection attempt with its instant. It sees what no station can log, namely connections that
 * were refused. It needs tcpdump and the right to capture; without them the figures that come from
 * here are missing and everything else stands.
 */
import type { ChildProcess } from "node:child_process";
import type { StationName } from "./cases.ts";
import { type Children, endChild, sleep } from "./processes.ts";

export interface Attempt {
  readonly atMs: number;
  readonly to: StationName;
  /** A connection attempt that never carried a command: refused, or given up. */
  readonly isDead: boolean;
}

export interface Wire {
  /** Ends the capture; undefined where nothing could be captured. */
  stop(): Promise<readonly Attempt[] | undefined>;
}

export function watchWire(children: Children, primaryPort: number, backupPort: number): Wire {
  const isSyn = "tcp[13] & 18 == 2";
  const isPost = "tcp[((tcp[12] & 0xf0) >> 2):4] = 0x504f5354";
  const filter = `tcp and (dst port ${primaryPort} or dst port ${backupPort}) and (${isSyn} or ${isPost})`;
  const args = ["-p", "-i", "lo", "-nn", "-tt", "-s", "128", "-B", "4096", filter];
  const child: ChildProcess = children.launch("tcpdump", args, { stdio: ["ignore", "pipe", "pipe"] });
  let lines = "";
  let summary = "";
  child.stdout?.on("data", (data) => {
    lines += data;
  });
  child.stderr?.on("data", (data) => {
    summary += data;
  });
  return {
    stop: async () => {
      await endChild(child, "SIGINT", 2_000);
      await sleep(50);
      return /captured/.test(summary) ? attemptsOf(lines, primaryPort) : undefined;
    },
  };
}

/** Reads tcpdump's lines. A connection attempt whose port never sent a POST is a dead one. */
export function attemptsOf(lines: string, primaryPort: number): readonly Attempt[] {
  const line = /^(\d+\.\d+) IP \S+\.(\d+) > \S+\.(\d+): Flags \[(\S+)\]/;
  const posts: Attempt[] = [];
  const syns: (Attempt & { readonly path: string })[] = [];
  const used = new Set<string>();
  for (const one of lines.split("\n")) {
    const [, seconds, from, to, flags] = line.exec(one) ?? [];
    if (seconds === undefined || flags === undefined) continue;
    const station: StationName = Number(to) === primaryPort ? "primary" : "backup";
    const attempt = { atMs: 1_000 * Number(seconds), to: station };
    const path = `${station} ${from}`;
    if (flags.includes("S")) syns.push({ ...attempt, isDead: true, path });
    else {
      posts.push({ ...attempt, isDead: false });
      used.add(path);
    }
  }
  const dead = syns.filter(({ path }) => !used.has(path)).map(({ atMs, to, isDead }) => ({ atMs, to, isDead }));
  return [...posts, ...dead].sort((one, other) => one.atMs - other.atMs);
}
