/**
 * The thread of the record store: opens the database file and does one request after the other.
 * SQLite waits for the disk here, where nobody else waits with it. While there is nothing to do the
 * thread sleeps. Imports nothing of the workspace's packages, because a thread does not know where
 * their sources are.
 */
import { parentPort, workerData } from "node:worker_threads";
import { answerTo } from "./answer-request.ts";
import { SqliteFile } from "./sqlite-file.ts";
import type { Reply, Request, ThreadData } from "./thread-messages.ts";

const { directory, maxBytes } = workerData as ThreadData;
const port = parentPort;
if (port === null) throw new Error("this file is a thread of the record store");
const file = SqliteFile.open(directory, maxBytes, false);
port.on("message", (request: Request) => {
  const reply: Reply = answerTo(file, request);
  port.postMessage(reply);
  if (request.type === "close") port.close();
});
