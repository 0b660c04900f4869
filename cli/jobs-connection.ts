/** A command's connection to the public API of a coordinator. */
import { readFile } from "node:fs/promises";
import { type ClientReadableStream, Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { Command } from "commander";
import { defaultCoordinatorAddress } from "../shared/config/coordinator-settings.js";
import { DeqfleetError, FatalError, InputError, PictureError, RetryableError } from "../shared/errors.js";
import { type ClientTlsOptions, clientSecurity } from "../shared/security/transport-security.js";
import { addressSchema } from "../shared/wire/address.js";
import { detailsOf, errorKind } from "../shared/wire/api-error.js";
import type { JobsClient } from "../shared/wire/generated/deqfleet/v1/Jobs.js";
import { channelOptions, deadlineIn, protocol } from "../shared/wire/protocol.js";
import { withTlsFlags } from "./service.js";

/** Submitting may have to look at stores far away. */
const callMilliseconds = 60_000;

/** The flags of every command that talks to a coordinator. */
export interface ConnectionFlags extends ClientTlsOptions {
  readonly coordinator: string;
  readonly tokenFile?: string;
}

/** Adds them. */
export function withConnectionFlags(command: Command): Command {
  return withTlsFlags(
    command
      .option(
        "--coordinator <host:port>",
        "a coordinator of the fleet, any of them",
        defaultCoordinatorAddress,
      )
      .option("--token-file <file>", "file with the bearer token that the API asks for"),
  );
}

/** A command of that name with those flags. */
export const connectedCommand = (name: string, description: string): Command =>
  withConnectionFlags(new Command(name).description(description)).option("--json", "print JSON");

/** What went wrong, as an error that says what may be done next: the coordinator says so, unless the error is gRPC's own. */
export function errorOf(coordinator: string, error: ServiceError): DeqfleetError {
  const { code } = error;
  const details = detailsOf(error);
  switch (errorKind(error)) {
    case "input":
      return new InputError(details, { cause: error });
    case "picture":
      return new PictureError(details, { cause: error });
    case "retryable":
      return new RetryableError(`coordinator ${coordinator}: ${details}`, { cause: error });
    case "fatal":
      return new FatalError(`coordinator ${coordinator}: ${details}`, { cause: error });
  }
  switch (code) {
    case status.UNAUTHENTICATED:
      return new InputError(`coordinator ${coordinator}: ${details}`, { cause: error });
    case status.UNIMPLEMENTED:
      return new InputError(
        `${coordinator} takes no jobs: it is no coordinator, or one that takes them at its --api address only; name that with --coordinator HOST:PORT`,
        { cause: error },
      );
    case status.UNAVAILABLE:
    case status.RESOURCE_EXHAUSTED:
    case status.DEADLINE_EXCEEDED:
      return new RetryableError(`coordinator ${coordinator}: ${details}`, { cause: error });
    default:
      return new FatalError(`coordinator ${coordinator}: ${details}`, { cause: error });
  }
}

async function tokenOf(file: string): Promise<string> {
  try {
    const [token = ""] = (await readFile(file, "utf8")).split("\n");
    return token.trim();
  } catch (cause) {
    throw new InputError(`--token-file ${file} cannot be read: ${DeqfleetError.messageOf(cause)}`, { cause });
  }
}

type Unary<Request, Reply> = (
  request: Request,
  metadata: Metadata,
  options: { deadline: Date },
  callback: (error: ServiceError | null, reply?: Reply) => void,
) => unknown;

/** An open connection. */
export class JobsConnection {
  readonly #client: JobsClient;
  readonly #coordinator: string;
  readonly #token: string | undefined;

  private constructor(client: JobsClient, coordinator: string, token: string | undefined) {
    this.#client = client;
    this.#coordinator = coordinator;
    this.#token = token;
  }

  /** @throws InputError if a flag cannot be what it is */
  static async open({ coordinator, tokenFile, ...tls }: ConnectionFlags): Promise<JobsConnection> {
    const checked = addressSchema.safeParse(coordinator);
    if (!checked.success) {
      throw new InputError(
        `--coordinator ${JSON.stringify(coordinator)}: ${checked.error.issues[0]?.message}`,
      );
    }
    const security = await clientSecurity(tls);
    const options = { ...channelOptions, ...security.channelOptions };
    const client = new protocol.Jobs(coordinator, security.channel, options);
    return new JobsConnection(client, coordinator, tokenFile && (await tokenOf(tokenFile)));
  }

  /** Opens one, and closes it after `work`. */
  static async with<Result>(
    flags: ConnectionFlags,
    work: (connection: JobsConnection) => Promise<Result>,
  ): Promise<Result> {
    const connection = await JobsConnection.open(flags);
    try {
      return await work(connection);
    } finally {
      connection.#client.close();
    }
  }

  #metadata(): Metadata {
    const metadata = new Metadata();
    if (this.#token !== undefined) metadata.set("authorization", `Bearer ${this.#token}`);
    return metadata;
  }

  /** One call. @param method picks it from the client */
  call<Request, Reply>(
    method: (client: JobsClient) => Unary<Request, Reply>,
    request: Request,
  ): Promise<Reply> {
    return new Promise((resolve, reject) => {
      method(this.#client).call(
        this.#client,
        request,
        this.#metadata(),
        { deadline: deadlineIn(callMilliseconds) },
        (error, reply) => {
          if (reply !== undefined) resolve(reply);
          else if (error) reject(errorOf(this.#coordinator, error));
        },
      );
    });
  }

  /** The messages of a stream. It lasts as long as it lasts: there is no deadline; a dead connection is noticed by keepalive. */
  async *stream<Message>(
    open: (client: JobsClient, metadata: Metadata) => ClientReadableStream<Message>,
    signal: AbortSignal,
  ): AsyncGenerator<Message> {
    const call = open(this.#client, this.#metadata());
    const cancel = () => call.cancel();
    signal.addEventListener("abort", cancel, { once: true });
    try {
      for await (const message of call) yield message as Message;
    } catch (error) {
      signal.throwIfAborted();
      throw errorOf(this.#coordinator, error as ServiceError);
    } finally {
      signal.removeEventListener("abort", cancel);
      call.cancel();
    }
  }
}
