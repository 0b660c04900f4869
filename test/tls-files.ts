/** Where a set of development certificates lies. */
import { join } from "node:path";
import type { TlsSettings } from "../shared/config/security-settings.js";

/** The files of one role in a folder that `makeDevelopmentCertificates` has written to. */
export const tlsFiles = (folder: string, role: string, serverName: string | null = null): TlsSettings => ({
  ca: join(folder, "ca.pem"),
  cert: join(folder, `${role}.pem`),
  key: join(folder, `${role}-key.pem`),
  serverName,
});
