/**
 * Explains why an address cannot be listened on, in a sentence with the listener, the address and
 * what to do. The operating system's code alone (`EADDRINUSE`) helps only readers who know it.
 */
import type { ListenSettings } from "../../fleet/settings.ts";
import { UserError } from "./exit-codes.ts";

export function shownAddress({ host, port }: ListenSettings): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/**
 * Runs `open`. If it fails because of the address, rejects with a {@link UserError} that says what
 * to do.
 */
export async function listening<Listener>(
  what: string,
  at: ListenSettings,
  open: () => Promise<Listener>,
): Promise<Listener> {
  try {
    return await open();
  } catch (error) {
    const reason = WHY.get(codeOf(error) ?? "");
    if (reason === undefined) throw error;
    throw new UserError("cannotListen", `listen ${shownAddress(at)} (${what}): ${reason}`);
  }
}

const WHY: ReadonlyMap<string, string> = new Map([
  ["EADDRINUSE", "the port is in use by another program; stop it, or choose another port (0 takes any free one)"],
  ["EACCES", "this user may not listen there; choose a port above 1023, or give the program the right to"],
  ["EPERM", "this user may not listen there; choose a port above 1023, or give the program the right to"],
  ["EADDRNOTAVAIL", "this machine has no such address; choose one of its own, or 0.0.0.0 for all of them"],
  ["EAFNOSUPPORT", "this machine does not speak that kind of address; choose an IPv4 address"],
  ["ENOTFOUND", "the host name is not known; write an address, such as 127.0.0.1"],
  ["EAI_AGAIN", "the host name could not be looked up; write an address, such as 127.0.0.1"],
]);

/** The operating system's code, also if the error has been wrapped. */
function codeOf(error: unknown): string | undefined {
  for (let at = error; at instanceof Error; at = at.cause) {
    if ("code" in at && typeof at.code === "string") return at.code;
  }
  return undefined;
}
