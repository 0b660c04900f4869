/**
 * Finds the weights in what a training run saved: a state dict, a dict with one under a known key, or a list that starts with
 * one. Where the run kept an averaged copy (EMA) beside the weights, both are found. Optimizers, counters and everything else
 * are passed over.
 */
import { InputError } from "../errors.js";
import { PickleDict, PickleList, PickleTuple, type PickleValue, TensorReference } from "./pickle-values.js";
import { type NamedWeights, splitLitEma, withoutPrefixes } from "./weight-names.js";

/** The weights that were trained, or their average. */
export type WeightChoice = "ema" | "model";

const modelKeys = ["state_dict", "model_state_dict", "model", "params", "module", "net", "unet"];
const emaKeys = ["ema_state_dict", "state_dict_ema", "model_ema", "ema_model", "params_ema", "ema"];

/** Wrappers inside wrappers that are followed. */
const maxDepth = 4;

interface WeightSets<T> {
  readonly model?: NamedWeights<T>;
  readonly ema?: NamedWeights<T>;
  /** Key of an averaged copy without names, which cannot be read. */
  readonly namelessEma?: string;
}

const directTensors = (dict: PickleDict): Map<string, TensorReference> => {
  const tensors = new Map<string, TensorReference>();
  for (const [name, value] of dict.entries) {
    if (typeof name === "string" && value instanceof TensorReference) tensors.set(name, value);
  }
  return tensors;
};

const isSequence = (value: PickleValue | undefined): value is PickleList | PickleTuple =>
  value instanceof PickleList || value instanceof PickleTuple;

/** A list of tensors, or a dict with one: torch_ema keeps `shadow_params` so. */
const hasNamelessTensors = (value: PickleValue | undefined): boolean =>
  isSequence(value)
    ? value.items[0] instanceof TensorReference
    : value instanceof PickleDict &&
      [...value.entries.values()].some((v) => isSequence(v) && hasNamelessTensors(v));

const findWeights = (
  value: PickleValue | undefined,
  depth: number,
  source: string,
): WeightSets<TensorReference> => {
  if (depth > maxDepth) return {};
  if (isSequence(value)) return findInList(value.items, depth, source);
  if (!(value instanceof PickleDict)) return {};
  const under = (keys: readonly string[]) =>
    keys.flatMap((key) => {
      const sets = findWeights(value.entries.get(key), depth + 1, source);
      return sets.model !== undefined || sets.ema !== undefined ? [{ key, sets }] : [];
    });
  const models = under(modelKeys);
  const emas = under(emaKeys);
  requireOne(
    models.map(({ key }) => key),
    source,
  );
  requireOne(
    emas.map(({ key }) => key),
    source,
  );
  const namelessEma = emaKeys.find((key) => hasNamelessTensors(value.entries.get(key)));
  const [ema] = emas.map(({ key, sets }) => wrapped((sets.ema ?? sets.model)!, key));
  const [inner] = models.map(({ key, sets }) => ({
    model: sets.model && wrapped(sets.model, key),
    ema: sets.ema && wrapped(sets.ema, key),
    namelessEma: sets.namelessEma,
  }));
  if (inner !== undefined || ema !== undefined) {
    return { model: inner?.model, ema: ema ?? inner?.ema, namelessEma: namelessEma ?? inner?.namelessEma };
  }
  const weights = directTensors(value);
  return weights.size === 0 ? {} : { model: { weights, unwrapped: [] } };
};

/**
 * [model, optimizer, epoch, step, ema]: the lists of pytorch_diffusion, DDIM and SDEdit, whose last dict of tensors is the
 * average. Source: ermongroup/ddim, runners/diffusion.py
 */
const findInList = (
  items: readonly PickleValue[],
  depth: number,
  source: string,
): WeightSets<TensorReference> => {
  const { model, ema, namelessEma } = findWeights(items[0], depth + 1, source);
  const last = items.length > 1 ? items.at(-1) : undefined;
  const average = last instanceof PickleDict ? directTensors(last) : new Map<string, TensorReference>();
  return {
    model: model && wrapped(model, "[0]"),
    ema:
      average.size > 0
        ? { weights: average, unwrapped: [`[${items.length - 1}]`, "ema"] }
        : ema && wrapped(ema, "[0]"),
    namelessEma,
  };
};

const wrapped = <T>({ weights, unwrapped }: NamedWeights<T>, key: string): NamedWeights<T> => ({
  weights,
  unwrapped: [key, ...unwrapped],
});

const requireOne = (keys: readonly string[], source: string): void => {
  if (keys.length > 1) {
    throw new InputError(
      `${source}: holds weights under ${keys.join(" and under ")}; save the one that is meant by itself`,
    );
  }
};

/** What a training run saved besides, for a message. */
const describe = (value: PickleValue): string => {
  if (isSequence(value)) return `a list of ${value.items.length}`;
  if (!(value instanceof PickleDict)) return "a single value";
  const keys = [...value.entries.keys()].filter((key) => typeof key === "string");
  const shown = keys.slice(0, 10).join(", ");
  return `a dict with ${keys.length === 0 ? "no names" : shown}${keys.length > 10 ? ", ..." : ""}`;
};

/**
 * The weights of a saved object, by their plain names.
 * @param choice which copy; by default the averaged one where there is one
 * @throws InputError if there are no weights, or not those that were asked for
 */
export function weightsOf(
  object: PickleValue,
  source: string,
  choice?: WeightChoice,
): NamedWeights<TensorReference> {
  const sets = findWeights(object, 0, source);
  if (sets.model === undefined && sets.ema === undefined) {
    throw new InputError(
      `${source}: no tensors found in it (${describe(object)}); save the network's state_dict() by itself`,
    );
  }
  if (sets.ema === undefined && sets.namelessEma !== undefined && choice !== "model") {
    throw new InputError(
      `${source}: its averaged weights (EMA, under ${sets.namelessEma}) have no names, so they cannot be told apart; ` +
        'ask for the plain ones ("model"), or save the averaged network\'s state_dict()',
    );
  }
  return chooseWeights(sets, source, choice);
}

/**
 * One of the copies, without prefixes. A copy that lacks some of the model's weights (what is not trained is not averaged)
 * is completed from the model.
 * @throws InputError if the copy asked for is not there
 */
export function chooseWeights<T>(
  { model, ema }: WeightSets<T>,
  source: string,
  choice?: WeightChoice,
): NamedWeights<T> {
  const beside = model && splitLitEma(model);
  const plain = beside?.model ?? model;
  const average = ema ?? beside?.ema;
  const chosen = choice === "model" ? plain : choice === "ema" ? average : (average ?? plain);
  if (chosen === undefined) {
    throw new InputError(
      choice === "ema"
        ? `${source}: holds no averaged weights (EMA) besides its weights, or none marked so; leave the choice out`
        : `${source}: holds averaged weights (EMA) only; leave the choice out, or ask for "ema"`,
    );
  }
  const stripped = withoutPrefixes(chosen);
  if (chosen !== average || plain === undefined) return stripped;
  const trained = withoutPrefixes(plain).weights;
  // Other names are another network's, or wrapped in a way that is not known: nothing is mixed.
  if (![...stripped.weights.keys()].every((name) => trained.has(name))) return stripped;
  const weights = new Map([...trained, ...stripped.weights]);
  return { weights, unwrapped: stripped.unwrapped };
}
