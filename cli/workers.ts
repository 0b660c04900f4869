/** `deqfleet workers`: the members of a coordinator's fleet. */
import { type ServiceError, status } from "@grpc/grpc-js";
import { Command } from "commander";
import { defaultCoordinatorAddress } from "../shared/config/coordinator-settings.js";
import { type ProcessOptions, resolveProcessSettings } from "../shared/config/process-settings.js";
import { InputError, RetryableError } from "../shared/errors.js";
import { type TransportSecurity, transportSecurity } from "../shared/security/transport-security.js";
import { addressSchema } from "../shared/wire/address.js";
import { detailsOf } from "../shared/wire/api-error.js";
import type { ListMembersReply__Output } from "../shared/wire/generated/deqfleet/v1/ListMembersReply.js";
import type { Member__Output } from "../shared/wire/generated/deqfleet/v1/Member.js";
import { channelOptions, deadlineIn, protocol, quickCallMilliseconds } from "../shared/wire/protocol.js";
import type { Console } from "./console.js";
import { exitCodes } from "./exit-codes.js";
import { withTlsFlags } from "./service.js";

async function listMembers(address: string, security: TransportSecurity): Promise<Member__Output[]> {
  const checked = addressSchema.safeParse(address);
  if (!checked.success) {
    throw new InputError(`--coordinator ${JSON.stringify(address)}: ${checked.error.issues[0]?.message}`);
  }
  const client = new protocol.Registry(address, security.channel, {
    ...channelOptions,
    ...security.channelOptions,
  });
  try {
    return await new Promise((resolve, reject) => {
      client.listMembers(
        {},
        { deadline: deadlineIn(quickCallMilliseconds) },
        (error: ServiceError | null, reply?: ListMembersReply__Output) => {
          if (reply) return resolve(reply.members);
          const reason =
            error?.code === status.UNIMPLEMENTED
              ? "it is no coordinator"
              : error
                ? detailsOf(error)
                : "no answer";
          reject(new RetryableError(`coordinator ${address}: ${reason}`, { cause: error }));
        },
      );
    });
  } finally {
    client.close();
  }
}

/** Milliseconds of a network call of one state at the size measured first; "-" where none was. */
function costOf({ costs }: Member__Output): string {
  const one = costs.find(({ batch }) => batch === 1);
  return one ? `${(1000 * one.seconds).toPrecision(3)} ms at ${one.height}x${one.width}` : "-";
}

const columns: readonly (readonly [string, (member: Member__Output) => string])[] = [
  ["WORKER", ({ name }) => name],
  ["STATE", ({ state }) => state],
  [
    "DEVICE",
    ({ device, threads }) =>
      device === "cpu" ? `cpu, ${threads} ${threads === 1 ? "thread" : "threads"}` : device,
  ],
  ["MODEL", ({ modelHash }) => modelHash.slice(0, 12)],
  ["ONE CALL", costOf],
  ["PICTURES", ({ pictures }) => String(pictures)],
  ["SLICES", ({ slices }) => String(slices)],
  ["ADDRESS", ({ address }) => address],
  ["VERSION", ({ version }) => version],
];

/** A table with a heading, columns two spaces apart. */
export function membersTable(members: readonly Member__Output[]): string {
  const rows = [columns.map(([heading]) => heading)];
  for (const member of members) rows.push(columns.map(([, cell]) => cell(member)));
  const widths = columns.map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]))
        .join("  ")
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join("");
}

interface WorkersFlags extends Pick<ProcessOptions, "tlsCa" | "tlsCert" | "tlsKey" | "tlsServerName"> {
  coordinator: string;
  json?: boolean;
}

/** Adds the command to the program; `done` receives its exit code. */
export function addWorkers(
  program: Command,
  { console }: { readonly console: Console },
  done: (exitCode: number) => void,
): void {
  const command = new Command("workers")
    .description("list the workers of a coordinator")
    .option("--coordinator <host:port>", "the coordinator", defaultCoordinatorAddress)
    .option("--json", "print JSON lines, one a worker");
  program.addCommand(
    withTlsFlags(command).action(async ({ coordinator, json, ...options }: WorkersFlags) => {
      const security = await transportSecurity(resolveProcessSettings(options).tls);
      const members = await listMembers(coordinator, security);
      members.sort((a, b) => a.name.localeCompare(b.name));
      if (json) for (const member of members) console.stdout.write(`${JSON.stringify(member)}\n`);
      else if (members.length === 0) console.stdout.write(`no workers have joined ${coordinator}\n`);
      else console.stdout.write(membersTable(members));
      done(exitCodes.ok);
    }),
  );
}
