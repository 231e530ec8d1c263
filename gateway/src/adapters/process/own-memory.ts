/**
 * Default for the memory that this process may hold for callers: a quarter of the memory that it
 * may use, which leaves room for copies, the heap and sockets; and at most 512 MiB, because only a
 * fault makes a gateway hold more for long. In a container the container's limit counts.
 */
import { totalmem } from "node:os";

const PART = 1 / 4;
const MAX_BYTES = 512 * 1_024 ** 2;

/**
 * `machineBytes`: memory of the machine. `limitBytes`: memory that the operating system allows this
 * process; 0, or more than the machine has, means no limit.
 */
export function memoryForCallers(
  machineBytes: number = totalmem(),
  limitBytes: number = process.constrainedMemory(),
): number {
  const available = limitBytes > 0 ? Math.min(machineBytes, limitBytes) : machineBytes;
  return Math.min(MAX_BYTES, Math.floor(available * PART));
}
