import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { checkSteps } from '../../scripts/check-steps.ts';

const root = join(import.meta.dirname, '../..');
const bin = join(root, 'node_modules/.bin');
const copied = [
  '.dependency-cruiser.mjs',
  '.gitignore',
  '.oxlintrc.json',
  '.prettierignore',
  '.prettierrc.json',
  'knip.json',
  'package.json',
  'scripts',
  'src',
  'tsconfig.json',
];

export type StepName = (typeof checkSteps)[number]['name'];

/** A copy of the sources in which a mistake can be planted, and the real checks run. */
export class SourceCopy implements AsyncDisposable {
  readonly #directory: string;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  static async create(): Promise<SourceCopy> {
    const directory = await mkdtemp(join(tmpdir(), 'spillway-tooling-'));
    for (const path of copied)
      await cp(join(root, path), join(directory, path), { recursive: true });
    await symlink(join(root, 'node_modules'), join(directory, 'node_modules'));
    return new SourceCopy(directory);
  }

  async plant(path: string, text: string): Promise<void> {
    await mkdir(dirname(join(this.#directory, path)), { recursive: true });
    await writeFile(join(this.#directory, path), text, { mode: 0o755 });
  }

  /** Runs a step of `npm run check`, word for word. `shims` comes first in the path. */
  check(step: StepName, shims = bin): Promise<{ failed: boolean; output: string }> {
    const { command } = checkSteps.find(({ name }) => name === step) ?? checkSteps[0];
    const [program = '', ...args] = command.split(' ');
    const path = [join(this.#directory, shims), bin, process.env['PATH']].join(delimiter);
    const options = { cwd: this.#directory, env: { ...process.env, PATH: path, NO_COLOR: '1' } };
    return new Promise((resolve) => {
      execFile(program, args, options, (error, stdout, stderr) =>
        resolve({ failed: error !== null, output: stdout + stderr }),
      );
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#directory, { recursive: true, force: true });
  }
}
