/** What the rest of the program has to know of a network. */
export interface NetworkCard {
  /** SHA-256 of the model file, hex. */
  readonly hash: string;
  /** Height and width must be multiples of this. */
  readonly sizeMultiple: number;
  /** The only size the network takes, where it is fixed. */
  readonly fixedSize: { readonly height: number; readonly width: number } | undefined;
}
