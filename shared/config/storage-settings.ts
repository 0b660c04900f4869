/** How object storages are reached. Credentials are not among the settings: they come as the AWS SDK finds them. */
import { z } from "zod";

/**
 * Credentials come from the SDK's default chain: the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY), the shared
 * files (AWS_PROFILE), a web identity or the instance.
 */
export const s3SettingsSchema = z.strictObject({
  /** `https://HOST[:PORT]`; null: that of AWS, or AWS_ENDPOINT_URL_S3. */
  endpoint: z
    .url({ protocol: /^https?$/, error: "needs http://HOST:PORT or https://HOST:PORT" })
    .nullable()
    .default(null),
  /** null: AWS_REGION, else us-east-1, which storages outside of AWS take for any. */
  region: z.string().min(1).nullable().default(null),
  /** Whether the bucket is part of the path, as most storages outside of AWS want it, and not of the host. */
  pathStyle: z.boolean().default(false),
});
export type S3Settings = z.infer<typeof s3SettingsSchema>;

/**
 * The settings of a process, from its environment: every process of a fleet has to be given the same. The endpoint is the
 * SDK's own matter; whether buckets are part of paths is said by DEQFLEET_S3_PATH_STYLE (`true`, `false`), else it is what
 * storages outside of AWS want as soon as one is named.
 */
export function s3SettingsFrom(environment: NodeJS.ProcessEnv): S3Settings {
  const endpoint = environment.AWS_ENDPOINT_URL_S3 ?? environment.AWS_ENDPOINT_URL;
  const pathStyle = environment.DEQFLEET_S3_PATH_STYLE;
  return s3SettingsSchema.parse({
    endpoint: endpoint ?? null,
    region: environment.AWS_REGION ?? null,
    pathStyle: pathStyle === undefined ? endpoint !== undefined : pathStyle === "true",
  });
}
