import type { Reporter, TestModule } from 'vitest/node';

/**
 * Ends the output of a run with one plain line: `N passed, N failed`, and `, N skipped` when some were.
 * A file that could not be loaded, and an error outside of any test, count as one failure each.
 */
export default class TallyReporter implements Reporter {
  #line: string | undefined;

  onInit(): void {
    // The other reporters write their summary after `onTestRunEnd`; nothing writes after this.
    process.once('exit', () => {
      if (this.#line !== undefined) process.stdout.write(`${this.#line}\n`);
    });
  }

  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const counts = { passed: 0, failed: unhandledErrors.length, skipped: 0 };
    for (const module of modules) {
      if (module.errors().length > 0) counts.failed++;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        counts[state === 'pending' ? 'skipped' : state]++;
      }
    }
    const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : '';
    this.#line = `${counts.passed} passed, ${counts.failed} failed${skipped}`;
  }
}
