/**
 * A connection to the NATS broker that outlasts the broker's absences: it reconnects for ever, and what is asked of it
 * meanwhile is asked again until it succeeds or a bounded time is over.
 */
import { setMaxListeners } from "node:events";
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import {
  type Authenticator,
  connect,
  credsAuthenticator,
  type JetStreamClient,
  type JetStreamManager,
  type NatsConnection,
  NatsError,
  tokenAuthenticator,
  usernamePasswordAuthenticator,
} from "nats";
import type { NatsSettings } from "../../../shared/config/nats-settings.js";
import { DeqfleetError, InputError, RetryableError } from "../../../shared/errors.js";

/** Of one request; a broker that answers at all answers much faster. */
export const requestMilliseconds = 2000;
const againAfterMilliseconds = 100;
/** A connection over which nothing comes for two of these is dead. */
const pingMilliseconds = 5000;

/** Errors after which the same request may succeed. */
const passing = new Set(["TIMEOUT", "503", "DISCONNECT", "CONNECTION_REFUSED", "409"]);

/** The number that NATS gives to an error of JetStream, e.g. 10071 for a wrong last sequence. */
export const jetStreamError = (thrown: unknown): number | undefined =>
  thrown instanceof NatsError ? thrown.api_error?.err_code : undefined;

/** Removing a message failed, for one because it was removed meanwhile. */
const removalErrors: readonly (number | undefined)[] = [10043, 10057];

const isPassing = (thrown: unknown): boolean =>
  thrown instanceof NatsError &&
  (passing.has(thrown.code) ||
    thrown.api_error?.code === 503 ||
    removalErrors.includes(jetStreamError(thrown)));

/** Codes of Node and OpenSSL for certificates that are not trusted, or not those of the server. */
const certificateErrors = /^(ERR_TLS_|ERR_SSL_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|CERT_)/;

/** Whether a message that was asked for is not there. */
export const isNotFound = (thrown: unknown): boolean => thrown instanceof NatsError && thrown.code === "404";

/** The client's messages are its codes. */
const meanings: Readonly<Record<string, string>> = {
  TIMEOUT: "it does not answer",
  DISCONNECT: "the connection is lost",
  CONNECTION_REFUSED: "the connection is refused",
  CONNECTION_CLOSED: "the connection is closed",
  "503": "nobody there answers for this stream",
};

function meaningOf(thrown: unknown): string {
  if (!(thrown instanceof NatsError)) return DeqfleetError.messageOf(thrown);
  return thrown.api_error?.description ?? meanings[thrown.code] ?? thrown.message;
}

function fileOf(option: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new InputError(`NATS ${option} ${path} cannot be read: ${DeqfleetError.messageOf(cause)}`, {
      cause,
    });
  }
}

/** Reads the files anew for each connection: secrets may be replaced while the process runs. */
function authenticatorOf(settings: NatsSettings): Authenticator | undefined {
  const { credentials, user, passwordFile, tokenFile } = settings;
  const secret = (option: string, path: string) => () => fileOf(option, path).toString("utf8").trim();
  if (credentials !== undefined) {
    fileOf("credentials", credentials);
    return credsAuthenticator(() => fileOf("credentials", credentials));
  }
  if (user !== undefined && passwordFile !== undefined) {
    const password = secret("passwordFile", passwordFile);
    password();
    return usernamePasswordAuthenticator(user, password);
  }
  if (tokenFile !== undefined) {
    const token = secret("tokenFile", tokenFile);
    token();
    return tokenAuthenticator(token);
  }
  return undefined;
}

/** Aborts with a connection. Everything under way listens to it. */
function newLink(): AbortController {
  const link = new AbortController();
  setMaxListeners(0, link.signal);
  return link;
}

export class Broker {
  readonly connection: NatsConnection;
  readonly js: JetStreamClient;
  readonly jsm: JetStreamManager;
  readonly #servers: string;
  readonly #patienceMilliseconds: number;
  #link = newLink();
  #connected: Promise<void> = Promise.resolve();

  private constructor(
    connection: NatsConnection,
    jsm: JetStreamManager,
    servers: string,
    patienceMilliseconds: number,
  ) {
    this.connection = connection;
    this.jsm = jsm;
    this.js = connection.jetstream({ timeout: requestMilliseconds });
    this.#servers = servers;
    this.#patienceMilliseconds = patienceMilliseconds;
    void this.#watchConnection();
  }

  /**
   * @param patienceMilliseconds for how long something is tried while the broker does not answer
   * @throws InputError if the broker refuses this client, has no JetStream, or a file cannot be read; RetryableError if it
   * cannot be reached
   */
  static async connect(settings: NatsSettings, patienceMilliseconds: number): Promise<Broker> {
    const servers = settings.servers.join(", ");
    const { ca, certificate, key } = settings.tls ?? {};
    for (const [option, path] of Object.entries({ ca, certificate, key })) {
      if (path !== undefined) fileOf(`tls.${option}`, path);
    }
    const insists = settings.tls !== undefined || settings.servers.some((url) => url.startsWith("tls:"));
    const authenticator = authenticatorOf(settings);
    let connection: NatsConnection | undefined;
    try {
      connection = await connect({
        servers: settings.servers,
        name: `${settings.prefix} coordinator`,
        ...(authenticator && { authenticator }),
        // Naming any TLS options makes the client refuse a server that offers none.
        ...(insists && { tls: { caFile: ca, certFile: certificate, keyFile: key } }),
        // The default gives up for good after ten attempts, and after two refusals.
        maxReconnectAttempts: -1,
        ignoreAuthErrorAbort: true,
        reconnectTimeWait: 250,
        timeout: requestMilliseconds,
        pingInterval: pingMilliseconds,
        maxPingOut: 2,
        // An Error a request, made for its stack, halves the rate of publishing.
        noAsyncTraces: true,
      });
      const jsm = await connection.jetstreamManager({ timeout: requestMilliseconds, checkAPI: false });
      const broker = new Broker(connection, jsm, servers, patienceMilliseconds);
      await broker.#findJetStream();
      return broker;
    } catch (cause) {
      await connection?.close();
      throw Broker.#connectError(settings, servers, cause);
    }
  }

  static #connectError({ tls }: NatsSettings, servers: string, cause: unknown): DeqfleetError {
    if (cause instanceof DeqfleetError) return cause;
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
    const message = meaningOf(cause);
    if (code === "AUTHORIZATION_VIOLATION" || code === "BAD_CREDS" || code === "BAD_AUTHENTICATION") {
      return new InputError(
        `NATS at ${servers} refuses this client (${message}): check credentials, user and passwordFile, or tokenFile`,
        { cause },
      );
    }
    if (code === "SERVER_OPT_NA" || code === "TLS" || certificateErrors.test(code)) {
      return new InputError(`NATS at ${servers} cannot be used over TLS as set (${message}): check tls`, {
        cause,
      });
    }
    // A broker that misses a certificate closes the connection without a word that the client passes on.
    const hint =
      tls && tls.certificate === undefined && code === "TIMEOUT"
        ? " (it may ask for a certificate: tls.certificate and tls.key)"
        : "";
    return new RetryableError(`NATS at ${servers} cannot be reached: ${message}${hint}`, { cause });
  }

  /** A cluster that starts does not answer before it has elected its leader. */
  async #findJetStream(): Promise<void> {
    await this.ask("looking for JetStream", async () => {
      try {
        await this.jsm.getAccountInfo();
      } catch (cause) {
        if (!(cause instanceof NatsError && cause.code === "503") || cause.api_error) throw cause;
        throw new InputError(`NATS at ${this.#servers} has no JetStream for this client: enable it`, {
          cause,
        });
      }
    });
  }

  async #watchConnection(): Promise<void> {
    let reconnected = () => {};
    void this.connection.closed().then(() => {
      this.#link.abort();
      reconnected();
    });
    for await (const { type } of this.connection.status()) {
      if (type === "disconnect" && !this.#link.signal.aborted) {
        this.#connected = new Promise((resolve) => {
          reconnected = resolve;
        });
        this.#link.abort();
      }
      if (type === "reconnect") {
        this.#link = newLink();
        reconnected();
      }
    }
  }

  /** Aborts when the connection of this moment is lost: whatever was asked over it is not answered any more. */
  get link(): AbortSignal {
    return this.#link.signal;
  }

  get closed(): boolean {
    return this.connection.isClosed();
  }

  /** Largest message the broker takes, in bytes. */
  get maxPayload(): number {
    return this.connection.info?.max_payload ?? 1 << 20;
  }

  /**
   * Does something with the broker. It is done again where the broker did not answer, so doing it twice has to be the same as
   * doing it once.
   * @param what for the error: "recording an outcome"
   * @throws RetryableError if the broker does not do it within the time, whatever `work` throws on purpose
   */
  async attempt<Result>(what: string, work: () => Promise<Result>): Promise<Result> {
    const until = performance.now() + this.#patienceMilliseconds;
    for (;;) {
      try {
        if (this.#link.signal.aborted) await this.#reconnectedBefore(until);
        return await work();
      } catch (cause) {
        if (cause instanceof DeqfleetError) throw cause;
        if (performance.now() >= until || !isPassing(cause) || this.closed) {
          throw this.#error(what, cause);
        }
        await delay(againAfterMilliseconds);
      }
    }
  }

  /** As {@link attempt}, for requests: their answers do not come any more once the connection is lost. */
  ask<Result>(what: string, work: () => Promise<Result>): Promise<Result> {
    return this.attempt(what, () => {
      const { link } = this;
      return new Promise<Result>((resolve, reject) => {
        const lost = () => reject(NatsError.errorForCode("DISCONNECT"));
        link.addEventListener("abort", lost, { once: true });
        work()
          .then(resolve, reject)
          .finally(() => link.removeEventListener("abort", lost));
      });
    });
  }

  async #reconnectedBefore(until: number): Promise<void> {
    const end = new AbortController();
    const left = Math.max(0, until - performance.now());
    await Promise.race([this.#connected, delay(left, undefined, { signal: end.signal }).catch(() => {})]);
    end.abort();
    if (this.#link.signal.aborted) throw NatsError.errorForCode("DISCONNECT");
  }

  #error(what: string, cause: unknown): DeqfleetError {
    const message = `${what}: NATS at ${this.#servers}: ${meaningOf(cause)}`;
    if (cause instanceof NatsError && cause.isPermissionError()) {
      return new InputError(`${message}; the user needs this permission`, { cause });
    }
    return new RetryableError(message, { cause });
  }

  async close(): Promise<void> {
    await this.connection.close();
  }
}
