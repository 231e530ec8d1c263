/**
 * How much memory this process may hold for callers where nobody says: a quarter of what it may
 * have, which leaves room for the copies, the heap and the sockets that go with it, and at most 512
 * MiB, because more is rarely held for long by anything but a fault. In a container what counts is
 * the container's limit.
 */
import { totalmem } from "node:os";

const PART = 1 / 4;
const MAX_BYTES = 512 * 1_024 ** 2;

/**
 * `machineBytes`: of the machine; `limitBytes`: what the system allows this process, 0 or more than
 * the machine has for no limit.
 */
export function memoryForCallers(
  machineBytes: number = totalmem(),
  limitBytes: number = process.constrainedMemory(),
): number {
  const available = limitBytes > 0 ? Math.min(machineBytes, limitBytes) : machineBytes;
  return Math.min(MAX_BYTES, Math.floor(available * PART));
}
