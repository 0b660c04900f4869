/** How large the chains of a run will be, before the first picture is read: plans depend on it. */
import sharp from "sharp";
import type { NetworkCard } from "../../shared/chain/network-card.js";
import type { RestoreSettings } from "../../shared/config/restore-settings.js";
import { canvasMultiple, type PictureSize } from "../../shared/operators/task.js";
import { canvasFor } from "../../shared/restore/canvas.js";

/** A picture that cannot be read fails when its turn comes, and until then stands for one of this size. */
const usual: PictureSize = { height: 64, width: 64 };

/** The canvas of a picture, by its header alone. */
export async function expectedCanvas(
  input: string,
  { task, simulate }: RestoreSettings,
  network: NetworkCard,
): Promise<PictureSize> {
  try {
    const { autoOrient } = await sharp(input).metadata();
    const scale = simulate ? 1 : canvasMultiple(task);
    return canvasFor({ height: autoOrient.height * scale, width: autoOrient.width * scale }, task, network);
  } catch {
    return network.fixedSize ?? canvasFor(usual, { task: "colorize" }, network);
  }
}
