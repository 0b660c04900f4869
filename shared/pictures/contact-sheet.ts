/** A contact sheet: rows of pictures side by side, labelled, in one PNG, to judge restorations by eye. */
import { readFile } from "node:fs/promises";
import sharp from "sharp";
import { DeqfleetError, InputError, PictureError } from "../errors.js";
import { writeFileAtomic } from "./atomic-write.js";
import { drawText, fitText, glyphHeight, textWidth } from "./bitmap-font.js";
import { isMeasurementPath } from "./picture-format.js";

/** One picture on the sheet. */
export interface ContactSheetCell {
  /** Stands above the picture, e.g. `measured`. */
  readonly label: string;
  /** A picture file; a measurement file is shown as an empty tile. */
  readonly path: string;
}

/** One line of pictures. */
export interface ContactSheetRow {
  /** Stands above the line, e.g. the picture's name. */
  readonly label: string;
  readonly cells: readonly ContactSheetCell[];
}

/** RGB, interleaved. */
interface Tile {
  readonly width: number;
  readonly height: number;
  readonly pixels: Uint8Array;
}

const cellHeight = 256;
const maxCellWidth = 1024;
const minColumnWidth = 128;
const margin = 32;
const columnGap = 20;
const rowGap = 36;
const textScale = 2;
const lineHeight = glyphHeight * textScale;
const labelGap = 8;
// Neutral tones: a coloured surround would tint the eye's judgement of the pictures.
const background = 236;
const titleInk = 28;
const labelInk = 104;
const emptyTile = 208;

class Canvas implements Tile {
  readonly pixels: Uint8Array;

  constructor(
    readonly width: number,
    readonly height: number,
    tone: number,
  ) {
    this.pixels = new Uint8Array(width * height * 3).fill(tone);
  }

  paste(tile: Tile, left: number, top: number): void {
    for (let y = 0; y < tile.height; y++) {
      const row = tile.pixels.subarray(y * tile.width * 3, (y + 1) * tile.width * 3);
      this.pixels.set(row, ((top + y) * this.width + left) * 3);
    }
  }

  write(text: string, left: number, top: number, room: number, ink: number): void {
    drawText(fitText(text, Math.floor(room / textScale)), (x, y) => {
      for (let dy = 0; dy < textScale; dy++) {
        const at = ((top + y * textScale + dy) * this.width + left + x * textScale) * 3;
        this.pixels.fill(ink, at, at + textScale * 3);
      }
    });
  }
}

const emptyCell = (): Tile => {
  const canvas = new Canvas(cellHeight, cellHeight, emptyTile);
  const text = "no picture";
  const left = Math.round((cellHeight - textWidth(text) * textScale) / 2);
  canvas.write(text, left, (cellHeight - lineHeight) / 2, cellHeight, labelInk);
  return canvas;
};

const loadTile = async (path: string): Promise<Tile> => {
  if (isMeasurementPath(path)) return emptyCell();
  try {
    const upright = sharp(await readFile(path), { failOn: "error" }).autoOrient();
    const { autoOrient } = await upright.metadata();
    const scale = Math.min(cellHeight / autoOrient.height, maxCellWidth / autoOrient.width);
    const { data, info } = await upright
      .flatten({ background: { r: background, g: background, b: background } })
      .resize({
        width: Math.max(Math.round(autoOrient.width * scale), 1),
        height: Math.max(Math.round(autoOrient.height * scale), 1),
        fit: "fill",
        // Small measurements show the pixels they have; smoothing would flatter them.
        kernel: scale >= 2 ? "nearest" : "lanczos3",
      })
      .toColourspace("srgb")
      .raw()
      .toBuffer({ resolveWithObject: true });
    return { width: info.width, height: info.height, pixels: data };
  } catch (cause) {
    throw new PictureError(
      `${path} cannot be shown on the contact sheet (${DeqfleetError.messageOf(cause)}); replace it or leave it out`,
      { cause },
    );
  }
};

/**
 * Writes a PNG grid of pictures, scaled to a common height of 256 pixels (nearest neighbour when enlarged at least twice),
 * with a label above each row and each cell. Columns are as wide as their widest picture. Characters beyond ASCII show as
 * question marks, and labels too long for their place are cut.
 * @throws InputError if there is nothing to show
 * @throws PictureError if a picture cannot be read
 * @throws FatalError if the sheet cannot be written
 */
export async function writeContactSheet(path: string, rows: readonly ContactSheetRow[]): Promise<void> {
  if (!rows.some((row) => row.cells.length > 0)) {
    throw new InputError(`${path}: a contact sheet needs at least one picture`);
  }
  const tiles: Tile[][] = [];
  for (const row of rows) tiles.push(await Promise.all(row.cells.map((cell) => loadTile(cell.path))));

  const columns = Math.max(...tiles.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, c) =>
    Math.max(minColumnWidth, ...tiles.map((row) => row[c]?.width ?? 0)),
  );
  const lefts = widths.map((_, c) => margin + widths.slice(0, c).reduce((sum, w) => sum + w + columnGap, 0));
  const width = lefts[columns - 1]! + widths[columns - 1]! + margin;
  const rowHeight = 2 * (lineHeight + labelGap) + cellHeight;
  const canvas = new Canvas(width, 2 * margin + rows.length * (rowHeight + rowGap) - rowGap, background);
  rows.forEach((row, r) => {
    const top = margin + r * (rowHeight + rowGap);
    canvas.write(row.label, margin, top, width - 2 * margin, titleInk);
    const labels = top + lineHeight + labelGap;
    row.cells.forEach((cell, c) => {
      canvas.write(cell.label, lefts[c]!, labels, widths[c]!, labelInk);
      canvas.paste(tiles[r]![c]!, lefts[c]!, labels + lineHeight + labelGap);
    });
  });
  const raw = { width, height: canvas.height, channels: 3 } as const;
  await writeFileAtomic(path, await sharp(canvas.pixels, { raw, limitInputPixels: false }).png().toBuffer());
}
