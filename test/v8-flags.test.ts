import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const script = `
  import { readdirSync, readFileSync } from 'node:fs';
  import { getPriority } from 'node:os';
  import { makeHelpersGiveWay, setV8Flags } from './src/v8-flags.ts';
  const before = getPriority();
  setV8Flags();
  makeHelpersGiveWay();
  const helpers = readdirSync('/proc/self/task').filter(
    (id) => readFileSync('/proc/self/task/' + id + '/comm', 'latin1').trim() === 'V8Worker',
  );
  const added = helpers.map((id) => getPriority(Number(id)) - before);
  console.log(JSON.stringify({ added, own: getPriority() - before }));
`;

test.runIf(existsSync('/proc/self/task'))(
  "V8's helper threads give way to the event loop, which keeps its priority",
  async () => {
    const args = ['--input-type=module', '--eval', script];
    const { stdout } = await promisify(execFile)(process.execPath, args);
    const { added, own } = JSON.parse(stdout) as { added: number[]; own: number };
    expect(own).toBe(0);
    expect(added.length).toBeGreaterThan(0);
    expect(added.every((more) => more > 0)).toBe(true);
  },
);
