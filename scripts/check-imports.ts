import { execFile } from 'node:child_process';
import { globSync } from 'node:fs';
import { promisify } from 'node:util';

/**
 * Checks the import rules of `.dependency-cruiser.mjs` on the directory in which it runs, and that the tool
 * really read what is there: with a compiler that it does not know it reads nothing and is content.
 */
interface Cruise {
  readonly modules: readonly { readonly source: string }[];
  readonly summary: {
    readonly violations: readonly {
      readonly from: string;
      readonly to: string;
      readonly rule: { readonly name: string };
    }[];
  };
}

// With this output type the exit code is 0 whatever was found.
const options = ['src', '--config', '.dependency-cruiser.mjs', '--output-type', 'json'];
const { stdout } = await promisify(execFile)('depcruise', options, { maxBuffer: 256 << 20 });
const { modules, summary } = JSON.parse(stdout) as Cruise;
const read = new Set(modules.map(({ source }) => source));
const existing = globSync('src/**/*.ts');
const problems = [
  ...summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} → ${to}`),
  ...existing.filter((file) => !read.has(file)).map((file) => `not read, so not checked: ${file}`),
];
for (const problem of problems) console.error(problem);
console.log(`${existing.length} modules of src, ${problems.length} problems with their imports`);
process.exitCode = problems.length > 0 || existing.length === 0 ? 1 : 0;
