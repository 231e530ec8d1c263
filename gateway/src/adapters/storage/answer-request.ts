/** Does one request on a database file, whichever thread has it open. */
import type { SqliteFile } from "./sqlite-file.ts";
import type { Reply, Request } from "./thread-messages.ts";

export function answerTo(file: SqliteFile, request: Request): Reply {
  try {
    switch (request.type) {
      case "commit":
        return { type: "outcomes", outcomes: file.commit(request.commits), figures: file.figures };
      case "look-for-room":
        return { type: "outcomes", outcomes: [file.lookForRoom()], figures: file.figures };
      case "get":
        return { type: "value", value: file.get(request.table, request.key), figures: file.figures };
      case "scan":
        return { type: "records", records: file.scan(request.table, request.options), figures: file.figures };
      case "close":
        file[Symbol.dispose]();
        return { type: "closed" };
    }
  } catch (error) {
    return { type: "error", detail: (error as Error).message };
  }
}
