/**
 * What a worker has at hand, and how it gets rid of it when it drains.
 *
 * A piece of work is a slice of a cut chain, or a whole picture once it has begun. A draining worker takes no new piece, hands a
 * slice back at its next round (the coordinator opens it elsewhere from its boundary states), and finishes whole pictures.
 */
import { ReturnedError } from "../shared/errors.js";

/** What a piece of work is. */
export type PieceKind = "slice" | "picture";

/** How a whole picture ended: restored, at fault itself, or not at all (cancelled, or its worker could not). */
export type PictureEnd = "done" | "failed" | "abandoned";

/** A piece of work that is over, for logs. */
export type EndedWork =
  | {
      readonly event: "picture-ended";
      readonly job: string | undefined;
      readonly picture: string;
      readonly status: PictureEnd;
      readonly seconds: number;
      readonly error: string | undefined;
    }
  | {
      readonly event: "slice-ended";
      readonly picture: string;
      /** Steps [begin, end) as it was opened. */
      readonly begin: number;
      readonly end: number;
      readonly rounds: number;
      readonly error: string | undefined;
    };

/** A piece of work under way. */
export interface Piece {
  /** Says that it is over; more than once does no harm. */
  readonly end: () => void;
}

/** Work in hand, counted. */
export class OpenWork {
  readonly #pieces: Record<PieceKind, number> = { slice: 0, picture: 0 };
  /** Whole pictures that came to an end, since the process began. */
  readonly pictureEnds: Record<PictureEnd, number> = { done: 0, failed: 0, abandoned: 0 };
  /** Told of what is over. */
  readonly onEnded: (ended: EndedWork) => void;
  readonly #onDrain: () => void;
  #draining = false;
  #idle: (() => void)[] = [];

  /** @param onDrain called when the worker begins to drain */
  constructor(onEnded: (ended: EndedWork) => void = () => {}, onDrain: () => void = () => {}) {
    this.onEnded = onEnded;
    this.#onDrain = onDrain;
  }

  /** Pieces under way. */
  get holds(): number {
    return this.#pieces.slice + this.#pieces.picture;
  }

  /** Pieces of a kind under way. */
  held(kind: PieceKind): number {
    return this.#pieces[kind];
  }

  get draining(): boolean {
    return this.#draining;
  }

  /** @throws ReturnedError if the worker takes no more work */
  begin(kind: PieceKind): Piece {
    this.refuseWhileDraining();
    this.#pieces[kind]++;
    let open = true;
    return {
      end: () => {
        if (!open) return;
        open = false;
        this.#pieces[kind]--;
        if (this.holds === 0) for (const settle of this.#idle.splice(0)) settle();
      },
    };
  }

  /** @throws ReturnedError if the worker drains: what would only begin now is better begun elsewhere */
  refuseWhileDraining(): void {
    if (this.#draining) throw new ReturnedError("the worker is draining");
  }

  /** Takes nothing new from now on. */
  drain(): void {
    this.#draining = true;
    this.#onDrain();
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    if (this.holds > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }
}
