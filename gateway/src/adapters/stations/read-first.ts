/**
 * Connections to a station that are read to their end before a failed write counts. A station may
 * answer a request whose body is still on its way ("too large", "not allowed") and close the
 * connection: the next write fails then, while the answer waits unread. To Node a failed write is
 * the end of the socket; here it is kept back until what the station has sent is read, which ends
 * by itself, because the system has closed the connection in both directions. What cannot be read
 * is an answer that the station's own reset has overtaken on the network.
 */
import type { Socket } from "node:net";

type Written = (error?: Error | null) => void;

/** From now on a failed write counts only once `socket` is read to its end. */
export function keepBackWriteErrors(socket: Socket): void {
  const write = socket._write.bind(socket);
  const writeMany = socket._writev?.bind(socket);
  socket._write = (chunk, encoding, done) => write(chunk, encoding, afterReading(socket, done));
  if (writeMany !== undefined) socket._writev = (chunks, done) => writeMany(chunks, afterReading(socket, done));
}

/**
 * `done`, but told of a connection that the other side has closed only once it is read to its end.
 */
function afterReading(socket: Socket, done: Written): Written {
  return (error) => {
    if (!isClosedByPeer(error) || socket.destroyed || socket.readableEnded) return done(error);
    const end = (): void => {
      socket.off("end", end).off("close", end);
      done(error);
    };
    socket.on("end", end).on("close", end);
  };
}

function isClosedByPeer(error: NodeJS.ErrnoException | null | undefined): boolean {
  return error?.code === "EPIPE" || error?.code === "ECONNRESET";
}
