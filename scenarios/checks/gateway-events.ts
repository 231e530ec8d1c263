/**
 * Names of gateway events that checks wait for and that not every version of the gateway has.
 * `overload` says that fewer commands are answered in time than are offered, and contains the
 * numbers.
 */
export const OVERLOAD_EVENT = "overload";

/**
 * The numbers in an {@link OVERLOAD_EVENT}: commands offered, ended, answered with success and
 * refused, all in the same time span.
 */
export const OVERLOAD_NUMBERS: readonly string[] = ["offered", "ended", "answered", "refused"];
