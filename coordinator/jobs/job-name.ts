/** A job's name becomes a folder's name and part of a subject: it is checked before it is either. */
import { InputError } from "../../shared/errors.js";
import { jobNameSchema } from "../../shared/jobs/job.js";

/** @throws InputError if the name is none */
export function checkedJobName(name: string): string {
  const { success, error } = jobNameSchema.safeParse(name);
  if (success) return name;
  throw new InputError(`job name ${JSON.stringify(name)} ${error.issues[0].message}`);
}
