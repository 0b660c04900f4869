/** `deqfleet certs`: certificates to try mutual TLS with. */
import { resolve } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { fleetServerName, makeDevelopmentCertificates } from "../shared/security/development-authority.js";
import { exitCodes } from "./exit-codes.js";
import type { CommandSurroundings } from "./restore.js";

const longestDays = 825;

function days(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > longestDays) {
    throw new InvalidArgumentError(`It must be a whole number of days, 1 to ${longestDays}.`);
  }
  return value;
}

/** Adds the command to the program; `done` receives its exit code. */
export function addCerts(
  program: Command,
  { console, cwd }: CommandSurroundings,
  done: (exitCode: number) => void,
): void {
  const dev = new Command("dev")
    .description("make an authority and certificates of coordinator, worker and client, for development")
    .option("--out <dir>", "folder for the files", "certs")
    .option("--host <names...>", "hosts the certificates are good for", ["localhost", "127.0.0.1"])
    .option("--days <n>", `days they are good for, up to ${longestDays}`, days, 30)
    .action(async (options: { out: string; host: string[]; days: number }) => {
      const written = await makeDevelopmentCertificates(
        resolve(cwd, options.out),
        options.host,
        options.days,
      );
      for (const path of written) console.stdout.write(`${path}\n`);
      console.stdout.write(
        `Good for ${options.days} days, for ${options.host.join(", ")} and the name ${fleetServerName} (--tls-server-name).\n`,
      );
      done(exitCodes.ok);
    });
  program.addCommand(new Command("certs").description("certificates for mutual TLS").addCommand(dev));
}
