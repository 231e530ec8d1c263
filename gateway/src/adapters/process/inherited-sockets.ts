/**
 * Sockets that a service manager has opened and passes to this process, so that an address is held
 * while one gateway takes the place of another: callers that connect meanwhile wait in the queue of
 * the operating system, and none is refused. This is systemd's protocol (sd_listen_fds(3)):
 * `LISTEN_FDS` sockets from descriptor 3 on, for the process `LISTEN_PID`, with names in
 * `LISTEN_FDNAMES`.
 *
 * A socket is used for the listener whose address it has, or for the one it is named after: the
 * name of a group, `control` or `heartbeats`. Which address a descriptor has is read from /proc, so
 * this works on Linux only, as systemd does.
 */
import { readFileSync, readlinkSync } from "node:fs";
import { isIPv6 } from "node:net";
import type { ListenSettings } from "../../fleet/settings.ts";

export type SocketKind = "tcp" | "udp";

interface InheritedSocket {
  readonly fd: number;
  readonly name: string;
  readonly kind: SocketKind;
  readonly at: ListenSettings;
}

const FIRST_FD = 3;
/** systemd never passes as many. */
const MAX_FDS = 1_024;

export class InheritedSockets {
  /** Those that no listener has taken yet. */
  readonly #left: InheritedSocket[];

  constructor(sockets: readonly InheritedSocket[]) {
    this.#left = [...sockets];
  }

  /** The sockets that this process was given; undefined if it was given none. */
  static of(environment: Readonly<Record<string, string | undefined>>, pid: number): InheritedSockets | undefined {
    const { LISTEN_PID: forPid, LISTEN_FDS: count = "", LISTEN_FDNAMES: names = "" } = environment;
    if (forPid !== String(pid) || !/^[1-9]\d{0,3}$/.test(count)) return undefined;
    const named = names.split(":");
    const fds = Array.from({ length: Math.min(MAX_FDS, Number(count)) }, (_, place) => FIRST_FD + place);
    const bound = boundSockets();
    return new InheritedSockets(
      fds.flatMap((fd, place): InheritedSocket[] => {
        const socket = bound.get(inodeOf(fd) ?? "");
        return socket === undefined ? [] : [{ ...socket, fd, name: named[place] ?? "" }];
      }),
    );
  }

  /** The descriptor for a listener; undefined if there is none for it. Each is given once. */
  take(name: string, at: ListenSettings, kind: SocketKind): number | undefined {
    const ofKind = this.#left.filter((socket) => socket.kind === kind);
    const socket = ofKind.find((one) => isSameAddress(one.at, at)) ?? ofKind.find((one) => one.name === name);
    if (socket === undefined) return undefined;
    this.#left.splice(this.#left.indexOf(socket), 1);
    return socket.fd;
  }

  /** Addresses that no listener has taken. */
  get unused(): readonly ListenSettings[] {
    return this.#left.map(({ at }) => at);
  }
}

/** Spellings of "every address of this machine". */
const ANY_HOST: ReadonlySet<string> = new Set(["0.0.0.0", "::", ""]);

function isSameAddress(one: ListenSettings, other: ListenSettings): boolean {
  if (one.port !== other.port) return false;
  return one.host === other.host || (ANY_HOST.has(one.host) && ANY_HOST.has(other.host));
}

function inodeOf(fd: number): string | undefined {
  try {
    return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${fd}`))?.[1];
  } catch {
    return undefined;
  }
}

/** All sockets of this network namespace that are bound, by inode. */
function boundSockets(): Map<string, Omit<InheritedSocket, "fd" | "name">> {
  const bound = new Map<string, Omit<InheritedSocket, "fd" | "name">>();
  for (const [table, kind] of [
    ["tcp", "tcp"],
    ["tcp6", "tcp"],
    ["udp", "udp"],
    ["udp6", "udp"],
  ] as const) {
    for (const line of tableOf(table).split("\n").slice(1)) {
      const fields = line.trim().split(/\s+/);
      const [, local = "", , , , , , , , inode = ""] = fields;
      const at = addressIn(local);
      if (at !== undefined) bound.set(inode, { kind, at });
    }
  }
  return bound;
}

function tableOf(name: string): string {
  try {
    return readFileSync(`/proc/net/${name}`, "utf8");
  } catch {
    return "";
  }
}

/**
 * `0100007F:1F90` is 127.0.0.1:8080: words in the machine's order of bytes, which is little-endian.
 */
export function addressIn(hexadecimal: string): ListenSettings | undefined {
  const parts = /^((?:[0-9A-F]{8}){1,4}):([0-9A-F]{4})$/.exec(hexadecimal);
  if (parts === null) return undefined;
  const words = (parts[1] as string).match(/.{8}/g) ?? [];
  const bytes = words.flatMap((word) => [...Buffer.from(word, "hex")].reverse());
  const port = Number.parseInt(parts[2] as string, 16);
  if (bytes.length === 4) return { host: bytes.join("."), port };
  const groups = Array.from({ length: 8 }, (_, at) =>
    (((bytes[2 * at] ?? 0) << 8) | (bytes[2 * at + 1] ?? 0)).toString(16),
  );
  // The URL parser writes an address in its shortest form.
  const host = new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1);
  return isIPv6(host) ? { host, port } : undefined;
}
