/** Addresses as HOST:PORT, an IPv6 host in brackets. */
import { hostname } from "node:os";
import { z } from "zod";

/** Hosts that mean "every interface": nobody can be reached under them. */
const everyInterface = new Set(["0.0.0.0", "[::]", "*"]);

/** HOST:PORT; for schemas of settings. */
export const addressSchema = z
  .string()
  .regex(/^[^\s:]+:\d{1,5}$|^\[[0-9a-fA-F:.%]+\]:\d{1,5}$/, "needs HOST:PORT, an IPv6 host in brackets")
  .refine((address) => portOf(address) <= 65_535, "has a port above 65535");

/** The host of an address, an IPv6 one still in its brackets. */
export const hostOf = (address: string): string => address.slice(0, address.lastIndexOf(":"));

export const portOf = (address: string): number => Number(address.slice(address.lastIndexOf(":") + 1));

/**
 * The address others reach a server under.
 * @param listen where it was told to listen
 * @param port that it has got
 * @param advertise given by the user; its port 0 stands for the server's
 */
export function advertisedAddress(listen: string, port: number, advertise: string | null): string {
  if (advertise !== null) {
    return portOf(advertise) === 0 ? `${hostOf(advertise)}:${port}` : advertise;
  }
  const host = hostOf(listen);
  return `${everyInterface.has(host) ? hostname() : host}:${port}`;
}

/** Whether an address is one of this machine, whatever machine that is. */
export function isLoopback(address: string): boolean {
  const host = hostOf(address);
  return host === "localhost" || host === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(host);
}
