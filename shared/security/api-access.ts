/** Who may use the public API, and how much of it at a time: interceptors of a gRPC server. */
import { createHash, timingSafeEqual } from "node:crypto";
import { readFile } from "node:fs/promises";
import {
  ResponderBuilder,
  ServerInterceptingCall,
  type ServerInterceptor,
  ServerListenerBuilder,
  status,
} from "@grpc/grpc-js";
import { DeqfleetError, InputError } from "../errors.js";

/** Shorter ones can be guessed. */
const shortestToken = 16;

const digest = (text: string): Buffer => createHash("sha256").update(text).digest();

/**
 * Reads a file of tokens: one a line, empty lines and those that begin with `#` aside.
 * @throws InputError if it cannot be read, holds none, or one that is too short; no token is part of a message
 */
export async function readTokens(path: string): Promise<readonly string[]> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    throw new InputError(`--api-tokens ${path} cannot be read: ${DeqfleetError.messageOf(cause)}`, { cause });
  }
  const lines = text.split("\n").map((line) => line.trim());
  const tokens = lines.filter((line) => line !== "" && !line.startsWith("#"));
  if (tokens.length === 0) throw new InputError(`--api-tokens ${path} holds no token; put one on a line`);
  const short = lines.findIndex((line) => tokens.includes(line) && line.length < shortestToken);
  if (short >= 0) {
    throw new InputError(
      `--api-tokens ${path}: the token on line ${short + 1} has fewer than ${shortestToken} characters; make one with openssl rand -hex 32`,
    );
  }
  return tokens;
}

/** Methods that anybody may call: probes have no token. */
const isOpen = (method: string): boolean => method.startsWith("/grpc.health.v1.Health/");

/** Refuses calls that come without one of the tokens, as `authorization: Bearer TOKEN`. Health checks need none. */
export function bearerAuthentication(tokens: readonly string[]): ServerInterceptor {
  const accepted = tokens.map(digest);
  return (method, call) => {
    if (isOpen(method.path)) return new ServerInterceptingCall(call);
    const listener = new ServerListenerBuilder()
      .withOnReceiveMetadata((metadata, next) => {
        const [given] = metadata.get("authorization");
        const token = typeof given === "string" ? /^Bearer (.+)$/i.exec(given)?.[1] : undefined;
        // Digests have one length, and all are compared, so that the time taken tells nothing.
        const offered = digest(token ?? "");
        const matches = accepted.filter((known) => timingSafeEqual(known, offered)).length > 0;
        if (token !== undefined && matches) return next(metadata);
        const details =
          token === undefined
            ? "this API asks for a token: give --token-file FILE, or the header authorization: Bearer TOKEN"
            : "the token is not accepted";
        call.sendStatus({ code: status.UNAUTHENTICATED, details });
      })
      .build();
    return new ServerInterceptingCall(
      call,
      new ResponderBuilder().withStart((next) => next(listener)).build(),
    );
  };
}

/** Refuses calls beyond `most` that are served at the same time, streams included. Health checks do not count. */
export function limitConcurrency(most: number): ServerInterceptor {
  let serving = 0;
  return (method, call) => {
    if (isOpen(method.path)) return new ServerInterceptingCall(call);
    let counted = false;
    const leave = () => {
      if (counted) serving--;
      counted = false;
    };
    const listener = new ServerListenerBuilder()
      .withOnReceiveMetadata((metadata, next) => {
        if (serving >= most) {
          const details = `${serving} requests are being served, which is the limit (--api-concurrency); try again later`;
          call.sendStatus({ code: status.RESOURCE_EXHAUSTED, details });
          return;
        }
        serving++;
        counted = true;
        next(metadata);
      })
      .withOnCancel(leave)
      .build();
    return new ServerInterceptingCall(
      call,
      new ResponderBuilder()
        .withStart((next) => next(listener))
        .withSendStatus((outcome, next) => {
          leave();
          next(outcome);
        })
        .build(),
    );
  };
}
