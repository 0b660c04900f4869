/** Line plots as SVG: a grid of panels over one legend. Text and shapes only, no style sheet, legible in print and gray. */

/** A line, with a marker at each of its points. Points that are not finite are left out. */
export interface Series {
  readonly name: string;
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

/** One plot. The x axis is logarithmic to base 2. */
export interface Panel {
  readonly title: string;
  readonly xLabel: string;
  /** `log`: decades; needs values above 0. `from zero`: linear. */
  readonly y: "log" | "from zero";
  readonly series: readonly Series[];
}

const panelWidth = 420;
const panelHeight = 300;
/** Room around the plotted area of a panel. */
const margin = { left: 62, right: 18, top: 34, bottom: 46 };
const heading = 40;
const legendHeight = 34;
/** Told apart by people who see few colours (Okabe and Ito), and by their markers. */
const colours = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000"];
const ink = "#333333";

const escaped = (text: string): string =>
  text.replace(
    /[&<>"]/g,
    (sign) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[sign] ?? sign,
  );

const rounded = (value: number): string => value.toFixed(1).replace(/\.0$/, "");

type Anchor = "start" | "middle" | "end";

const text = (x: number, y: number, content: string, anchor: Anchor = "start", size = 12): string =>
  `<text x="${rounded(x)}" y="${rounded(y)}" font-size="${size}" text-anchor="${anchor}" fill="${ink}">${escaped(content)}</text>`;

const line = (x1: number, y1: number, x2: number, y2: number, colour: string): string =>
  `<line x1="${rounded(x1)}" y1="${rounded(y1)}" x2="${rounded(x2)}" y2="${rounded(y2)}" stroke="${colour}"/>`;

function marker(shape: number, x: number, y: number, colour: string): string {
  const r = 3.5;
  const path = (points: readonly (readonly [number, number])[]) =>
    `<polygon points="${points.map(([dx, dy]) => `${rounded(x + dx * r)},${rounded(y + dy * r)}`).join(" ")}" fill="${colour}"/>`;
  switch (shape % 4) {
    case 0:
      return `<circle cx="${rounded(x)}" cy="${rounded(y)}" r="${r}" fill="${colour}"/>`;
    case 1:
      return path([
        [-1, -1],
        [1, -1],
        [1, 1],
        [-1, 1],
      ]);
    case 2:
      return path([
        [0, -1.3],
        [1.2, 1],
        [-1.2, 1],
      ]);
    default:
      return path([
        [0, -1.4],
        [1.4, 0],
        [0, 1.4],
        [-1.4, 0],
      ]);
  }
}

/** An axis: where a value lies, 0 to 1, and the values that are labelled. */
export interface Axis {
  readonly at: (value: number) => number;
  readonly ticks: readonly number[];
}

/** A linear axis from zero, with 3 to 6 round ticks, the last at or above the largest value. */
export function axisFromZero(values: readonly number[]): Axis {
  const largest = Math.max(0, ...values) || 1;
  const magnitude = 10 ** Math.floor(Math.log10(largest / 5));
  const step = [1, 2, 2.5, 5, 10].map((m) => m * magnitude).find((s) => largest / s <= 5) ?? 10 * magnitude;
  const count = Math.ceil(largest / step - 1e-9);
  const top = count * step;
  return {
    at: (value) => value / top,
    ticks: Array.from({ length: count + 1 }, (_, i) => Number((i * step).toPrecision(6))),
  };
}

/** A logarithmic axis over whole powers of the base, at least one of them. @throws RangeError for values up to 0 */
export function logAxis(values: readonly number[], base: number): Axis {
  const power = (value: number) => Math.log(value) / Math.log(base);
  const smallest = Math.min(...values);
  if (!(smallest > 0)) throw new RangeError(`${smallest} has no place on a logarithmic axis`);
  const low = Math.floor(power(smallest) + 1e-9);
  const high = Math.max(low + 1, Math.ceil(power(Math.max(...values)) - 1e-9));
  return {
    at: (value) => (power(value) - low) / (high - low),
    ticks: Array.from({ length: high - low + 1 }, (_, i) => Number((base ** (low + i)).toPrecision(12))),
  };
}

function panelShapes({ title, xLabel, y, series }: Panel, names: readonly string[]): string[] {
  const width = panelWidth - margin.left - margin.right;
  const height = panelHeight - margin.top - margin.bottom;
  const finite = series.map(({ name, points }) => ({
    name,
    points: points.filter((p) => Number.isFinite(p.x) && Number.isFinite(p.y)),
  }));
  const all = finite.flatMap(({ points }) => points);
  if (all.length === 0) return [text(margin.left, margin.top + 20, `${title}: nothing to show`)];
  const xAxis = logAxis(
    all.map((p) => p.x),
    2,
  );
  const ys = all.map((p) => p.y);
  const yAxis = y === "log" ? logAxis(ys, 10) : axisFromZero(ys);
  const px = (value: number) => margin.left + xAxis.at(value) * width;
  const py = (value: number) => margin.top + (1 - yAxis.at(value)) * height;
  const shapes = [text(margin.left, margin.top - 12, title, "start", 13)];
  for (const tick of yAxis.ticks) {
    shapes.push(line(margin.left, py(tick), margin.left + width, py(tick), "#dddddd"));
    shapes.push(text(margin.left - 8, py(tick) + 4, String(tick), "end"));
  }
  for (const tick of xAxis.ticks) {
    shapes.push(line(px(tick), margin.top + height, px(tick), margin.top + height + 4, ink));
    shapes.push(text(px(tick), margin.top + height + 18, String(tick), "middle", 11));
  }
  shapes.push(line(margin.left, margin.top + height, margin.left + width, margin.top + height, ink));
  shapes.push(line(margin.left, margin.top, margin.left, margin.top + height, ink));
  shapes.push(text(margin.left + width / 2, panelHeight - 10, xLabel, "middle"));
  for (const { name, points } of finite) {
    const index = names.indexOf(name);
    const colour = colours[index % colours.length];
    const path = points.map((p) => `${rounded(px(p.x))},${rounded(py(p.y))}`).join(" ");
    shapes.push(`<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="1.8"/>`);
    for (const p of points) shapes.push(marker(index, px(p.x), py(p.y), colour));
  }
  return shapes;
}

/** Panels two abreast below a title, and a legend that holds for all of them. */
export function panelsSvg(title: string, panels: readonly Panel[]): string {
  const names = [...new Set(panels.flatMap(({ series }) => series.map(({ name }) => name)))];
  const columns = Math.min(2, panels.length);
  const width = columns * panelWidth;
  const height = heading + Math.ceil(panels.length / columns) * panelHeight + legendHeight;
  const placed = panels.map((panel, i) => {
    const [x, y] = [(i % columns) * panelWidth, heading + Math.floor(i / columns) * panelHeight];
    return `<g transform="translate(${x} ${y})">\n${panelShapes(panel, names).join("\n")}\n</g>`;
  });
  let x = margin.left;
  const legend = names.flatMap((name, index) => {
    const colour = colours[index % colours.length];
    const y = height - legendHeight / 2;
    const shapes = [
      line(x, y, x + 24, y, colour),
      marker(index, x + 12, y, colour),
      text(x + 30, y + 4, name),
    ];
    x += 54 + 6.6 * name.length;
    return shapes;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="Helvetica, Arial, sans-serif">`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    text(margin.left, 26, title, "start", 15),
    ...placed,
    ...legend,
    "</svg>\n",
  ].join("\n");
}
