/** Reads what `--arch` names: a preset, or a YAML or JSON file in one of the families' own formats. */
import { readFile } from "node:fs/promises";
import { parse } from "yaml";
import { DeqfleetError, InputError } from "../errors.js";
import { admFromFlags } from "./adm-config.js";
import { type Architecture, architectureSchemas } from "./architecture.js";
import { type BetaSchedule, betaSchedule, type Prediction, predictions } from "./beta-schedule.js";
import { ddpmFromConfig } from "./ddpm-config.js";
import { diffusersFromConfig } from "./diffusers-config.js";
import { parseDocument } from "./parse-document.js";
import { isPresetName, presets } from "./presets.js";

/** An architecture, and what the same file says of the training. */
export interface DescribedNetwork {
  readonly architecture: Architecture;
  readonly prediction?: Prediction;
  readonly schedule?: BetaSchedule;
}

type Mapping = Readonly<Record<string, unknown>>;

const isMapping = (value: unknown): value is Mapping =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The family a document is written for, by its own word or by the keys only that family has. */
function familyOf(document: Mapping): Architecture["family"] | undefined {
  const { family } = document;
  if (typeof family === "string") {
    if (/diffusers|unet2dmodel/i.test(family)) return "diffusers";
    if (/guided|adm/i.test(family)) return "adm";
    if (/ddpm|pesser|sdedit|pytorch.diffusion/i.test(family)) return "ddpm";
    return undefined;
  }
  if ("_class_name" in document || "block_out_channels" in document) return "diffusers";
  if ("model" in document || "ch_mult" in document) return "ddpm";
  return "num_channels" in document || "model_channels" in document ? "adm" : undefined;
}

/**
 * The network a parsed document describes: deqfleet's own form (`attention_levels`), guided-diffusion's flags, SDEdit's
 * sections, a diffusers config.json, or a model card that holds one of them under `arch` or `architecture`.
 * @throws InputError naming file, key and value
 */
export function networkFromDocument(document: unknown, source: string): DescribedNetwork {
  if (!isMapping(document)) throw new InputError(`${source}: expected a mapping of names to values`);
  const inner = document.arch ?? document.architecture;
  if (isMapping(inner)) {
    const described = networkFromDocument({ family: document.family, ...inner }, source);
    // A card may go on after the word: "v_prediction (v = ...)".
    const word = typeof document.prediction_type === "string" ? document.prediction_type.split(" ")[0] : "";
    const prediction = predictions.find((known) => known === (document.prediction ?? word));
    return {
      ...described,
      ...(prediction && { prediction }),
      ...(isMapping(document.schedule) && {
        schedule: parseDocument(betaSchedule, document.schedule, source),
      }),
    };
  }
  const family = familyOf(document);
  if (family === undefined) {
    throw new InputError(
      `${source}: family: ${JSON.stringify(document.family) ?? "missing"}: cannot tell the family; say family: adm, ddpm or diffusers`,
    );
  }
  if ("attention_levels" in document || "mid_block" in document) {
    return { architecture: parseDocument(architectureSchemas[family], document, source) };
  }
  if (family === "adm") return admFromFlags(document, source);
  if (family === "ddpm") return ddpmFromConfig(document, source);
  const { family: _, ...config } = document;
  return { architecture: diffusersFromConfig(config, source) };
}

/**
 * The network named by a preset or described by a YAML or JSON file.
 * @throws InputError if it is neither, or the file cannot be read or describes nothing that can be imported
 */
export async function readArchitecture(presetOrFile: string): Promise<DescribedNetwork> {
  if (isPresetName(presetOrFile)) return { architecture: presets[presetOrFile] };
  let text: string;
  try {
    text = await readFile(presetOrFile, "utf8");
  } catch (cause) {
    throw new InputError(
      `--arch ${presetOrFile}: no preset of that name (${Object.keys(presets).join(", ")}) and no readable file: ${DeqfleetError.messageOf(cause)}`,
      { cause },
    );
  }
  let document: unknown;
  try {
    // JSON is YAML.
    document = parse(text);
  } catch (cause) {
    const [reason] = DeqfleetError.messageOf(cause).split("\n");
    throw new InputError(`--arch ${presetOrFile} is no valid YAML or JSON: ${reason}`, { cause });
  }
  return networkFromDocument(document, presetOrFile);
}
