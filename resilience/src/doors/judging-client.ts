/**
 * The client behind a door for HTTP: a shared one, or one that is made of options. It must judge
 * results, because otherwise an answer of 500 would be a success.
 */
import { ConfigurationError } from "../core/errors.ts";
import { type HttpAnswerWithBody, httpStatus } from "../core/outcomes/outcome.ts";
import { type ClientOptions, ResilientClient } from "../runtime/guard/client.ts";
import { settingsOf } from "../runtime/guard/guarded-call.ts";

/** Throws `ConfigurationError` if the client judges no results. */
export function judgingClient(
  part: string,
  policies: ResilientClient<HttpAnswerWithBody> | ClientOptions<HttpAnswerWithBody>,
): ResilientClient<HttpAnswerWithBody> {
  if (!(policies instanceof ResilientClient)) return new ResilientClient({ classify: httpStatus, ...policies });
  if (settingsOf(policies).judgesResults) return policies;
  throw new ConfigurationError(
    "no-classifier",
    `${part}: the client ${policies.name} has no classify, so an answer of 500 would be a success; create it with classify: httpStatus.`,
  );
}
