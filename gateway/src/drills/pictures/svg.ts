/**
 * The words that all pictures of the drills are written in: elements of SVG 1.1 as text, with each
 * attribute and text escaped. A picture is part of an HTML page and takes its colours from the
 * page's classes (`page.ts`), so that it is readable on light and on dark. Shapes tell outcomes
 * apart without colour.
 */
import { htmlText } from "./escaping.ts";

export type Attributes = Readonly<Record<string, string | number>>;

/** An element; a number that is not finite is a bug of the caller. */
export function element(name: string, attributes: Attributes, ...children: readonly string[]): string {
  const written = Object.entries(attributes).map(([key, value]) => ` ${key}="${attributeText(value)}"`);
  const open = `<${name}${written.join("")}`;
  return children.length === 0 ? `${open}/>` : `${open}>${children.join("")}</${name}>`;
}

function attributeText(value: string | number): string {
  if (typeof value === "string") return htmlText(value, 4_000);
  if (!Number.isFinite(value)) throw new RangeError(`a picture needs finite numbers, and this is ${value}`);
  return String(Math.round(value * 10) / 10);
}

/** A line of text; `text` is escaped here. */
export function words(x: number, y: number, text: string, attributes: Attributes = {}): string {
  return element("text", { x, y, ...attributes }, htmlText(text));
}

/**
 * How a point looks: "good" is a disc, "slow" a ring, "bad" a cross, "stopped" a square, "absent" a
 * triangle, "system" a diamond.
 */
export type Shape = "good" | "slow" | "bad" | "stopped" | "absent" | "system";

/** A point with a tooltip. */
export function point(shape: Shape, x: number, y: number, title: string, size = 4): string {
  const tooltip = element("title", {}, htmlText(title));
  const path = SHAPES[shape](size);
  if (path === "") return element("circle", { class: `shape ${shape}`, cx: x, cy: y, r: size }, tooltip);
  return element(
    "path",
    { class: `shape ${shape}`, transform: `translate(${round(x)} ${round(y)})`, d: path },
    tooltip,
  );
}

const SHAPES: Readonly<Record<Shape, (size: number) => string>> = {
  good: () => "",
  slow: () => "",
  bad: (size) => `M${-size} ${-size}L${size} ${size}M${-size} ${size}L${size} ${-size}`,
  stopped: (size) => `M${-size} ${-size}H${size}V${size}H${-size}Z`,
  absent: (size) => `M0 ${-size}L${size} ${size}H${-size}Z`,
  system: (size) => `M0 ${-size - 1}L${size + 1} 0L0 ${size + 1}L${-size - 1} 0Z`,
};

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

export interface Frame {
  readonly width: number;
  readonly height: number;
  /** The picture in one sentence: for readers who cannot see it, and a tooltip for others. */
  readonly title: string;
}

/** A whole picture. */
export function picture({ width, height, title }: Frame, parts: readonly string[]): string {
  const frame = {
    class: "picture",
    viewBox: `0 0 ${round(width)} ${round(height)}`,
    width,
    height,
    role: "img",
    "aria-label": title,
  };
  return element("svg", frame, ...parts.map((part) => `${part}\n`));
}

/** An explanation of shapes, in one line. Returns the parts of the picture. */
export function legend(x: number, y: number, entries: ReadonlyArray<readonly [Shape, string]>): string[] {
  let left = x;
  return entries.flatMap(([shape, text]) => {
    const parts = [point(shape, left + 5, y - 4, text), words(left + 15, y, text, { class: "soft" })];
    left += 30 + textWidth(text);
    return parts;
  });
}

/** About how wide a text of the house's size is drawn, in pixels. Errs on the wide side. */
export function textWidth(text: string): number {
  return 6.8 * text.length;
}
