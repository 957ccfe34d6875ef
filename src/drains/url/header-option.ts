/**
 * Request headers as an object of names and values, or as a list of pairs; undefined when one of them is not a
 * header (RFC 9110 §5), is given twice, or belongs to the connection or to what we say ourselves.
 */
export function requestHeaders(value: unknown): Readonly<Record<string, string>> | undefined {
  const pairs = pairsOf(value);
  const names = new Set(pairs?.map(([name]) => name.toLowerCase()));
  if (!pairs || pairs.length === 0 || pairs.length > headersMax) return undefined;
  const isFine = names.size === pairs.length && pairs.every(isHeader) && sizeOf(pairs) <= bytesMax;
  return isFine ? Object.fromEntries(pairs) : undefined;
}

type Pair = readonly [name: string, value: string];

const headersMax = 20;
const bytesMax = 8192;

function pairsOf(value: unknown): readonly Pair[] | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const pairs: readonly unknown[] = Array.isArray(value) ? value : Object.entries(value);
  return pairs.every(isPair) ? pairs : undefined;
}

function isPair(pair: unknown): pair is Pair {
  return Array.isArray(pair) && pair.length === 2 && pair.every((part) => typeof part === 'string');
}

function isHeader([name, value]: Pair): boolean {
  return (
    /^[!#$%&'*+.^_`|~0-9a-z-]{1,128}$/i.test(name) &&
    /^[!-~](?:[ -~\t]*[!-~])?$/.test(value) &&
    !reserved.test(name)
  );
}

const reserved =
  /^(?:host|content-length|content-encoding|transfer-encoding|connection|keep-alive|upgrade|te|trailer|expect|proxy-.*|logplex-.*|__proto__)$/i;

function sizeOf(pairs: readonly Pair[]): number {
  return pairs.reduce((sum, [name, value]) => sum + name.length + value.length, 0);
}
