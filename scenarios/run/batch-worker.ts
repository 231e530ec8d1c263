/** The code that a worker thread of a batch runs. The pool needs a default export. */
import { runPortion } from "./batch.ts";

// biome-ignore lint/style/noDefaultExport: the worker pool calls the default export of its file.
export default runPortion;
