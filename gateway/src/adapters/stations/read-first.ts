/**
 * Makes sure that a connection to a station is read to its end before a failed write counts. A
 * station may answer a request while the body is still being sent ("too large", "not allowed") and
 * close the connection. The next write then fails while the answer is still unread. Node treats a
 * failed write as the end of the socket. Here the failure is held back until everything that the
 * station sent has been read. This always ends, because the operating system has closed the
 * connection in both directions. An answer is lost only if the station's own reset overtakes it on
 * the network.
 */
import type { Socket } from "node:net";

type Written = (error?: Error | null) => void;

/**
 * From now on, a failed write on `socket` is reported only after `socket` has been read to its end.
 */
export function keepBackWriteErrors(socket: Socket): void {
  const write = socket._write.bind(socket);
  const writeMany = socket._writev?.bind(socket);
  socket._write = (chunk, encoding, done) => write(chunk, encoding, afterReading(socket, done));
  if (writeMany !== undefined) socket._writev = (chunks, done) => writeMany(chunks, afterReading(socket, done));
}

/**
 * Wraps `done`: if the peer has closed the connection, the error is reported only after everything
 * has been read.
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
