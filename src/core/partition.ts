import type { AppId } from './ids.ts';

/**
 * The partition in which an app lives. The same function serves every engine, so that an app keeps
 * its partition when its log moves; 32-bit FNV-1a over the decimal digits of the id.
 */
export function partitionOf(app: AppId, partitions: number): number {
  let hash = 0x811c9dc5;
  for (const digit of String(app)) {
    hash = Math.imul(hash ^ digit.charCodeAt(0), 0x01000193);
  }
  return (hash >>> 0) % partitions;
}
