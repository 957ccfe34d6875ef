/** A part with a life: started by the one who makes it, closed in the reverse order. */
export interface Service {
  /** Why this part cannot serve now; undefined while it can. Read by `/readyz`. */
  problem(): string | undefined;
  /** Ends the part. Resolves when it is quiet; `signal` says when waiting is over and it must simply stop. */
  close(signal: AbortSignal): Promise<void>;
}
