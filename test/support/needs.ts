import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { test } from 'vitest';

/**
 * `test`, or a skip with one line that says what to install, where something that the test needs is missing.
 * With REQUIRE_SERVICES=1, as in CI, a missing thing is a failure.
 */
export function testNeeding(what: string, isThere: boolean, install: string): typeof test {
  if (isThere || process.env['REQUIRE_SERVICES'] === '1') return test;
  process.stderr.write(`skipped: tests with ${what}: ${install}\n`);
  return test.skip as typeof test;
}

/** The fault tests that take longer, and more rounds of the others: FAULTS=all. */
export const hasTimeForAll = process.env['FAULTS'] === 'all';

export function hasCommand(name: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${name}`]).status === 0;
}

const gigalixirPath = resolve(process.env['GIGALIXIR'] ?? '.cache/gigalixir/bin/gigalixir');

/** The Python CLI, unmodified: GIGALIXIR names it, or a virtual environment in `.cache/gigalixir`. */
export const gigalixir = { path: gigalixirPath, isThere: existsSync(gigalixirPath) };
