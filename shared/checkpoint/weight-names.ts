/**
 * Names of a state dict without what training put around them: prefixes of wrapping modules, and EMA copies that lie beside
 * the weights under derived names.
 */

/** Named weights and the wrappers they were taken out of, outermost first. */
export interface NamedWeights<T> {
  readonly weights: ReadonlyMap<string, T>;
  readonly unwrapped: readonly string[];
}

/**
 * Prefixes that are dropped where every name has them: DataParallel, torch.compile, the attribute a LightningModule or a
 * pipeline keeps its network in. No network of the families read here has a child of these names.
 */
const prefixes = ["module.", "_orig_mod.", "model.", "unet.", "diffusion_model."];

/** Drops the prefixes that all names share, outermost first. */
export function withoutPrefixes<T>({ weights, unwrapped }: NamedWeights<T>): NamedWeights<T> {
  const names = [...weights.keys()];
  const prefix = prefixes.find((candidate) => names.every((name) => name.startsWith(candidate)));
  if (names.length === 0 || prefix === undefined) return { weights, unwrapped };
  const shorter = new Map([...weights].map(([name, weight]) => [name.slice(prefix.length), weight]));
  return withoutPrefixes({ weights: shorter, unwrapped: [...unwrapped, prefix] });
}

const emaPrefix = "model_ema.";
const modelPrefix = "model.";

/**
 * Weights and EMA copy of a LightningModule with LitEma: the copy of `model.a.b` is `model_ema.ab`, without dots; what is
 * not averaged has none.
 * @returns undefined if there are no such names
 * Source: CompVis/latent-diffusion, ldm/modules/ema.py
 */
export function splitLitEma<T>({
  weights,
  unwrapped,
}: NamedWeights<T>): { model: NamedWeights<T>; ema: NamedWeights<T> } | undefined {
  const emaOf = (name: string) => emaPrefix + name.slice(modelPrefix.length).replaceAll(".", "");
  const hasEma = (name: string) => name.startsWith(modelPrefix) && weights.has(emaOf(name));
  const averaged = [...weights.keys()].filter(hasEma);
  if (averaged.length === 0) return undefined;
  const used = new Set(averaged.map(emaOf));
  // decay and num_updates belong to the averaging; any other name under the prefix stays, to be named as unused.
  const bookkeeping = new Set([`${emaPrefix}decay`, `${emaPrefix}num_updates`]);
  const model = new Map([...weights].filter(([name]) => !used.has(name) && !bookkeeping.has(name)));
  const ema = new Map(
    [...model].map(([name, weight]) => [name, hasEma(name) ? weights.get(emaOf(name))! : weight]),
  );
  return {
    model: { weights: model, unwrapped },
    ema: { weights: ema, unwrapped: [...unwrapped, emaPrefix] },
  };
}
