import type { DrainFilters } from '../url/drain-options.ts';
import type { LineFilter } from './encoder.ts';

/**
 * What the owner's filters want, or undefined when they want everything. A line has to pass each of them; of
 * several names one is enough. A process is named whole or by its type: `web` is `web` and `web.1`.
 */
export function createLineFilter({
  sources,
  processes,
  severity,
}: DrainFilters): LineFilter | undefined {
  const apps = sources.map((name) => Buffer.from(name));
  const procs = processes.map((name) => Buffer.from(name));
  const isAny = apps.length === 0 && procs.length === 0 && severity === undefined;
  if (isAny) return undefined;
  const severityMax = severity ?? leastSevere;
  return (header, bytes) =>
    header.severity <= severityMax &&
    (apps.length === 0 || apps.some((app) => isSource(app, bytes, header))) &&
    (procs.length === 0 || procs.some((proc) => isProcess(proc, bytes, header)));
}

const leastSevere = 7;
const dot = 0x2e;

function isSource(
  name: Buffer,
  bytes: Buffer,
  { appStart, appEnd }: { appStart: number; appEnd: number },
): boolean {
  return appEnd - appStart === name.length && startsWith(name, bytes, appStart);
}

function isProcess(
  name: Buffer,
  bytes: Buffer,
  { procStart, procEnd }: { procStart: number; procEnd: number },
): boolean {
  const rest = procEnd - procStart - name.length;
  const mayBe = rest === 0 || (rest > 0 && bytes[procStart + name.length] === dot);
  return mayBe && startsWith(name, bytes, procStart);
}

function startsWith(name: Buffer, bytes: Buffer, start: number): boolean {
  for (let i = 0; i < name.length; i++) if (bytes[start + i] !== name[i]) return false;
  return true;
}
