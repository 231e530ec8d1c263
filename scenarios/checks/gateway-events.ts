/**
 * Names of gateway events that checks wait for and that not every version of the gateway has.
 * `overload` says that fewer commands are answered in time than are offered, and contains the
 * numbers.
 */
export const OVERLOAD_EVENT = "overload";

/**
 * Numbers that an {@link OVERLOAD_EVENT} carries: commands offered, answered with success and
 * refused, of the same span of time.
 */
export const OVERLOAD_NUMBERS: readonly string[] = ["offered", "ended", "answered", "refused"];
