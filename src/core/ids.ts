/** An app's id in the registry: a positive integer, never reused. Logplex calls the same thing a channel. */
export type AppId = number & { readonly brand: 'AppId' };

/** A drain's id in the registry: a positive integer, never reused. */
export type DrainId = number & { readonly brand: 'DrainId' };

export function appId(value: number): AppId {
  return assertId(value) as AppId;
}

export function drainId(value: number): DrainId {
  return assertId(value) as DrainId;
}

function assertId(value: number): number {
  if (!Number.isSafeInteger(value) || value < 1) throw new RangeError(`not an id: ${value}`);
  return value;
}
