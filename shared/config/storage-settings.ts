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

export const defaultS3Settings: S3Settings = s3SettingsSchema.parse({});
