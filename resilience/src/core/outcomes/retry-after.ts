/**
 * `Retry-After` (RFC 9110, 10.2.3): when the service asks to be tried again. It is a number of
 * seconds or an instant. An instant of the service's calendar is only meaningful together with that
 * calendar, so it is read relative to the answer's own `Date` (6.6.1): two machines whose calendars
 * differ by a minute agree on a difference. Our own calendar is used only if an answer has no
 * `Date`. All three forms of an HTTP date are read (5.6.7); any other text is no hint.
 *
 * There should be only one value. If a service and a proxy in front of it both send one, they
 * arrive as a list (5.3), and the longest counts: before it is over, one of the two does not want
 * the retry.
 */

const MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAY = "(?:mon|tue|wed|thu|fri|sat|sun)";
const LONG_DAY = "(?:monday|tuesday|wednesday|thursday|friday|saturday|sunday)";
const MONTH = `(?<month>${MONTHS.join("|")})`;
const TIME = "(?<hour>\\d\\d):(?<minute>\\d\\d):(?<second>\\d\\d)";

/**
 * "Sun, 06 Nov 1994 08:49:37 GMT", and the obsolete "Sunday, 06-Nov-94 08:49:37 GMT" and "Sun Nov 6
 * 08:49:37 1994".
 */
const FORMS = [
  new RegExp(`^${DAY}, (?<day>\\d\\d) ${MONTH} (?<year>\\d{4}) ${TIME} GMT$`, "i"),
  new RegExp(`^${LONG_DAY}, (?<day>\\d\\d)-${MONTH}-(?<year>\\d\\d) ${TIME} GMT$`, "i"),
  new RegExp(`^${DAY} ${MONTH} (?<day>[ \\d]\\d) ${TIME} (?<year>\\d{4})$`, "i"),
];
/** A two-digit year is the one nearest to now, at most this many years away. */
const HALF_CENTURY = 50;
const LONGEST_DATE = 40;
/** The maximum length of a list; a longer text is no hint. */
const LONGEST_LIST = 320;
/**
 * A number of seconds may have any number of digits; one too large to handle means 2³¹ seconds (RFC
 * 9111, 1.2.2).
 */
const MAX_SECONDS = 2 ** 31;
/** A member of a list; the comma after the name of a day belongs to the member. */
const MEMBER = new RegExp(`\\s*(?:(?:${LONG_DAY}|${DAY}),)?[^,]+`, "gi");
const DAY_MS = 86_400_000;
/** Average year of the Gregorian calendar. */
const YEAR_MS = 365.2425 * DAY_MS;

/**
 * Milliseconds until the instant, or for the time, in `retryAfter`; 0 if that has passed. The
 * longest if it is a list; undefined if it contains none. `date`: the answer's own `Date`.
 * `wallMs`: returns the milliseconds since 1970; called if there is no `Date`.
 */
export function retryAfterMs(
  retryAfter: string | undefined,
  date: string | undefined,
  wallMs: (() => number | undefined) | undefined,
): number | undefined {
  const value = retryAfter?.trim();
  if (value === undefined || value === "") return undefined;
  if (SECONDS.test(value)) return secondsInMs(value);
  if (value.length > LONGEST_LIST) return undefined;
  let longestMs: number | undefined;
  for (const member of value.match(MEMBER) ?? []) {
    const hintMs = hintIn(member.trim(), date, wallMs);
    if (hintMs !== undefined && hintMs >= (longestMs ?? 0)) longestMs = hintMs;
  }
  return longestMs;
}

const SECONDS = /^\d+$/;

function secondsInMs(digits: string): number {
  return Math.min(Number(digits), MAX_SECONDS) * 1_000;
}

function hintIn(
  value: string,
  date: string | undefined,
  wallMs: (() => number | undefined) | undefined,
): number | undefined {
  if (SECONDS.test(value)) return secondsInMs(value);
  if (value.length > LONGEST_DATE || !FORMS.some((form) => form.test(value))) return undefined;
  const sentMs = date === undefined ? undefined : httpDateMs(date.trim(), wallMs);
  const fromMs = sentMs ?? wallMs?.();
  const atMs = fromMs === undefined ? undefined : httpDateMs(value, () => fromMs);
  return atMs === undefined || fromMs === undefined ? undefined : Math.max(0, atMs - fromMs);
}

/**
 * Milliseconds from 1970 to an HTTP date; undefined if `text` is none, or if there is no such day.
 * A two-digit year is the one nearest to `nearMs`, or to 2000 if the present is unknown.
 */
export function httpDateMs(text: string, nearMs?: () => number | undefined): number | undefined {
  if (text.length > LONGEST_DATE) return undefined;
  for (const form of FORMS) {
    const parts = form.exec(text)?.groups;
    if (parts !== undefined) return instantOf(parts, nearMs);
  }
  return undefined;
}

function instantOf(parts: Record<string, string>, nearMs: (() => number | undefined) | undefined): number | undefined {
  const [day, hour, minute, second] = [parts["day"], parts["hour"], parts["minute"], parts["second"]].map(Number) as [
    number,
    number,
    number,
    number,
  ];
  const month = MONTHS.indexOf((parts["month"] as string).toLowerCase());
  const year = yearOf(parts["year"] as string, nearMs);
  // A leap second is allowed, and is read as the first second of the next minute.
  if (hour > 23 || minute > 59 || second > 60) return undefined;
  if (day < 1 || day > (Date.UTC(year, month + 1) - Date.UTC(year, month)) / DAY_MS) return undefined;
  return Date.UTC(year, month, day, hour, minute, second);
}

/**
 * RFC 9110, 5.6.7: if two digits would lie more than 50 years ahead, they mean the century before.
 */
function yearOf(digits: string, nearMs: (() => number | undefined) | undefined): number {
  if (digits.length > 2) return Number(digits);
  const near = 1970 + Math.floor((nearMs?.() ?? Date.UTC(2000, 0)) / YEAR_MS);
  const year = near - (near % 100) + Number(digits);
  if (year > near + HALF_CENTURY) return year - 100;
  return year < near - HALF_CENTURY ? year + 100 : year;
}
