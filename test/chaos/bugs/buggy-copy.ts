import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { applied, type SeededBug } from './seeded-bugs.ts';

const root = join(import.meta.dirname, '../../..');

/** A copy of the sources with bugs in it; the product itself never has a switch for them. */
export class BuggyCopy implements AsyncDisposable {
  readonly root: string;

  private constructor(directory: string) {
    this.root = directory;
  }

  static async create(bug: Pick<SeededBug, 'replacements'> | undefined): Promise<BuggyCopy> {
    const directory = await mkdtemp(join(tmpdir(), 'spillway-bug-'));
    for (const path of ['package.json', 'src']) {
      await cp(join(root, path), join(directory, path), { recursive: true });
    }
    await symlink(join(root, 'node_modules'), join(directory, 'node_modules'));
    for (const replacement of bug?.replacements ?? []) {
      const path = join(directory, replacement.file);
      await writeFile(path, applied(await readFile(path, 'utf8'), replacement));
    }
    return new BuggyCopy(directory);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.root, { recursive: true, force: true });
  }
}
