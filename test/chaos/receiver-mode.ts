/** How a receiver behaves. Faults are the modes other than `up`. */
export const faultModes = [
  /** Nothing listens. */
  'down',
  /** Connections are taken, what comes is not answered, or not read. */
  'hanging',
  /** Answers after a while; reads in sips. */
  'slow',
  /** Every connection is reset in the middle. */
  'resetting',
  /** 500, 503 with Retry-After, 429; for syslog the same as resetting. */
  'failing',
  /** Takes batches and resets the connection instead of answering; for syslog the same as resetting. */
  'swallowing',
] as const;
export type FaultMode = (typeof faultModes)[number];
export type ReceiverMode = 'up' | FaultMode;

/** How often receivers did what their mode asks for: a fault that met nobody is none. */
export type ModeHits = Record<FaultMode, number>;

export function noHits(): ModeHits {
  return { down: 0, hanging: 0, slow: 0, resetting: 0, failing: 0, swallowing: 0 };
}
