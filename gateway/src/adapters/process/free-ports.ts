/**
 * Free ports of loopback for processes that are about to start, and whose ports others have to know
 * also while they are dead. The ports are below the range that the operating system uses for port
 * 0, so that nothing else takes them meanwhile, and they depend on the process id of the asker, so
 * that two askers do not collide. A port may still be taken before it is used; then the process
 * that wanted it says so.
 */
import { randomInt } from "node:crypto";
import { createServer } from "node:net";

/** Linux assigns ports for port 0 from 32,768 up, other systems from 49,152 (IANA). */
const FROM = 20_000;
const BLOCKS = 375;
const PORTS_OF_BLOCK = 32;
/** Blocks that are tried before giving up: with so many in use, something else is wrong. */
const MAX_TRIES = 50;

/** Number of ports that can be asked for at once. */
const MAX_FREE_PORTS = PORTS_OF_BLOCK;

/**
 * `count` ports of 127.0.0.1 that are free now, in one row.
 * Throws if there are none.
 */
export async function freePorts(count: number): Promise<readonly number[]> {
  if (count > MAX_FREE_PORTS) throw new RangeError(`${count} free ports; allowed are at most ${MAX_FREE_PORTS}`);
  let block = process.pid % BLOCKS;
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const ports = Array.from({ length: count }, (_, place) => FROM + block * PORTS_OF_BLOCK + place);
    const free = await Promise.all(ports.map(isFree));
    if (free.every(Boolean)) return ports;
    block = randomInt(BLOCKS);
  }
  throw new Error(`no ${count} free ports in a row from ${FROM} to ${FROM + BLOCKS * PORTS_OF_BLOCK}`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
