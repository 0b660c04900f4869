/** The contact sheet of a run: for every restored picture what was measured, what came out, and the original if known. */
import { type ContactSheetRow, writeContactSheet } from "../../shared/pictures/contact-sheet.js";
import { contactSheetPath, type PicturePlace } from "./picture-places.js";
import type { ReportItem } from "./report.js";

/** A sheet of more rows than this is looked at by nobody, and takes gigabytes to draw. */
const mostRows = 50;

function rowOf(place: PicturePlace, item: ReportItem): ContactSheetRow {
  const score = item.psnr === null ? "" : ` ${item.psnr.toFixed(2)} dB`;
  const restored = { label: `restored${score}`, path: place.output };
  const cells =
    place.measurement === undefined
      ? [{ label: "measured", path: place.input }, restored]
      : [{ label: "original", path: place.input }, { label: "measured", path: place.measurement }, restored];
  return { label: place.relativePath, cells };
}

/**
 * Writes the sheet of the first 50 restored pictures beside them; nothing if there is none.
 * @throws PictureError if a picture has become unreadable, FatalError if the sheet cannot be written
 */
export async function writeResultsSheet(
  out: string,
  results: readonly { readonly place: PicturePlace; readonly item: ReportItem }[],
): Promise<void> {
  const rows = results
    .filter(({ item }) => item.status === "done" || item.status === "skipped")
    .slice(0, mostRows)
    .map(({ place, item }) => rowOf(place, item));
  if (rows.length > 0) await writeContactSheet(contactSheetPath(out), rows);
}
