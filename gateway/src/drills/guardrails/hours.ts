/**
 * Whether an instant lies in business hours, by the clock on the wall of a time zone. The wall
 * clock is asked of the time zone database through `Intl`, for each instant anew, so the hours that
 * a change to summer time leaves out or repeats are as they are on the wall. Hours that go past
 * midnight belong to the day on which they begin.
 */

export const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] as const;
type Day = (typeof DAYS)[number];

export interface BusinessHours {
  /** A name of the time zone database, such as "Europe/Berlin". */
  readonly timezone: string;
  readonly days: readonly Day[];
  /** HH:MM on the wall, the first minute that counts. */
  readonly from: string;
  /** HH:MM on the wall, the first minute that counts no more; "24:00" is the end of the day. */
  readonly to: string;
}

const MINUTES_OF_DAY = 1_440;

/** Whether `at` lies in the hours. */
export function isInHours({ timezone, days, from, to }: BusinessHours, at: Date): boolean {
  const { day, minute } = wallClock(timezone, at);
  const [first, end] = [minuteOf(from), minuteOf(to)];
  if (first < end) return days.includes(day) && minute >= first && minute < end;
  if (minute >= first) return days.includes(day);
  return minute < end && days.includes(dayBefore(day));
}

/** What the wall clock shows: `Fri 16:05 Europe/Berlin`. */
export function shownOnWall(timezone: string, at: Date): string {
  const { day, minute } = wallClock(timezone, at);
  const text = (value: number): string => String(value).padStart(2, "0");
  return `${day} ${text(Math.floor(minute / 60))}:${text(minute % 60)} ${timezone}`;
}

/** Whether the database knows the time zone. */
export function isTimezone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

/** Minutes since midnight; undefined if the text is no time of day. */
export function timeOfDay(text: string): number | undefined {
  const parts = /^(\d\d):(\d\d)$/.exec(text);
  const [hours, minutes] = [Number(parts?.[1]), Number(parts?.[2])];
  const minute = hours * 60 + minutes;
  return parts !== null && minutes < 60 && minute <= MINUTES_OF_DAY ? minute : undefined;
}

function minuteOf(text: string): number {
  const minute = timeOfDay(text);
  if (minute === undefined) throw new RangeError(`${text} is no time of day`);
  return minute;
}

function wallClock(timezone: string, at: Date): { readonly day: Day; readonly minute: number } {
  const format = new Intl.DateTimeFormat("en-US", {
    ...{ timeZone: timezone, weekday: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" },
  });
  const parts = new Map(format.formatToParts(at).map(({ type, value }) => [type, value]));
  const day = (parts.get("weekday") as string).toLowerCase() as Day;
  return { day, minute: Number(parts.get("hour")) * 60 + Number(parts.get("minute")) };
}

function dayBefore(day: Day): Day {
  return DAYS[(DAYS.indexOf(day) + DAYS.length - 1) % DAYS.length] as Day;
}
