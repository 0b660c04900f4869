/** What is known of a picture whose file is written, however it was restored. */
import type { PictureJudgement } from "../../shared/restore/whole-picture.js";
import type { Fallback } from "../solver/fallback.js";

export interface RestoredFile {
  /** SHA-256 of the output, hex. */
  readonly outputHash: string;
  readonly judgement: PictureJudgement;
  /** Rounds of evaluations; for whole chains T, one step each. */
  readonly rounds: number;
  readonly evaluations: number;
  /** Largest residual ratio of every round; none for whole chains. */
  readonly residuals: readonly number[];
  readonly converged: boolean;
  /** Slices that were lost and re-seeded. */
  readonly losses: number;
  /** Steps of a cut chain that changed hands when borders moved. */
  readonly moved?: number | undefined;
  readonly fallback: Fallback | undefined;
  readonly seconds: { readonly model: number; readonly wire: number };
}
