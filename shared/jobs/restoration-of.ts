/** From the settings of a run to those that every picture is restored by. */
import type { RestoreSettings } from "../config/restore-settings.js";
import { type Restoration, restorationSchema } from "./job.js";

const fields = Object.keys(restorationSchema.shape) as (keyof Restoration)[];

/** The settings that workers have to know. */
export const restorationOf = (settings: RestoreSettings): Restoration =>
  restorationSchema.parse(Object.fromEntries(fields.map((field) => [field, settings[field]])));
